//! A store in memory that belongs to one process: when that dies, nothing reaches the store any more.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp};
use pawl_store::memory::MemoryStore;
use pawl_store::{
    ApprovalFilter, ApprovalPage, Batch, Change, Page, Record, Remembers, RunFilter, RunPage, Store,
    StoreError, StoreInfo, TicketPlace,
};
use serde_json::Value;
use tokio::sync::Notify;

/// One commit of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// The number of the commit, from 0; one commit can write to several runs.
    pub(crate) commit: usize,
    /// The run.
    pub(crate) run: RunId,
    /// Its first event.
    pub(crate) first: u64,
    /// Its last event.
    pub(crate) last: u64,
}

/// Where a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// As soon as this event of the first run is durable.
    AfterSeq(u64),
    /// As soon as the commit of this number, from 0, is durable: nothing that follows from it was begun.
    AfterCommit(usize),
    /// When the commit of this number is given to the store, which never gets it: what it was about
    /// was done, and nothing tells of it.
    BeforeCommit(usize),
}

/// What outlives processes: all that was committed, and where the next crash comes.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    written: Mutex<Vec<Written>>,
    plan: Mutex<Vec<CrashPoint>>,
}

impl Tape {
    pub(crate) fn new(plan: Vec<CrashPoint>) -> Self {
        Self { written: Mutex::default(), plan: Mutex::new(plan) }
    }

    /// All commits so far, in their order.
    pub(crate) fn written(&self) -> Vec<Written> {
        lock(&self.written).clone()
    }

    /// Where a run's journal ends.
    pub(crate) fn last_seq(&self, run: RunId) -> u64 {
        lock(&self.written).iter().rev().find(|written| written.run == run).map_or(0, |written| written.last)
    }

    /// Whether a planned crash has not come yet.
    pub(crate) fn is_pending(&self) -> bool {
        !lock(&self.plan).is_empty()
    }

    /// The crash that the next commit meets, which is taken from the plan.
    fn crash(&self, batch: &Batch) -> Option<CrashPoint> {
        let written = lock(&self.written);
        let next = next_commit(&written);
        let first = written.first().map(|written| written.run);
        let met = |point: &CrashPoint| match *point {
            CrashPoint::AfterSeq(seq) => batch.runs.iter().any(|commit| {
                first.is_none_or(|first| first == commit.run)
                    && commit.expected_seq + commit.events.len() as u64 >= seq
            }),
            CrashPoint::AfterCommit(number) | CrashPoint::BeforeCommit(number) => next == number,
        };
        let mut plan = lock(&self.plan);
        let at = plan.iter().position(met)?;
        Some(plan.remove(at))
    }

    fn write(&self, batch: &Batch) {
        let commits = batch.runs.iter().filter(|commit| !commit.events.is_empty());
        let mut all = lock(&self.written);
        let number = next_commit(&all);
        all.extend(commits.map(|commit| Written {
            commit: number,
            run: commit.run,
            first: commit.expected_seq + 1,
            last: commit.expected_seq + commit.events.len() as u64,
        }));
    }
}

/// The number of the commit that comes next.
fn next_commit(written: &[Written]) -> usize {
    written.last().map_or(0, |written| written.commit + 1)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way of one process to the store.
#[derive(Debug)]
pub(crate) struct ProcessStore {
    store: MemoryStore,
    tape: Arc<Tape>,
    dead: AtomicBool,
    died: Notify,
}

impl ProcessStore {
    pub(crate) fn new(store: MemoryStore, tape: Arc<Tape>) -> Self {
        Self { store, tape, dead: AtomicBool::new(false), died: Notify::new() }
    }

    /// Whether the process has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Never returns in a process that is dead.
    pub(crate) async fn alive(&self) {
        if self.dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }

    /// Returns when the process has died.
    pub(crate) async fn died(&self) {
        if !self.dead.load(Ordering::SeqCst) {
            self.died.notified().await;
        }
    }

    async fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        self.alive().await;
    }
}

#[async_trait]
impl Store for ProcessStore {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.alive().await;
        let crash = self.tape.crash(batch);
        if matches!(crash, Some(CrashPoint::BeforeCommit(_))) {
            self.die().await;
        }
        self.store.commit(batch).await?;
        self.tape.write(batch);
        if crash.is_some() {
            self.die().await;
        }
        Ok(())
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.alive().await;
        self.store.journal(run, from_seq).await
    }

    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError> {
        self.alive().await;
        self.store.journal_part(run, from_seq, limit).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.alive().await;
        self.store.run(run).await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        self.alive().await;
        self.store.runs(filter, page).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.alive().await;
        self.store.due(now, limit).await
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.alive().await;
        self.store.outgoing(after, limit).await
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        self.alive().await;
        self.store.subscribers(patterns).await
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        self.alive().await;
        self.store.tickets(after, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.alive().await;
        self.store.next_due().await
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        self.alive().await;
        self.store.approvals(filter, page).await
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.alive().await;
        self.store.approval(id).await
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        self.alive().await;
        self.store.run_of_approval(id).await
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.alive().await;
        self.store.memories(after, limit).await
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.alive().await;
        self.store.memory(scope).await
    }

    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.alive().await;
        self.store.record(kind, key).await
    }

    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.alive().await;
        self.store.records(kind, prefix, after, limit).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.alive().await;
        self.store.changes(after, limit).await
    }

    async fn remembers(&self) -> Result<Option<Remembers>, StoreError> {
        self.alive().await;
        self.store.remembers().await
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.alive().await;
        self.store.blob(digest).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.alive().await;
        self.store.info().await
    }
}
