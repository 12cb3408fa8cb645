//! What every store must do, as data: lists of steps with what each must give.
//!
//! A suite runs each case twice, once in one go and once with the store closed
//! and opened again between any two steps. Whatever is wrong panics, with the
//! case and the step.

#![expect(clippy::unwrap_used, reason = "it is a test suite; panics are its verdicts")]

mod beside;
mod between;
mod cases;
mod concurrent;
mod removal;
pub mod sample;

use std::sync::Arc;

use pawl_core::event::Origin;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, Namespace, RunId, Ticket, Timestamp};
use serde_json::Value;

use crate::{ApprovalFilter, Batch, Changed, Page, RunFilter, Store, StoreError, TicketPlace};

/// A store that can be closed and opened again with what it holds.
pub trait Subject {
    /// The store as it is open now.
    fn store(&self) -> Arc<dyn Store>;
    /// Closes it and opens it again.
    fn reopen(&mut self);
}

/// Something that is asked of a store, and what it must give.
#[derive(Debug)]
pub(crate) enum Step {
    Commit(Batch),
    /// Refused: the run ends at another seq than the batch expects.
    Conflict(Batch, RunId, u64),
    Journal(RunId, u64, Vec<Vec<u8>>),
    Run(RunId, Option<Box<RunHeader>>),
    /// Filter, after, limit; runs, next.
    Runs(RunFilter, Option<RunId>, usize, Vec<RunId>, Option<RunId>),
    Due(u64, usize, Vec<(u64, RunId)>),
    NextDue(Option<u64>),
    /// Run, limit; all pages one after the other.
    Approvals(Option<RunId>, usize, Vec<Vec<OpenApproval>>),
    /// Of a namespace; all, which are on one page.
    ApprovalsOf(Namespace, Vec<OpenApproval>),
    Approval(ApprovalId, Option<Box<OpenApproval>>),
    RunOfApproval(ApprovalId, Option<RunId>),
    Blob(Digest, Option<Vec<u8>>),
    /// After, limit.
    Outgoing(Option<Origin>, usize, Vec<Origin>),
    /// After, limit.
    Tickets(Option<TicketPlace>, usize, Vec<Ticket>),
    /// After, limit.
    Memories(Option<MemoryScope>, usize, Vec<MemoryScope>),
    Memory(MemoryScope, Vec<(&'static str, Value)>),
    /// Kind, prefix, after, limit; keys and values.
    Records(&'static str, &'static str, Option<&'static str>, usize, Vec<(&'static str, Value)>),
    Record(&'static str, &'static str, Option<Value>),
    /// Refused: a record says something else.
    Stale(Batch, &'static str, &'static str),
    /// After, limit.
    Changes(u64, usize, Vec<(u64, RunId, Changed)>),
    Remembers(Option<(u64, u64)>),
    /// Patterns.
    Subscribers(Vec<&'static str>, Vec<RunId>),
    /// Refused: this run cannot be removed.
    Needed(Batch, RunId),
    /// After, limit.
    Journals(Option<RunId>, usize, Vec<RunId>),
    /// After, limit.
    Blobs(Option<Digest>, usize, Vec<Digest>),
    /// Commits while unused blobs are looked for.
    Sweep(Vec<Batch>),
}

/// Runs the suite against the stores that `make` gives, a new and empty one each time.
pub async fn check<S: Subject>(make: impl Fn() -> S) {
    for (name, steps) in cases::all() {
        for reopen in [false, true] {
            let mut subject = make();
            for (place, step) in steps.iter().enumerate() {
                // Awaited here, so that no store is still in use when it is reopened.
                check_step(&*subject.store(), step, &format!("{name}, step {place}, reopened: {reopen}"))
                    .await;
                if reopen {
                    subject.reopen();
                }
            }
        }
    }
    concurrent::check(&mut make()).await;
}

#[expect(clippy::too_many_lines, reason = "one arm a verb")]
async fn check_step(store: &dyn Store, step: &Step, at: &str) {
    match step {
        Step::Commit(batch) => store.commit(batch).await.expect(at),
        Step::Conflict(batch, run, seq) => match store.commit(batch).await {
            Err(StoreError::Conflict { run: of, found, .. }) => {
                assert_eq!((of, found), (*run, *seq), "{at}");
            }
            other => panic!("{at}: {other:?}"),
        },
        Step::Journal(run, from, events) => {
            assert_eq!(store.journal(*run, *from).await.expect(at), *events, "{at}");
            for limit in 0..=events.len() + 1 {
                let part = store.journal_part(*run, *from, limit).await.expect(at);
                assert_eq!(part, events[..limit.min(events.len())], "{at}, at most {limit}");
            }
        }
        Step::Run(run, header) => {
            assert_eq!(store.run(*run).await.expect(at), header.as_deref().cloned(), "{at}");
        }
        Step::Runs(filter, after, limit, runs, next) => {
            let page = store.runs(filter, &Page { after: *after, limit: *limit }).await.expect(at);
            let found: Vec<_> = page.runs.iter().map(|header| header.id).collect();
            assert_eq!((found, page.next), (runs.clone(), *next), "{at}");
        }
        Step::Due(now, limit, due) => {
            let due: Vec<_> = due.iter().map(|(wake_at, run)| (Timestamp(*wake_at), *run)).collect();
            assert_eq!(store.due(Timestamp(*now), *limit).await.expect(at), due, "{at}");
        }
        Step::NextDue(wake_at) => {
            assert_eq!(store.next_due().await.expect(at), wake_at.map(Timestamp), "{at}");
        }
        Step::Approvals(run, limit, pages) => {
            let (filter, mut after) = (ApprovalFilter::of_run(*run), None);
            for (number, rows) in pages.iter().enumerate() {
                let page = store.approvals(&filter, &Page { after, limit: *limit }).await.expect(at);
                assert_eq!(page.approvals, *rows, "{at}");
                assert_eq!(page.next.is_some(), number + 1 < pages.len(), "{at}");
                after = page.next;
            }
        }
        Step::ApprovalsOf(namespace, rows) => {
            let filter = ApprovalFilter { namespace: Some(namespace.clone()), ..ApprovalFilter::default() };
            let page = store.approvals(&filter, &Page { after: None, limit: 10 }).await.expect(at);
            assert_eq!(page.approvals, *rows, "{at}");
        }
        Step::Approval(id, row) => {
            assert_eq!(store.approval(id).await.expect(at), row.as_deref().cloned(), "{at}");
        }
        Step::RunOfApproval(id, run) => {
            assert_eq!(store.run_of_approval(id).await.expect(at), *run, "{at}");
        }
        Step::Outgoing(after, limit, expected) => {
            assert_eq!(store.outgoing(*after, *limit).await.expect(at), *expected, "{at}");
        }
        Step::Tickets(after, limit, expected) => {
            assert_eq!(store.tickets(*after, *limit).await.expect(at), *expected, "{at}");
        }
        Step::Memories(after, limit, expected) => {
            assert_eq!(store.memories(after.as_ref(), *limit).await.expect(at), *expected, "{at}");
        }
        Step::Memory(scope, expected) => {
            let found = store.memory(scope).await.expect(at);
            let found: Vec<_> = found.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
            assert_eq!(found, *expected, "{at}");
        }
        Step::Records(kind, prefix, after, limit, expected) => {
            let found = store.records(kind, prefix, *after, *limit).await.expect(at);
            let found: Vec<_> =
                found.iter().map(|record| (record.key.as_str(), record.value.clone())).collect();
            assert_eq!(found, *expected, "{at}");
        }
        Step::Record(kind, key, expected) => {
            assert_eq!(store.record(kind, key).await.expect(at), *expected, "{at}");
        }
        Step::Stale(batch, kind, key) => match store.commit(batch).await {
            Err(StoreError::Stale { kind: of, key: name }) => {
                assert_eq!((&*of, &*name), (*kind, *key), "{at}");
            }
            other => panic!("{at}: {other:?}"),
        },
        Step::Changes(after, limit, expected) => {
            let found = store.changes(*after, *limit).await.expect(at);
            let found: Vec<_> = found.into_iter().map(|at| (at.position, at.run, at.what)).collect();
            assert_eq!(found, *expected, "{at}");
        }
        Step::Remembers(expected) => {
            let found = store.remembers().await.expect(at).map(|range| (range.first, range.last));
            assert_eq!(found, *expected, "{at}");
        }
        Step::Subscribers(patterns, runs) => {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            assert_eq!(store.subscribers(&patterns).await.expect(at), *runs, "{at}");
        }
        Step::Needed(batch, run) => match store.commit(batch).await {
            Err(StoreError::Needed { run: of, .. }) => assert_eq!(of, *run, "{at}"),
            other => panic!("{at}: {other:?}"),
        },
        Step::Journals(after, limit, runs) => {
            assert_eq!(store.upkeep().expect(at).journals(*after, *limit).await.expect(at), *runs, "{at}");
        }
        Step::Blobs(after, limit, blobs) => {
            assert_eq!(store.upkeep().expect(at).blobs(*after, *limit).await.expect(at), *blobs, "{at}");
        }
        Step::Sweep(batches) => {
            let upkeep = store.upkeep().expect(at);
            upkeep.begin_sweep().await.expect(at);
            assert!(upkeep.begin_sweep().await.is_err(), "{at}: two at once");
            for batch in batches {
                store.commit(batch).await.expect(at);
            }
            upkeep.end_sweep();
        }
        Step::Blob(digest, bytes) => {
            assert_eq!(store.blob(digest).await.expect(at).as_deref(), bytes.as_deref(), "{at}");
        }
    }
}
