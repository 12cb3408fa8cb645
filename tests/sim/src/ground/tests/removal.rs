//! What is removed although it is needed, and what is not there.

use super::*;

/// A truth with a run, one that it started, and one that was made of it, all over, that may be removed.
fn family() -> Truth {
    let mut truth = Truth::default();
    let parent = Some(Parent { run: RUN, visit: VisitId(1) });
    assert_eq!(commit(&mut truth, RUN, &[started(None, None), step(1), ended()]), [""; 0]);
    assert_eq!(commit(&mut truth, OTHER, &[started(parent, None), step(1), ended()]), [""; 0]);
    let ancestor = Some(Ancestor::Rerun { run: RUN });
    assert_eq!(commit(&mut truth, THIRD, &[started(None, ancestor), step(1), ended()]), [""; 0]);
    truth.retentions.push(Retention { older_than: None, keep: Some(0) });
    truth
}

fn removed(truth: &mut Truth, runs: &[RunId]) -> Vec<String> {
    let removal = |run: &RunId| {
        let expected_seq = truth.runs.get(run).map_or(0, |run| run.head.seq);
        Removal { run: *run, expected_seq, approvals: Vec::new(), namespace: pawl_core::Namespace::default() }
    };
    let removed = runs.iter().map(removal).collect();
    now(truth, &Batch { removed, ..Batch::default() })
}

#[test]
fn what_may_be_removed_is_removed_without_complaint() {
    assert_eq!(removed(&mut family(), &[OTHER, RUN, THIRD]), [""; 0]);
    let mut truth = family();
    assert_eq!(removed(&mut truth, &[RUN]), [""; 0]);
    assert_eq!(removed(&mut truth, &[OTHER]), [""; 0]);
    finds(&removed(&mut truth, &[OTHER]), "and was not there");
    finds(&commit(&mut truth, RUN, &[step(2)]), "was removed, and has 1 events more");
}

#[test]
fn what_is_removed_although_it_is_needed_is_found() {
    finds(&removed(&mut family(), &[OTHER]), "the run that started it stays");
    let mut truth = family();
    truth.retentions = vec![Retention { older_than: None, keep: Some(3) }];
    finds(&removed(&mut truth, &[THIRD]), "it was to be kept");
    truth.retentions = vec![Retention { older_than: Some(Duration(1_000)), keep: None }];
    finds(&removed(&mut truth, &[RUN, OTHER]), "it was to be kept");
    let mut truth = family();
    truth.outgoing.insert(Origin { run: RUN, seq: 3 });
    finds(&removed(&mut truth, &[RUN]), "others must still be told of it");
    // Another that it started, and another that was made of it, go on.
    let on = RunId::from_bytes([4; 16]);
    let parent = Some(Parent { run: RUN, visit: VisitId(1) });
    let mut truth = family();
    assert_eq!(commit(&mut truth, on, &[started(parent, None), step(1)]), [""; 0]);
    finds(&removed(&mut truth, &[RUN]), "a run that it started goes on");
    let mut truth = family();
    let ancestor = Some(Ancestor::Forked { run: RUN, seq: 1 });
    assert_eq!(commit(&mut truth, on, &[started(None, ancestor), step(1)]), [""; 0]);
    finds(&removed(&mut truth, &[RUN]), "a run that was made of it goes on");
    finds(&removed(&mut truth, &[on]), "it is not over");

    let mut truth = Truth::default();
    let events: Vec<Event> = asked(1).into_iter().chain([decided(), ended()]).collect();
    commit(&mut truth, RUN, &events);
    truth.retentions.push(Retention { older_than: None, keep: Some(0) });
    finds(&removed(&mut truth, &[RUN]), "approvals of it are left");

    let mut truth = family();
    let removal = Removal {
        run: THIRD,
        expected_seq: 2,
        approvals: Vec::new(),
        namespace: pawl_core::Namespace::default(),
    };
    finds(&now(&mut truth, &Batch { removed: vec![removal], ..Batch::default() }), "its journal goes on");
}

#[test]
fn blobs_that_are_missing_are_found() {
    let blob = Blob::new(b"null".as_slice());
    let named = Event::StepCompleted { visit: VisitId(1), output: Payload::Blob(blob.digest) };
    let events = [step(1), attempt(1), named];
    let forge = |blobs: Vec<Blob>| {
        let mut truth = Truth::default();
        let mut state = RunState::new(RUN);
        let mut head = Head::empty(RUN);
        let encoded = encode(&mut head, Timestamp(1), &events);
        for event in [step(1), attempt(1), completed(1)] {
            state.apply(Timestamp(1), &event);
        }
        let commit = RunCommit { header: Some(state.header(head)), ..RunCommit::new(RUN, 0, encoded) };
        let found = now(&mut truth, &Batch { runs: vec![commit], blobs, ..Batch::default() });
        (truth, found)
    };
    finds(&forge(Vec::new()).1, "which no commit brought");
    let (mut truth, found) = forge(vec![blob.clone()]);
    assert_eq!(found, [""; 0]);
    truth.observe(&Batch::default(), &[Digest::of(b"another")], Timestamp(1));
    assert_eq!(truth.violations, [""; 0]);
    truth.observe(&Batch::default(), &[blob.digest], Timestamp(1));
    finds(&truth.violations, "and a journal names it");
}
