//! Each check finds what it is there to find.

mod council;
mod removal;

use pawl_core::event::{
    ApprovalDecided, ApprovalOpened, Asker, Awaited, Because, Overflow, Parent, RunStarted, SignalReceived,
    SlotRequested,
};
use pawl_core::journal::encode;
use pawl_core::plugin::{EffectClass, Permissions, PluginPins, WorkflowPins};
use pawl_core::travel::{RunForked, RunRetried};
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{Duration, Failure, FailureKind, FrameId, Ticket};
use pawl_store::memory::MemoryStore;
use pawl_store::{Blob, Removal, Store as _, Subscription};
use serde_json::{Value, json};

use super::*;
use crate::people::{named, somebody};

const RUN: RunId = RunId::from_bytes([1; 16]);
const OTHER: RunId = RunId::from_bytes([2; 16]);
const THIRD: RunId = RunId::from_bytes([3; 16]);

fn now(truth: &mut Truth, batch: &Batch) -> Vec<String> {
    truth.observe(batch, &[], Timestamp(1));
    std::mem::take(&mut truth.violations)
}

/// A commit of events with all that follows from them.
fn following(truth: &Truth, run: RunId, events: &[Event]) -> RunCommit {
    let before = truth.runs.get(&run);
    let mut head = before.map_or_else(|| Head::empty(run), |before| before.head);
    let mut state = before.map_or_else(|| RunState::new(run), |before| before.state.clone());
    let was = state.clone();
    let expected = head.seq;
    let encoded = encode(&mut head, Timestamp(1), events);
    for event in events {
        state.apply(Timestamp(1), event);
    }
    let tickets: Vec<Ticket> = state.tickets().collect();
    let gone = |visit: &Option<VisitId>| !tickets.iter().any(|ticket| ticket.visit == *visit);
    let open = |state: &RunState| -> Vec<OpenApproval> {
        state.approvals().filter_map(|(id, _)| state.open_approval(id)).collect()
    };
    let closed = open(&was).into_iter().map(|open| open.id).filter(|id| state.open_approval(id).is_none());
    RunCommit {
        header: Some(state.header(head)),
        opened: open(&state),
        closed: closed.collect(),
        returned: was.tickets().map(|ticket| ticket.visit).filter(gone).collect(),
        tickets,
        ..RunCommit::new(run, expected, encoded)
    }
}

/// Commits events with all that follows from them, and gives what was found wrong.
fn commit(truth: &mut Truth, run: RunId, events: &[Event]) -> Vec<String> {
    let commit = following(truth, run, events);
    now(truth, &Batch { runs: vec![commit], ..Batch::default() })
}

fn started(parent: Option<Parent>, ancestor: Option<Ancestor>) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        folder: None,
        workflow: "w".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b"definition"),
        inputs: json!({}).into(),
        plugins: Arc::default(),
        allowed: Permissions::default(),
        by: somebody(),
        seed: Digest::of(b"seed"),
        workflows: WorkflowPins::default(),
        parent,
        priority: None,
        allowance: pawl_core::budget::Amounts::default(),
        prices: pawl_core::budget::Prices::new(),
        ancestor,
        policy: pawl_core::guard::Policy::default(),
        trace: None,
        namespace: pawl_core::Namespace::default(),
    }))
}

fn step(visit: u32) -> Event {
    let (visit, step) = (VisitId(visit), StepId::new("a"));
    Event::StepStarted { visit, step, because: Because::First, frame: FrameId::ROOT }
}

fn attempt(visit: u32) -> Event {
    Event::AttemptStarted { visit: VisitId(visit), attempt: 1, work: None, deadline: None }
}

fn completed(visit: u32) -> Event {
    Event::StepCompleted { visit: VisitId(visit), output: Value::Null.into() }
}

fn ended() -> Event {
    Event::RunCompleted { outputs: Value::Null.into() }
}

fn failed() -> Event {
    Event::RunFailed { failure: Failure::new(FailureKind::Permanent, "no"), step: None }
}

fn slot(visit: u32) -> [Event; 3] {
    let requested = SlotRequested {
        visit: Some(VisitId(visit)),
        key: "k".into(),
        limit: 1,
        overflow: Overflow::Queue,
        priority: 50,
        until: None,
    };
    [step(visit), Event::SlotRequested(Box::new(requested)), Event::SlotTaken { visit: Some(VisitId(visit)) }]
}

fn asked(visit: u32) -> [Event; 2] {
    let question = pawl_core::call::Question {
        title: "Well?".into(),
        to: Vec::new(),
        actions: vec!["approve".into()],
        form: None,
        subject: None,
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    };
    let (approval, digest) = (ApprovalId::from_bits(7), Digest::of(b"question"));
    let (visit_id, asker) = (VisitId(visit), Asker::Step);
    let opened = ApprovalOpened {
        visit: visit_id,
        approval,
        asker,
        question,
        digest,
        due: None,
        excluded: Vec::new(),
    };
    [step(visit), Event::ApprovalOpened(Box::new(opened))]
}

