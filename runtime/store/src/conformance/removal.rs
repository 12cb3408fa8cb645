//! The cases about what is removed.

use pawl_core::view::{RunHeader, Status};
use pawl_core::{Digest, Timestamp};

use super::Step::{
    self, Approval, Approvals, Blob, Blobs, Commit, Conflict, Due, Journal, Journals, Needed, NextDue, Run,
    RunOfApproval, Runs, Sweep,
};
use super::sample::{append, approval, batch, event, header, run};
use crate::{Batch, Removal, RunCommit, RunFilter};

fn removing(removed: &[(u64, u64)]) -> Batch {
    let removal = |(number, expected_seq): &(u64, u64)| Removal {
        namespace: pawl_core::Namespace::default(),
        run: run(*number),
        expected_seq: *expected_seq,
        approvals: vec![approval(*number, run(*number), 1).id],
    };
    Batch { removed: removed.iter().map(removal).collect(), ..Batch::default() }
}

/// A run with a header, an approval that it opened and closed, and an event or more.
fn whole(number: u64, status: Status, events: u64) -> RunCommit {
    let wake_at = (status == Status::Waiting).then_some(Timestamp(number));
    let header = RunHeader { wake_at, ..header(run(number), status) };
    let asked = approval(number, run(number), 1);
    RunCommit {
        header: Some(header),
        closed: vec![asked.id.clone()],
        opened: vec![asked],
        ..append(run(number), 0, events)
    }
}

pub(super) fn runs() -> Vec<Step> {
    let (done, failed) = (Status::Completed, Status::Failed);
    let kept = Some(Box::new(header(run(2), failed)));
    let asked = |number: u64| approval(number, run(number), 1).id;
    let mut telling = whole(4, done, 2);
    telling.outgoing = vec![2];
    let delivered = pawl_core::event::Origin { run: run(4), seq: 2 };
    let all =
        |runs: &[u64]| Runs(RunFilter::default(), None, 10, runs.iter().copied().map(run).collect(), None);
    vec![
        Commit(batch([whole(1, done, 3), whole(2, failed, 2), whole(3, Status::Waiting, 1), telling])),
        Commit(batch([append(run(1), 3, 2)])),
        Journals(None, 10, vec![run(1), run(2), run(3), run(4)]),
        // Nothing of a batch is done that cannot be done as a whole.
        Conflict(removing(&[(2, 2), (1, 3)]), run(1), 5),
        Conflict(removing(&[(9, 1)]), run(9), 0),
        Needed(removing(&[(2, 2), (3, 1)]), run(3)),
        Needed(removing(&[(4, 2)]), run(4)),
        all(&[4, 3, 2, 1]),
        RunOfApproval(asked(2), Some(run(2))),
        Commit(removing(&[(1, 5)])),
        all(&[4, 3, 2]),
        Run(run(1), None),
        Journal(run(1), 1, vec![]),
        RunOfApproval(asked(1), None),
        Approval(asked(1), None),
        Journals(None, 10, vec![run(2), run(3), run(4)]),
        Journals(Some(run(2)), 1, vec![run(3)]),
        // Those around it are as they were.
        Run(run(2), kept),
        Journal(run(2), 1, (1..=2).map(|seq| event(run(2), seq, 40)).collect()),
        RunOfApproval(asked(2), Some(run(2))),
        Due(9, 9, vec![(3, run(3))]),
        NextDue(Some(3)),
        // With the commit that tells the last of it, others are told and it goes.
        Commit(Batch { delivered: vec![delivered], ..Batch::default() }),
        Commit(removing(&[(4, 2), (2, 2)])),
        all(&[3]),
        Approvals(None, 10, vec![vec![]]),
        // What is not there is gone already, and comes again as something new.
        Commit(removing(&[(1, 0)])),
        Commit(batch([whole(1, Status::Waiting, 1)])),
        Journals(None, 10, vec![run(1), run(3)]),
    ]
}

pub(super) fn blobs() -> Vec<Step> {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let bringing = |texts: &[&str]| Batch {
        blobs: texts.iter().map(|text| crate::Blob::new(text.as_bytes())).collect(),
        ..batch([])
    };
    let unused = |texts: &[&str]| Batch {
        unused: texts.iter().map(|text| digest(text)).collect(),
        ..Batch::default()
    };
    let mut sorted = [digest("one"), digest("two"), digest("three")];
    sorted.sort_unstable();
    let large = "x".repeat(100_000);
    vec![
        Commit(bringing(&["one", "two", "three"])),
        Blobs(None, 10, sorted.to_vec()),
        Blobs(None, 2, sorted[..2].to_vec()),
        Blobs(Some(sorted[1]), 2, sorted[2..].to_vec()),
        // Out of a sweep nothing is removed.
        Commit(unused(&["one"])),
        Blob(digest("one"), Some(b"one".to_vec())),
        // What a commit brought meanwhile stays, whether it was there before or not.
        Sweep(vec![bringing(&["two", "four"]), unused(&["one", "two", "four", "none"])]),
        Blob(digest("one"), None),
        Blob(digest("two"), Some(b"two".to_vec())),
        Blob(digest("three"), Some(b"three".to_vec())),
        Blob(digest("four"), Some(b"four".to_vec())),
        // The next sweep knows nothing of it. What was removed can be brought again.
        Sweep(vec![unused(&["two"]), bringing(&["two", &large])]),
        Blob(digest("two"), Some(b"two".to_vec())),
        Sweep(vec![unused(&["two", &large])]),
        Blob(digest("two"), None),
        Blob(digest(&large), None),
    ]
}
