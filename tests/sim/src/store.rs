//! A store with faults: slow, failing, late with its answers, and gone with its process.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, Duration, MemoryScope, RunId, Ticket, Timestamp};
use pawl_engine::Clock as _;
use pawl_store::memory::MemoryStore;
use pawl_store::{
    ApprovalFilter, ApprovalPage, Batch, Change, Page, Record, Remembers, RunFilter, RunPage, Store,
    StoreError, StoreInfo, TicketPlace, Upkeep,
};
use pawl_testing::SimulatedClock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::watch;

use crate::ground::Ground;

/// How often each fault comes, in a thousand commits.
#[derive(Debug, Clone, Copy)]
pub struct FaultRates {
    /// The process dies before the commit, or right after it.
    pub crash: u32,
    /// The commit is refused.
    pub fail: u32,
    /// It is written, and the store says that it failed.
    pub lost_answer: u32,
    /// It takes its time, so that others overtake it.
    pub slow: u32,
}

/// What outlives processes: the disk, and what becomes of the next commits.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) kept: MemoryStore,
    pub(crate) ground: Arc<Ground>,
    pub(crate) clock: SimulatedClock,
    rates: FaultRates,
    /// Whether there are no faults any more.
    calm: AtomicBool,
    chance: Mutex<StdRng>,
}

/// What becomes of a commit.
struct Fate {
    before_ms: u64,
    after_ms: u64,
    end: End,
}

#[derive(Debug)]
enum End {
    Written,
    CrashBefore,
    CrashAfter,
    Refused,
    LostAnswer,
}

impl Disk {
    pub(crate) fn new(seed: u64, rates: FaultRates, clock: SimulatedClock) -> Self {
        let chance = Mutex::new(StdRng::seed_from_u64(seed));
        let calm = AtomicBool::new(false);
        Self { kept: MemoryStore::new(), ground: Arc::default(), clock, rates, calm, chance }
    }

    /// From now on there are no faults.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    fn fate(&self) -> Fate {
        if self.calm.load(Ordering::SeqCst) {
            return Fate { before_ms: 0, after_ms: 0, end: End::Written };
        }
        let chance = &mut *self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let mut delay =
            |rate| if chance.random_range(0..1_000) < rate { chance.random_range(1..3_000) } else { 0 };
        let (before_ms, after_ms) = (delay(self.rates.slow), delay(self.rates.slow));
        let drawn = chance.random_range(0..1_000);
        let FaultRates { crash, fail, lost_answer, .. } = self.rates;
        let end = match drawn {
            drawn if drawn < crash / 2 => End::CrashBefore,
            drawn if drawn < crash => End::CrashAfter,
            drawn if drawn < crash + fail => End::Refused,
            drawn if drawn < crash + fail + lost_answer => End::LostAnswer,
            _ => End::Written,
        };
        Fate { before_ms, after_ms, end }
    }
}

/// The way of one process to the disk.
#[derive(Debug)]
pub(crate) struct ProcessStore {
    disk: Arc<Disk>,
    /// Whether the process has died; all who wait for that hear of it.
    dead: watch::Sender<bool>,
}

impl ProcessStore {
    pub(crate) fn new(disk: Arc<Disk>) -> Self {
        disk.kept.end_sweep();
        Self { disk, dead: watch::Sender::new(false) }
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Never returns in a process that is dead.
    pub(crate) async fn alive(&self) {
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// Returns when the process has died.
    pub(crate) async fn died(&self) {
        // The sender lives in `self`, so the wait ends only with the process.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    async fn die(&self) {
        self.dead.send_replace(true);
        self.alive().await;
    }

    async fn pause(&self, ms: u64) {
        if ms > 0 {
            let clock = &self.disk.clock;
            clock.sleep_until(clock.now().after(Duration(ms))).await;
        }
        self.alive().await;
    }

    async fn kept(&self) -> &MemoryStore {
        self.alive().await;
        &self.disk.kept
    }
}

#[async_trait]
impl Store for ProcessStore {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.alive().await;
        let Fate { before_ms, after_ms, end } = self.disk.fate();
        if !matches!(end, End::Written) {
            let (clock, ground) = (&self.disk.clock, &self.disk.ground);
            let runs: Vec<_> = batch.runs.iter().map(|at| (at.run, at.expected_seq + 1)).collect();
            ground.truth().tell(clock.now(), || format!("{end:?} comes, of {runs:?} {:?}", batch.delivered));
        }
        self.pause(before_ms).await;
        match end {
            End::CrashBefore => self.die().await,
            End::Refused => return Err(StoreError::Full("the simulation says so".into())),
            End::Written | End::CrashAfter | End::LostAnswer => {}
        }
        let Disk { kept, ground, clock, .. } = &*self.disk;
        kept.commit(batch).await?;
        let mut gone = Vec::new();
        for digest in &batch.unused {
            if kept.blob(digest).await?.is_none() {
                gone.push(*digest);
            }
        }
        ground.truth().observe(batch, &gone, clock.now());
        if matches!(end, End::CrashAfter) {
            self.die().await;
        }
        self.pause(after_ms).await;
        if matches!(end, End::LostAnswer) {
            return Err(StoreError::Engine("its answer was lost, the simulation says".into()));
        }
        Ok(())
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.kept().await.journal(run, from_seq).await
    }

    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError> {
        self.kept().await.journal_part(run, from_seq, limit).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.kept().await.run(run).await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        self.kept().await.runs(filter, page).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.kept().await.due(now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.kept().await.next_due().await
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        self.kept().await.approvals(filter, page).await
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.kept().await.approval(id).await
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        self.kept().await.run_of_approval(id).await
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.kept().await.outgoing(after, limit).await
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        self.kept().await.subscribers(patterns).await
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        self.kept().await.tickets(after, limit).await
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.kept().await.memories(after, limit).await
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.kept().await.memory(scope).await
    }

    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.kept().await.record(kind, key).await
    }

    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.kept().await.records(kind, prefix, after, limit).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.kept().await.changes(after, limit).await
    }

    async fn remembers(&self) -> Result<Option<Remembers>, StoreError> {
        self.kept().await.remembers().await
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.kept().await.blob(digest).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.kept().await.info().await
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }
}

#[async_trait]
impl Upkeep for ProcessStore {
    async fn journals(&self, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError> {
        self.kept().await.journals(after, limit).await
    }

    async fn blobs(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Digest>, StoreError> {
        self.kept().await.blobs(after, limit).await
    }

    async fn begin_sweep(&self) -> Result<(), StoreError> {
        self.kept().await.begin_sweep().await
    }

    fn end_sweep(&self) {
        // What a process has noted goes with it, and another may have begun.
        if !self.is_dead() {
            self.disk.kept.end_sweep();
        }
    }
}