fn decided() -> Event {
    Event::ApprovalDecided(Box::new(ApprovalDecided {
        approval: ApprovalId::from_bits(7),
        action: "approve".into(),
        data: json!({}).into(),
        by: somebody(),
        comment: None,
        executes: None,
        instead_of: None,
    }))
}

#[track_caller]
fn finds(found: &[String], words: &str) {
    assert!(found.iter().any(|one| one.contains(words)), "{words}: {found:?}");
}

#[test]
fn what_is_over_twice_is_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &[step(1), attempt(1), completed(1)]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[completed(1)]), "was over, and is over again");
}

#[test]
fn an_approval_that_is_decided_twice_is_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &asked(1)), [""; 0]);
    assert_eq!(commit(&mut truth, RUN, &[decided()]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[decided()]), "is decided twice");
    // Nor may one be that was never asked.
    finds(&commit(&mut Truth::default(), RUN, &[decided()]), "is decided twice");
}

#[test]
fn work_that_is_over_and_acts_that_are_repeated_are_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &[step(1), attempt(1)]), [""; 0]);
    let work = (RUN, VisitId(1), None);
    truth.call(work, 1, EffectClass::AtMostOnce, &Ok(json!(1)));
    assert_eq!(truth.violations, [""; 0]);
    truth.call(work, 1, EffectClass::AtMostOnce, &Ok(json!(1)));
    finds(&truth.violations, "acted 2 times");
    truth.violations.clear();
    commit(&mut truth, RUN, &[completed(1)]);
    truth.call(work, 1, EffectClass::Pure, &Ok(json!(1)));
    finds(&truth.violations, "its journal says that it is over");
    truth.violations.clear();
    truth.call((OTHER, VisitId(1), None), 1, EffectClass::Pure, &Ok(json!(1)));
    finds(&truth.violations, "its journal says that it is over");
}

#[test]
fn a_header_or_a_journal_that_does_not_follow_is_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &[step(1)]), [""; 0]);
    let mut head = Head::empty(RUN);
    let forked = encode(&mut head, Timestamp(1), &[step(2)]);
    let found = now(&mut truth, &Batch { runs: vec![RunCommit::new(RUN, 1, forked)], ..Batch::default() });
    finds(&found, "the journal does not read");
}

#[test]
fn lists_that_the_journal_does_not_give_are_found() {
    let other = RunState::new(OTHER).header(Head::empty(RUN));
    let mut wrong = following(&Truth::default(), RUN, &[step(1)]);
    wrong.header = Some(other);
    let found = now(&mut Truth::default(), &Batch { runs: vec![wrong], ..Batch::default() });
    finds(&found, "is not what its journal gives");
    let forged = |events: &[Event], forge: fn(&mut RunCommit), words: &str| {
        let mut wrong = following(&Truth::default(), RUN, events);
        forge(&mut wrong);
        finds(&now(&mut Truth::default(), &Batch { runs: vec![wrong], ..Batch::default() }), words);
    };
    forged(&asked(1), |commit| commit.opened.clear(), "the open approvals");
    forged(&slot(1), |commit| commit.tickets.clear(), "the slots");
    let topic = Awaited::Topic("t".into());
    let waits = [step(1), Event::ListenStarted { visit: VisitId(1), awaited: topic, until: None }];
    forged(&waits, |_| (), "the waits for topics");
    forged(&waits, |commit| commit.header = None, "its header was not written");
}

#[test]
fn events_after_the_end_are_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &[step(1), ended()]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[step(2)]), "had ended (completed), and has the event step-started");
    let retried = || {
        let (visit, by, moved) = (VisitId(1), somebody(), Duration(0));
        Event::RunRetried(Box::new(RunRetried { visit, again: true, by, moved }))
    };
    finds(&commit(&mut truth, RUN, &[retried()]), "had ended");
    // One that failed may be tried again.
    assert_eq!(commit(&mut truth, OTHER, &[step(1), attempt(1), failed()]), [""; 0]);
    assert_eq!(commit(&mut truth, OTHER, &[retried()]), [""; 0]);
    assert_eq!(commit(&mut truth, THIRD, &[step(1), attempt(1), failed()]), [""; 0]);
    finds(&commit(&mut truth, THIRD, &[step(2)]), "had ended (failed)");
}

