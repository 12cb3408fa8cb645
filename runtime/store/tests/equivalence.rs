//! Whatever is done, a durable store gives what the one in memory gives.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod engines;

use pawl_core::view::{RunHeader, Status};
use pawl_core::{RunId, Timestamp};
use pawl_store::conformance::sample;
use pawl_store::memory::MemoryStore;
use pawl_store::{ApprovalFilter, Batch, Blob, Page, RunCommit, RunFilter, Store};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use self::engines::Engine;

const RUNS: u64 = 6;
const APPROVALS: u64 = 5;

/// One entry of a batch; a seq that is wrong makes it a conflict.
#[derive(Debug, Clone)]
struct Entry {
    run: u64,
    events: u64,
    wrong_seq: bool,
    header: Option<(usize, Option<u64>, bool)>,
    opened: Vec<(u64, u64)>,
    closed: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Action {
    Commit(Vec<Entry>, Vec<u8>),
    Reopen,
}

fn entry() -> impl Strategy<Value = Entry> {
    let header = (0..Status::OF_RUNS.len(), option::of(0..4_u64), any::<bool>());
    let opened = vec((0..APPROVALS, 0..3_u64), 0..2);
    (0..RUNS, 0..4_u64, prop::bool::weighted(0.05), option::of(header), opened, vec(0..APPROVALS, 0..2))
        .prop_map(|(run, events, wrong_seq, header, opened, closed)| Entry {
            run,
            events,
            wrong_seq,
            header,
            opened,
            closed,
        })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (vec(entry(), 0..3), vec(0..4_u8, 0..2)).prop_map(|(entries, blobs)| Action::Commit(entries, blobs)),
        1 => Just(Action::Reopen),
    ]
}

async fn batch(memory: &MemoryStore, entries: &[Entry], blobs: &[u8]) -> Batch {
    let mut runs = Vec::new();
    for entry in entries {
        let run = sample::run(entry.run);
        let seq = memory.journal(run, 1).await.unwrap().len() as u64 + u64::from(entry.wrong_seq);
        let header = entry.header.map(|(status, wake_at, even)| RunHeader {
            wake_at: wake_at.map(Timestamp),
            // Small and large ones in turn, for an engine that keeps large values in pieces.
            outputs: wake_at
                .map(|wake_at| Value::String("x".repeat(usize::try_from(wake_at).unwrap() * 3_000))),
            workflow: if even { "even".into() } else { "odd".into() },
            ..sample::header(run, Status::OF_RUNS[status])
        });
        let opened = entry.opened.iter().map(|(id, at)| sample::approval(*id, run, *at)).collect();
        let closed = entry.closed.iter().map(|id| sample::approval(*id, run, 0).id).collect();
        runs.push(RunCommit { header, opened, closed, ..sample::append(run, seq, entry.events) });
    }
    let blobs = blobs.iter().map(|byte| Blob::new(vec![*byte])).collect();
    Batch { runs, blobs, ..Batch::default() }
}

/// All that can be asked of a store, as text.
async fn everything(store: &dyn Store) -> Vec<String> {
    let mut seen = Vec::new();
    for run in (0..RUNS).map(sample::run) {
        seen.push(format!("{:?} {:?}", store.run(run).await, store.journal(run, 2).await));
    }
    for statuses in
        [&[][..], &[Status::Running], &[Status::Waiting, Status::Pending], &[Status::Failed, Status::Running]]
    {
        for workflow in [None, Some("even".to_owned())] {
            let filter = RunFilter { statuses: statuses.to_vec(), workflow, ..RunFilter::default() };
            let mut after: Option<RunId> = None;
            loop {
                let page = store.runs(&filter, &Page { after, limit: 2 }).await.unwrap();
                seen.push(format!("{page:?}"));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    for run in [None, Some(sample::run(1))] {
        let mut after = None;
        loop {
            let page =
                store.approvals(&ApprovalFilter::of_run(run), &Page { after, limit: 2 }).await.unwrap();
            seen.push(format!("{page:?}"));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    for id in (0..APPROVALS).map(|id| sample::approval(id, sample::run(0), 0).id) {
        seen.push(format!("{:?} {:?}", store.approval(&id).await, store.run_of_approval(&id).await));
    }
    for byte in 0..4 {
        seen.push(format!("{:?}", store.blob(&Blob::new(vec![byte]).digest).await));
    }
    seen.push(format!("{:?} {:?}", store.next_due().await, store.due(Timestamp(2), 3).await));
    seen
}

async fn compare(engine: Engine, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let open = || (engine.open)(dir.path()).unwrap();
    let (memory, mut durable) = (MemoryStore::new(), open());
    for action in actions {
        match action {
            Action::Commit(entries, blobs) => {
                let batch = batch(&memory, &entries, &blobs).await;
                let expected = format!("{:?}", memory.commit(&batch).await);
                prop_assert_eq!(format!("{:?}", durable.commit(&batch).await), expected);
            }
            Action::Reopen => {
                drop(durable);
                durable = open();
            }
        }
    }
    prop_assert_eq!(everything(&*durable).await, everything(&memory).await);
    Ok(())
}

fn check(engine: Engine, actions: Vec<Action>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare(engine, actions))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn lmdb_gives_what_memory_gives(actions in vec(action(), 1..40)) {
        check(engines::LMDB, actions)?;
    }

    #[test]
    fn sled_gives_what_memory_gives(actions in vec(action(), 1..40)) {
        check(engines::SLED, actions)?;
    }
}
