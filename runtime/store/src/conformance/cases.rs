//! The cases of the suite.

use pawl_core::view::{RunHeader, Status};
use pawl_core::{Digest, RunId, Timestamp};

use super::Step::{
    self, Approval, Approvals, Blob, Commit, Conflict, Due, Journal, NextDue, Run, RunOfApproval, Runs,
};
use super::sample::{append, approval, batch, event, header, run};
use super::{beside, between, removal};
use crate::{Batch, RunCommit, RunFilter};

/// All cases, with what each is about.
pub(super) fn all() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("an empty store has nothing", nothing()),
        ("a journal is read from any seq", journals()),
        ("a conflict changes nothing", conflicts()),
        ("headers come back as they were", headers()),
        ("listings are filtered and paged, newest first", listings()),
        ("due runs come in order", due()),
        ("what is of one namespace is found without what is of others", beside::tenants()),
        ("approvals open, close, and are remembered", approvals()),
        ("blobs are kept once", blobs()),
        ("large values survive", large()),
        ("what others must be told of is kept until they were", between::outgoing()),
        ("slots that are held or waited for are listed", between::tickets()),
        ("memories that runs share hold what was put last", between::memories()),
        ("waits for topics are found by their patterns", between::subscriptions()),
        ("records are kept beside runs, and changed only from what is expected", beside::records()),
        ("what listings show differently is told in order", beside::changes()),
        ("runs that are over are removed, and no others", removal::runs()),
        ("blobs that nobody names are removed in a sweep", removal::blobs()),
    ]
}

fn events(run: RunId, seqs: std::ops::RangeInclusive<u64>) -> Vec<Vec<u8>> {
    seqs.map(|seq| event(run, seq, 40)).collect()
}

fn with_header(mut commit: RunCommit, header: &RunHeader) -> RunCommit {
    commit.header = Some(header.clone());
    commit
}

fn only_header(header: &RunHeader, at_seq: u64) -> Batch {
    batch([with_header(append(header.id, at_seq, 0), header)])
}

fn statuses(statuses: &[Status]) -> RunFilter {
    RunFilter { statuses: statuses.to_vec(), ..RunFilter::default() }
}

fn nothing() -> Vec<Step> {
    let id = approval(1, run(1), 1).id;
    vec![
        Journal(run(1), 0, vec![]),
        Run(run(1), None),
        Runs(RunFilter::default(), None, 10, vec![], None),
        Due(u64::MAX, 10, vec![]),
        NextDue(None),
        Approvals(None, 10, vec![vec![]]),
        Approval(id.clone(), None),
        RunOfApproval(id, None),
        Blob(Digest::of(b"no"), None),
        Commit(Batch::default()),
    ]
}

fn journals() -> Vec<Step> {
    let (a, b) = (run(1), run(2));
    vec![
        Commit(batch([append(a, 0, 3), append(b, 0, 1)])),
        Commit(batch([append(a, 3, 1)])),
        Commit(batch([append(b, 1, 2), append(a, 4, 2)])),
        Journal(a, 0, events(a, 1..=6)),
        Journal(a, 1, events(a, 1..=6)),
        Journal(a, 2, events(a, 2..=6)),
        Journal(a, 3, events(a, 3..=6)),
        Journal(a, 4, events(a, 4..=6)),
        Journal(a, 6, events(a, 6..=6)),
        Journal(a, 7, vec![]),
        Journal(a, u64::MAX, vec![]),
        Journal(b, 1, events(b, 1..=3)),
        Journal(run(3), 1, vec![]),
        Journal(run(0), 1, vec![]),
    ]
}

fn conflicts() -> Vec<Step> {
    let (a, b, c) = (run(1), run(2), run(3));
    let mut refused = batch([with_header(append(c, 0, 1), &header(c, Status::Running)), append(a, 1, 1)]);
    refused.runs[0].opened = vec![approval(1, c, 1)];
    refused.blobs = vec![crate::Blob::new(*b"refused")];
    vec![
        Commit(batch([append(a, 0, 2), append(b, 0, 1)])),
        Conflict(batch([append(a, 0, 1)]), a, 2),
        Conflict(batch([append(a, 3, 1)]), a, 2),
        Conflict(batch([append(c, 1, 1)]), c, 0),
        Conflict(refused, a, 2),
        Journal(c, 1, vec![]),
        Run(c, None),
        Runs(statuses(&[Status::Running]), None, 10, vec![], None),
        Approvals(None, 10, vec![vec![]]),
        RunOfApproval(approval(1, c, 1).id, None),
        Blob(Digest::of(b"refused"), None),
        Journal(a, 1, events(a, 1..=2)),
        Commit(batch([append(a, 2, 1), append(c, 0, 1)])),
    ]
}