#[test]
fn what_is_there_twice_is_found() {
    let mut truth = Truth::default();
    let answered = || Event::CallCompleted {
        visit: VisitId(1),
        call: 1,
        request: None,
        digest: Digest::of(b"a call"),
        response: Ok(Value::Null.into()),
    };
    assert_eq!(commit(&mut truth, RUN, &[step(1), attempt(1), answered()]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[answered()]), "is answered twice");

    let signal = |number| {
        let key = Some("k".to_owned());
        let (data, by) = (Value::Null.into(), somebody());
        Event::SignalReceived(Box::new(SignalReceived {
            number,
            name: "go".into(),
            data,
            by,
            key,
            trace: None,
        }))
    };
    assert_eq!(commit(&mut truth, RUN, &[signal(1)]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[signal(2)]), "is in the journal of run");

    let heard = || Event::TopicHeard {
        trace: None,
        visit: VisitId(1),
        topic: "t".into(),
        data: Value::Null.into(),
        from: Origin { run: OTHER, seq: 1 },
    };
    assert_eq!(commit(&mut truth, RUN, &[heard()]), [""; 0]);
    finds(&commit(&mut truth, RUN, &[heard()]), "heard twice");
}

#[test]
fn more_slots_than_there_are_and_slots_of_those_who_ended_are_found() {
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &slot(1)), [""; 0]);
    assert_eq!(commit(&mut truth, OTHER, &slot(1)), ["2 hold a slot of k, of which there are 1"]);

    // One that is forked has the slot of the other, which was its own choice.
    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &slot(1)), [""; 0]);
    let forked = Event::RunForked(Box::new(RunForked {
        by: somebody(),
        moved: Duration(0),
        agents: PluginPins::new(),
        rehearsal: None,
        trace: None,
    }));
    let events: Vec<Event> = slot(1).into_iter().chain([forked]).collect();
    assert_eq!(commit(&mut truth, OTHER, &events), [""; 0]);
    finds(&commit(&mut truth, THIRD, &slot(1)), "2 hold a slot of k");

    let mut truth = Truth::default();
    assert_eq!(commit(&mut truth, RUN, &slot(1)), [""; 0]);
    let mut keeps = following(&truth, RUN, &[ended()]);
    keeps.returned.clear();
    let found = now(&mut truth, &Batch { runs: vec![keeps], ..Batch::default() });
    finds(&found, "has ended, and still has a slot of k");
}

#[test]
fn whoever_is_forgotten_is_found() {
    let at = |seconds: u64| Timestamp(seconds * 1_000);
    let mut truth = Truth::default();
    let wants = |visit| slot(visit)[..2].to_vec();
    assert_eq!(commit(&mut truth, RUN, &wants(1)), [""; 0]);
    truth.check_waits(at(1));
    truth.check_waits(at(601));
    assert_eq!(truth.violations, [""; 0]);
    truth.check_waits(at(602));
    finds(&truth.violations, "a slot of k is free since");
    truth.violations.clear();
    // Who waits for one that is taken is not forgotten.
    assert_eq!(commit(&mut truth, OTHER, &slot(1)), [""; 0]);
    truth.check_waits(at(9_000));
    assert_eq!(truth.violations, [""; 0]);

    let mut truth = Truth::default();
    let pause = [step(1), Event::WaitStarted { visit: VisitId(1), until: at(10) }];
    assert_eq!(commit(&mut truth, RUN, &pause), [""; 0]);
    truth.check_waits(at(610));
    assert_eq!(truth.violations, [""; 0]);
    truth.check_waits(at(611));
    finds(&truth.violations, "waits for");
}

#[test]
fn whoever_was_not_told_of_what_was_published_is_found() {
    let mut truth = Truth::default();
    let from = Origin { run: THIRD, seq: 1 };
    let awaited = Awaited::Topic("t/*".into());
    let mut waits =
        following(&truth, RUN, &[step(1), Event::ListenStarted { visit: VisitId(1), awaited, until: None }]);
    waits.subscribed = vec![Subscription { pattern: "t/*".into(), visit: VisitId(1) }];
    assert_eq!(now(&mut truth, &Batch { runs: vec![waits], ..Batch::default() }), [""; 0]);
    let listeners = truth.listeners("t/a");
    assert_eq!((listeners.len(), truth.listeners("u").len()), (1, 0));
    truth.check_heard("t/a", from, &[]);
    assert_eq!(truth.violations, [""; 0]);
    truth.check_heard("t/a", from, &listeners);
    finds(&truth.violations, "still waits");
}

/// What is found in the end of a truth with one run that is over, and a store that holds this.
async fn found_in_the_end(forge: impl FnOnce(&mut RunCommit), promises: &[Promise]) -> Vec<String> {
    let (mut truth, store) = (Truth::default(), MemoryStore::new());
    let mut commit = following(&truth, RUN, &[started(None, None), step(1), ended()]);
    now(&mut truth, &Batch { runs: vec![commit.clone()], ..Batch::default() });
    forge(&mut commit);
    store.commit(&Batch { runs: vec![commit], ..Batch::default() }).await.unwrap();
    truth.check_end(&Left::read(&store).await.unwrap(), promises);
    std::mem::take(&mut truth.violations)
}

