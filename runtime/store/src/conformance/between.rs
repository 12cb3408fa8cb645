//! The cases about what goes between runs.

use pawl_core::event::{Origin, Overflow};
use pawl_core::{MemoryScope, Remembered, Ticket, Timestamp, VisitId};
use serde_json::{Value, json};

use super::Step::{self, Commit, Conflict, Memories, Memory, Outgoing, Subscribers, Tickets};
use super::sample::{append, batch, run};
use crate::{Batch, RunCommit, Subscription};

fn origin(number: u64, seq: u64) -> Origin {
    Origin { run: run(number), seq }
}

pub(super) fn outgoing() -> Vec<Step> {
    let telling =
        |number, at, seqs: &[u64]| RunCommit { outgoing: seqs.to_vec(), ..append(run(number), at, 3) };
    let delivered = |origins: &[Origin]| Batch { delivered: origins.to_vec(), ..Batch::default() };
    vec![
        Outgoing(None, 10, vec![]),
        Commit(batch([telling(2, 0, &[1, 3]), telling(1, 0, &[2])])),
        Outgoing(None, 10, vec![origin(1, 2), origin(2, 1), origin(2, 3)]),
        Outgoing(None, 2, vec![origin(1, 2), origin(2, 1)]),
        Outgoing(Some(origin(2, 1)), 10, vec![origin(2, 3)]),
        // What is refused tells nobody, and takes nothing from what is to be told.
        Conflict(Batch { delivered: vec![origin(1, 2)], ..batch([telling(2, 0, &[2])]) }, run(2), 3),
        Outgoing(None, 10, vec![origin(1, 2), origin(2, 1), origin(2, 3)]),
        // With the commit of the run that was told, or alone; twice is as good as once.
        Commit(Batch { delivered: vec![origin(2, 1)], ..batch([telling(1, 3, &[4])]) }),
        Commit(delivered(&[origin(1, 2), origin(9, 9)])),
        Commit(delivered(&[origin(1, 2)])),
        Outgoing(None, 10, vec![origin(1, 4), origin(2, 3)]),
    ]
}

pub(super) fn tickets() -> Vec<Step> {
    let ticket = |number, visit: Option<u32>, taken| Ticket {
        run: run(number),
        visit: visit.map(VisitId),
        key: "k".to_owned(),
        limit: 2,
        overflow: Overflow::Queue,
        priority: 50,
        since: Timestamp(number),
        taken,
    };
    let on = |number, at, tickets: Vec<Ticket>| RunCommit { tickets, ..append(run(number), at, 1) };
    let off =
        |number, at, returned: Vec<Option<VisitId>>| RunCommit { returned, ..append(run(number), at, 1) };
    let own = ticket(1, None, false);
    let [first, second] = [ticket(1, Some(2), true), ticket(2, Some(1), false)];
    vec![
        Tickets(None, 10, vec![]),
        Commit(batch([on(2, 0, vec![second.clone()]), on(1, 0, vec![first.clone(), own.clone()])])),
        Tickets(None, 10, vec![own.clone(), first.clone(), second.clone()]),
        Tickets(None, 2, vec![own, first.clone()]),
        Tickets(Some((run(1), None)), 10, vec![first.clone(), second.clone()]),
        // What is refused changes nothing.
        Conflict(batch([off(2, 0, vec![Some(VisitId(1))])]), run(2), 1),
        // A ticket takes the place of the one before; what is not there can be returned as well.
        Commit(batch([on(1, 1, vec![ticket(1, None, true)]), off(2, 1, vec![Some(VisitId(9))])])),
        Tickets(None, 10, vec![ticket(1, None, true), first.clone(), second]),
        Commit(batch([off(1, 2, vec![None]), off(2, 2, vec![Some(VisitId(1))])])),
        Tickets(None, 10, vec![first]),
    ]
}

pub(super) fn memories() -> Vec<Step> {
    let workflow = |name: &str| MemoryScope::Workflow(name.to_owned());
    let key = |name: &str| MemoryScope::Key(name.to_owned());
    let put = |scope: &MemoryScope, key: &str, value: Value| Remembered {
        scope: scope.clone(),
        key: key.to_owned(),
        value,
    };
    let puts = |remembered: Vec<Remembered>| Batch { remembered, ..Batch::default() };
    let (a, ab, b) = (workflow("a"), workflow("ab"), key("a"));
    let large = json!("x".repeat(100_000));
    vec![
        Memories(None, 10, vec![]),
        Memory(a.clone(), vec![]),
        // With a run's commit, in the order in which they stand.
        Commit(Batch {
            remembered: vec![put(&a, "k", json!(1)), put(&a, "k", json!({ "two": [2, null] }))],
            ..batch([append(run(1), 0, 1)])
        }),
        Memory(a.clone(), vec![("k", json!({ "two": [2, null] }))]),
        // A memory is not found by a name that it begins with, nor a key's by a workflow of that name.
        Commit(puts(vec![put(&ab, "", json!(0)), put(&b, "k\0", json!("b")), put(&a, "é", large.clone())])),
        Memory(a.clone(), vec![("k", json!({ "two": [2, null] })), ("é", large.clone())]),
        Memory(ab.clone(), vec![("", json!(0))]),
        Memory(b.clone(), vec![("k\0", json!("b"))]),
        Memories(None, 10, vec![a.clone(), ab.clone(), b.clone()]),
        Memories(None, 2, vec![a.clone(), ab.clone()]),
        Memories(Some(a.clone()), 10, vec![ab.clone(), b.clone()]),
        Memories(Some(workflow("aa")), 10, vec![ab.clone(), b.clone()]),
        // What is refused changes nothing.
        Conflict(
            Batch { remembered: vec![put(&a, "k", json!(3))], ..batch([append(run(1), 0, 1)]) },
            run(1),
            1,
        ),
        // Null takes away; what is not there can be taken away as well.
        Commit(puts(vec![put(&a, "k", Value::Null), put(&ab, "", Value::Null), put(&b, "x", Value::Null)])),
        Memory(a.clone(), vec![("é", large)]),
        Memory(ab, vec![]),
        Memories(None, 10, vec![a, b]),
    ]
}

pub(super) fn subscriptions() -> Vec<Step> {
    let wait = |pattern: &str, visit| Subscription { pattern: pattern.to_owned(), visit: VisitId(visit) };
    let on =
        |number, at, waits: Vec<Subscription>| RunCommit { subscribed: waits, ..append(run(number), at, 1) };
    let off = |number, at, waits: Vec<Subscription>| RunCommit {
        unsubscribed: waits,
        ..append(run(number), at, 1)
    };
    vec![
        Subscribers(vec!["a/b"], vec![]),
        Commit(batch([on(1, 0, vec![wait("a/*", 1), wait("a/b", 2)]), on(2, 0, vec![wait("a/*", 1)])])),
        Subscribers(vec!["a/b", "a/*", ">"], vec![run(1), run(2)]),
        Subscribers(vec!["a/b"], vec![run(1)]),
        // A pattern is not found by one that it begins with.
        Subscribers(vec!["a/", "a", "a/*/c"], vec![]),
        Commit(batch([off(1, 1, vec![wait("a/*", 1), wait("a/b", 9)]), off(2, 1, vec![wait("a/*", 1)])])),
        Subscribers(vec!["a/*"], vec![]),
        Subscribers(vec!["a/b"], vec![run(1)]),
    ]
}