fn headers() -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, status) in (1..).zip(Status::OF_RUNS) {
        let header = header(run(number), status);
        steps.push(Commit(batch([with_header(append(header.id, 0, 1), &header)])));
        steps.push(Run(header.id, Some(Box::new(header))));
    }
    let changed = RunHeader { updated_at: Timestamp(u64::MAX), ..header(run(1), Status::Failed) };
    steps.push(Commit(only_header(&changed, 1)));
    steps.push(Run(run(1), Some(Box::new(changed))));
    steps.push(Journal(run(1), 1, events(run(1), 1..=1)));
    steps
}

fn listings() -> Vec<Step> {
    let (running, waiting, done) = (Status::Running, Status::Waiting, Status::Completed);
    let mut steps = Vec::new();
    for (number, status) in (1..).zip([running, waiting, done, running, waiting, done, running]) {
        let workflow = if number % 2 == 0 { "even" } else { "odd" };
        let header = RunHeader { workflow: workflow.into(), ..header(run(number), status) };
        steps.push(Commit(batch([with_header(append(header.id, 0, 1), &header)])));
    }
    let list = |filter: &RunFilter, after: Option<u64>, limit, runs: &[u64], next: Option<u64>| {
        Runs(filter.clone(), after.map(run), limit, runs.iter().copied().map(run).collect(), next.map(run))
    };
    let (any, busy) = (RunFilter::default(), statuses(&[running, waiting]));
    let odd = RunFilter { workflow: Some("odd".into()), ..RunFilter::default() };
    let odd_running = RunFilter { workflow: Some("odd".into()), ..statuses(&[running]) };
    steps.extend([
        list(&any, None, 10, &[7, 6, 5, 4, 3, 2, 1], None),
        list(&any, None, 7, &[7, 6, 5, 4, 3, 2, 1], None),
        list(&any, None, 3, &[7, 6, 5], Some(5)),
        list(&any, Some(5), 3, &[4, 3, 2], Some(2)),
        list(&any, Some(2), 3, &[1], None),
        list(&any, Some(1), 3, &[], None),
        list(&any, None, 0, &[7], Some(7)),
        list(&busy, None, 3, &[7, 5, 4], Some(4)),
        list(&busy, Some(4), 2, &[2, 1], None),
        list(&statuses(&[waiting]), None, 1, &[5], Some(5)),
        list(&statuses(&[waiting]), Some(5), 1, &[2], None),
        list(&statuses(&[done]), None, 10, &[6, 3], None),
        list(&statuses(&[done, running]), None, 2, &[7, 6], Some(6)),
        list(&odd, None, 2, &[7, 5], Some(5)),
        list(&odd, Some(5), 2, &[3, 1], None),
        list(&odd_running, None, 1, &[7], Some(7)),
        list(&odd_running, Some(7), 1, &[1], None),
        list(&statuses(&[Status::Suspended]), None, 10, &[], None),
        Commit(only_header(&header(run(7), done), 1)),
        Commit(only_header(&header(run(5), running), 1)),
        list(&statuses(&[running]), None, 10, &[5, 4, 1], None),
        list(&statuses(&[waiting]), None, 10, &[2], None),
        list(&statuses(&[done]), None, 10, &[7, 6, 3], None),
    ]);
    steps
}

