//! The cases about what stands beside runs: records, and the list of what changed.

use pawl_core::Namespace;
use pawl_core::view::{OpenApproval, RunHeader, Status};
use serde_json::{Value, json};

use super::Step::{
    self, Approvals, ApprovalsOf, Changes, Commit, Conflict, Needed, Record, Records, Remembers, Runs, Stale,
};
use super::sample::{append, approval, batch, header, run};
use crate::{Batch, Changed, RecordChange, Removal, RunCommit, RunFilter};

fn records_of(records: Vec<RecordChange>) -> Batch {
    Batch { records, ..Batch::default() }
}

pub(super) fn records() -> Vec<Step> {
    let put = |key: &str, value: Value| RecordChange::put("token", key, value);
    let large = json!("x".repeat(100_000));
    vec![
        Records("token", "", None, 10, vec![]),
        Record("token", "a", None),
        // With a run's commit or alone.
        Commit(Batch { records: vec![put("a", json!({ "n": [1, null] }))], ..batch([append(run(1), 0, 1)]) }),
        Commit(records_of(vec![
            put("b/é", json!(2)),
            put("b/a", large.clone()),
            RecordChange::put("toke", "n", json!(0)),
            RecordChange::put("tokens", "a", json!(0)),
        ])),
        Record("token", "a", Some(json!({ "n": [1, null] }))),
        Records("token", "", None, 2, vec![("a", json!({ "n": [1, null] })), ("b/a", large.clone())]),
        Records("token", "", Some("a"), 10, vec![("b/a", large.clone()), ("b/é", json!(2))]),
        Records("token", "b/", None, 10, vec![("b/a", large.clone()), ("b/é", json!(2))]),
        Records("token", "b/", Some("b/a"), 10, vec![("b/é", json!(2))]),
        Records("token", "b/", Some("a"), 1, vec![("b/a", large)]),
        Records("token", "c", None, 10, vec![]),
        // One that is not as expected refuses all of its batch.
        Stale(
            records_of(vec![put("b/a", json!(0)), RecordChange::new("token", "a", json!(3))]),
            "token",
            "a",
        ),
        Stale(records_of(vec![put("c", json!(4)).instead_of(json!(1))]), "token", "c"),
        Stale(
            Batch {
                records: vec![RecordChange::new("token", "a", json!(3))],
                ..batch([append(run(2), 0, 1)])
            },
            "token",
            "a",
        ),
        Step::Journal(run(2), 1, vec![]),
        Conflict(Batch { records: vec![put("d", json!(1))], ..batch([append(run(1), 0, 1)]) }, run(1), 1),
        Record("token", "d", None),
        Commit(records_of(vec![put("a", json!(5)).instead_of(json!({ "n": [1, null] }))])),
        Commit(records_of(vec![RecordChange::new("token", "e", json!(6))])),
        // Null takes away; what is not there can be taken away as well.
        Commit(records_of(vec![put("a", Value::Null).instead_of(json!(5)), put("f", Value::Null)])),
        Commit(records_of(vec![RecordChange::new("token", "a", json!(7))])),
        Record("token", "a", Some(json!(7))),
        Records("token", "e", None, 10, vec![("e", json!(6))]),
    ]
}

/// A run in each of two namespaces, of the same workflow and with the same status, both waiting for an answer.
pub(super) fn tenants() -> Vec<Step> {
    let tenant: Namespace = "tenant".parse().expect("a name");
    let theirs = |header: RunHeader| RunHeader { namespace: tenant.clone(), ..header };
    let ask = approval(2, run(2), 2);
    let ask = OpenApproval { namespace: tenant.clone(), ..ask };
    let own = approval(1, run(1), 1);
    let waits = |number, header, ask: &OpenApproval| RunCommit {
        header: Some(header),
        opened: vec![ask.clone()],
        ..append(run(number), 0, 1)
    };
    let list = |namespace: &Namespace, statuses: &[Status], runs: &[u64]| {
        let filter = RunFilter {
            statuses: statuses.to_vec(),
            namespace: Some(namespace.clone()),
            ..RunFilter::default()
        };
        Runs(filter, None, 10, runs.iter().copied().map(run).collect(), None)
    };
    let (default, nobody) = (Namespace::default(), "nobody".parse().expect("a name"));
    vec![
        Commit(batch([
            waits(1, header(run(1), Status::Waiting), &own),
            waits(2, theirs(header(run(2), Status::Waiting)), &ask),
        ])),
        list(&default, &[], &[1]),
        list(&default, &[Status::Waiting], &[1]),
        list(&tenant, &[], &[2]),
        list(&tenant, &[Status::Waiting, Status::Running], &[2]),
        list(&tenant, &[Status::Completed], &[]),
        list(&nobody, &[], &[]),
        ApprovalsOf(default, vec![own.clone()]),
        ApprovalsOf(tenant.clone(), vec![ask.clone()]),
        ApprovalsOf(nobody, vec![]),
        Approvals(None, 10, vec![vec![own, ask]]),
    ]
}

pub(super) fn changes() -> Vec<Step> {
    let (a, b) = (run(1), run(2));
    let shown = |number, at, status| RunCommit {
        header: Some(header(run(number), status)),
        ..append(run(number), at, 1)
    };
    let tenant: Namespace = "tenant".parse().expect("a name");
    let ask = approval(1, b, 1);
    let status = |status| Changed { status: Some(status), ..Changed::default() };
    let asks = Changed { opened: vec![ask.id.clone()], ..status(Status::Waiting) };
    let answered = Changed { closed: vec![ask.id.clone()], ..Changed::default() };
    let removed = Changed { removed: true, namespace: tenant.clone(), ..Changed::default() };
    let removal = |run, seq| Batch {
        removed: vec![Removal { run, expected_seq: seq, approvals: vec![], namespace: tenant.clone() }],
        ..Batch::default()
    };
    vec![
        Changes(0, 10, vec![]),
        Remembers(None),
        // In the order of the commits, and within one of its entries.
        Commit(batch([
            shown(1, 0, Status::Running),
            RunCommit { opened: vec![ask.clone()], ..shown(2, 0, Status::Waiting) },
        ])),
        Changes(0, 10, vec![(1, a, status(Status::Running)), (2, b, asks.clone())]),
        // What shows nothing is none, nor is what was refused.
        Commit(batch([append(a, 1, 2)])),
        Conflict(batch([shown(1, 1, Status::Failed)]), a, 3),
        Needed(removal(b, 1), b),
        Remembers(Some((1, 2))),
        Commit(batch([RunCommit { closed: vec![ask.id], ..append(b, 1, 1) }])),
        Commit(batch([RunCommit { namespace: tenant.clone(), ..shown(1, 3, Status::Completed) }])),
        Commit(removal(a, 4)),
        Changes(1, 2, vec![(2, b, asks), (3, b, answered)]),
        Changes(
            3,
            10,
            vec![(4, a, Changed { namespace: tenant.clone(), ..status(Status::Completed) }), (5, a, removed)],
        ),
        Changes(5, 10, vec![]),
        Changes(u64::MAX, 10, vec![]),
        Remembers(Some((1, 5))),
    ]
}