fn header(commit: &mut RunCommit) -> &mut RunHeader {
    commit.header.as_mut().unwrap()
}

#[tokio::test]
async fn what_is_left_in_the_end_is_found() {
    assert_eq!(found_in_the_end(|_| (), &[]).await, [""; 0]);
    let ticket = |taken| Ticket {
        run: RUN,
        visit: None,
        key: "k".into(),
        limit: 1,
        overflow: Overflow::Queue,
        priority: 50,
        since: Timestamp(1),
        taken,
    };
    finds(&found_in_the_end(|at| at.tickets = vec![ticket(true)], &[]).await, "holds a slot of k in the end");
    finds(&found_in_the_end(|at| at.tickets = vec![ticket(false)], &[]).await, "waits for a slot of k");
    finds(&found_in_the_end(|at| header(at).wake_at = Some(Timestamp(9)), &[]).await, "a timer, due at");
    finds(&found_in_the_end(|at| at.outgoing = vec![3], &[]).await, "that nobody was told of");
    finds(&found_in_the_end(|at| header(at).status = Status::Waiting, &[]).await, "has not ended: Waiting");
    let mut truth = Truth::default();
    commit(&mut truth, RUN, &[step(1), ended()]);
    truth.check_end(&Left::default(), &[]);
    finds(&truth.violations, "the runs that are listed");
}

#[tokio::test]
async fn what_was_acknowledged_and_is_in_no_journal_is_found() {
    let done = |run, event, by: &str| Promise::Done { run, event, by: by.to_owned() };
    assert_eq!(found_in_the_end(|_| (), &[done(RUN, "run-started", "user:ann")]).await, [""; 0]);
    for promise in [
        done(OTHER, "run-started", "user:ann"),
        done(RUN, "run-started", "user:ben"),
        done(RUN, "run-retried", "user:ann"),
        Promise::Answered(ApprovalId::from_bits(7)),
        Promise::Signalled(RUN, "k".into()),
    ] {
        let found = found_in_the_end(|_| (), std::slice::from_ref(&promise)).await;
        finds(&found, "was acknowledged and is in no journal");
    }
}

#[test]
fn each_thing_that_a_person_does_leaves_its_mark() {
    use pawl_core::event::Cancelled;
    use pawl_core::travel::{RunResumed, RunSuspended};
    let (by, reason, moved) = (|| named("user:7".into()), None, Duration(0));
    let failure = Failure::new(FailureKind::Cancelled, "by somebody");
    let cancelled = Some(Cancelled { by: by(), reason: None });
    let visit = VisitId(1);
    let events = [
        ("run-retried", Event::RunRetried(Box::new(RunRetried { visit, again: true, by: by(), moved }))),
        ("run-suspended", Event::RunSuspended(Box::new(RunSuspended { by: by(), reason: reason.clone() }))),
        ("run-resumed", Event::RunResumed(Box::new(RunResumed { by: by(), moved }))),
        (
            "run-forked",
            Event::RunForked(Box::new(RunForked {
                by: by(),
                moved,
                agents: PluginPins::new(),
                rehearsal: None,
                trace: None,
            })),
        ),
        ("run-cancelled", Event::RunCancelled { by: by(), reason }),
        ("run-cancelled", Event::UndoStarted { failure, step: None, cancelled }),
    ];
    for (name, event) in events {
        let mut truth = Truth::default();
        let promise = Promise::Done { run: RUN, event: name, by: "user:7".into() };
        truth.check_end(&Left::default(), std::slice::from_ref(&promise));
        finds(&truth.violations, "is in no journal");
        truth.violations.clear();
        truth.note(RUN, &RunState::new(RUN), &event);
        truth.check_end(&Left::default(), &[promise]);
        assert_eq!(truth.violations, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn what_is_left_when_all_runs_are_removed_is_found() {
    let mut truth = Truth::default();
    truth.check_emptied(&Left::read(&MemoryStore::new()).await.unwrap());
    assert_eq!(truth.violations, [""; 0]);
    let store = MemoryStore::new();
    let commit = following(&truth, RUN, &[step(1), ended()]);
    let blobs = vec![Blob::new(b"x".as_slice())];
    store.commit(&Batch { runs: vec![commit], blobs, ..Batch::default() }).await.unwrap();
    truth.check_emptied(&Left::read(&store).await.unwrap());
    for what in ["1 headers", "1 journals", "1 blobs"] {
        finds(&truth.violations, what);
    }
}