fn due() -> Vec<Step> {
    let waking = |number, wake_at: Option<u64>| RunHeader {
        wake_at: wake_at.map(Timestamp),
        ..header(run(number), Status::Waiting)
    };
    let (a, b, c) = (run(1), run(2), run(3));
    vec![
        Commit(only_header(&waking(1, Some(300)), 0)),
        Commit(only_header(&waking(2, Some(20)), 0)),
        Commit(only_header(&waking(3, Some(300)), 0)),
        NextDue(Some(20)),
        Due(19, 10, vec![]),
        Due(20, 10, vec![(20, b)]),
        Due(300, 10, vec![(20, b), (300, a), (300, c)]),
        Due(300, 2, vec![(20, b), (300, a)]),
        Due(300, 0, vec![]),
        Commit(only_header(&waking(2, None), 0)),
        NextDue(Some(300)),
        Commit(only_header(&waking(1, Some(u64::MAX)), 0)),
        Commit(only_header(&waking(3, Some(0)), 0)),
        NextDue(Some(0)),
        Due(u64::MAX, 10, vec![(0, c), (u64::MAX, a)]),
        Commit(batch([append(c, 0, 1)])),
        NextDue(Some(0)),
    ]
}

fn approvals() -> Vec<Step> {
    let (a, b) = (run(1), run(2));
    let (first, second, third) = (approval(9, a, 10), approval(1, b, 20), approval(5, a, 20));
    let opening = |run, opened: &[_]| {
        let mut commit = append(run, 0, 0);
        commit.opened = opened.to_vec();
        commit
    };
    let closing = |run, closed: &[_]| {
        let mut commit = append(run, 0, 0);
        commit.closed = closed.to_vec();
        batch([commit])
    };
    let mut both = opening(a, std::slice::from_ref(&first));
    both.closed = vec![first.id.clone()];
    vec![
        Commit(batch([
            opening(a, &[third.clone(), first.clone()]),
            opening(b, std::slice::from_ref(&second)),
        ])),
        Approvals(None, 10, vec![vec![first.clone(), second.clone(), third.clone()]]),
        Approvals(None, 3, vec![vec![first.clone(), second.clone(), third.clone()]]),
        Approvals(None, 2, vec![vec![first.clone(), second.clone()], vec![third.clone()]]),
        Approvals(Some(a), 1, vec![vec![first.clone()], vec![third.clone()]]),
        Approvals(Some(run(3)), 1, vec![vec![]]),
        Approval(second.id.clone(), Some(Box::new(second.clone()))),
        RunOfApproval(second.id.clone(), Some(b)),
        Commit(closing(b, std::slice::from_ref(&second.id))),
        Approval(second.id.clone(), None),
        RunOfApproval(second.id.clone(), Some(b)),
        Commit(closing(b, &[second.id.clone(), approval(77, b, 1).id])),
        Approvals(None, 10, vec![vec![first.clone(), third.clone()]]),
        Commit(closing(a, &[first.id.clone(), third.id.clone()])),
        Approvals(None, 10, vec![vec![]]),
        Commit(batch([both])),
        Approvals(None, 10, vec![vec![]]),
        RunOfApproval(first.id, Some(a)),
    ]
}

fn blobs() -> Vec<Step> {
    let blobs = |texts: &[&[u8]]| Batch {
        runs: vec![],
        blobs: texts.iter().map(|text| crate::Blob::new(text.to_vec())).collect(),
        ..Batch::default()
    };
    vec![
        Commit(blobs(&[b"one", b""])),
        Commit(blobs(&[b"one", b"two", b"two"])),
        Blob(Digest::of(b"one"), Some(b"one".to_vec())),
        Blob(Digest::of(b"two"), Some(b"two".to_vec())),
        Blob(Digest::of(b""), Some(vec![])),
        Blob(Digest::of(b"three"), None),
    ]
}

fn large() -> Vec<Step> {
    let a = run(1);
    let bytes: Vec<u8> = (0..=250).cycle().take(5_000_000).collect();
    let mut commit = append(a, 0, 0);
    commit.events = vec![vec![], bytes.clone(), vec![7], bytes.clone()];
    let mut header = header(a, Status::Completed);
    header.outputs = Some(serde_json::Value::String("x".repeat(1_000_000)));
    vec![
        Commit(Batch {
            runs: vec![with_header(commit, &header)],
            blobs: vec![crate::Blob::new(bytes.clone())],
            ..Batch::default()
        }),
        Commit(batch([append(a, 4, 1)])),
        Journal(a, 4, vec![bytes.clone(), event(a, 5, 40)]),
        Journal(a, 1, vec![vec![], bytes.clone(), vec![7], bytes.clone(), event(a, 5, 40)]),
        Run(a, Some(Box::new(header))),
        Blob(Digest::of(&bytes), Some(bytes)),
    ]
}
