//! A store that fails, or is slow, or was altered.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
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
use pawl_tests::patiently;
use serde_json::Value;
use tokio::sync::watch;

/// A real store whose disk is full, or slow, or altered, whenever the test says so.
#[derive(Debug)]
pub(crate) struct Failing {
    store: MemoryStore,
    /// How many commits it still takes; any number, when nothing is said.
    pub(crate) takes: watch::Sender<Option<u32>>,
    refused: watch::Sender<u32>,
    /// Whether commits wait, and how many do or did.
    pub(crate) held: watch::Sender<bool>,
    pub(crate) entered: watch::Sender<u32>,
    /// Whether blobs come back with their last byte changed.
    pub(crate) altered: watch::Sender<bool>,
    /// Whether journals wait to be read, and how many do.
    pub(crate) unread: watch::Sender<bool>,
    pub(crate) reading: watch::Sender<usize>,
    /// The run whose commits wait.
    halted: watch::Sender<Option<RunId>>,
    /// The run whose journal is damaged.
    unreadable: watch::Sender<Option<RunId>>,
    /// What comes of the list of slots, and how often it was read.
    list: watch::Sender<List>,
    listed: watch::Sender<u32>,
    /// Whether commits are written and said to have failed.
    unanswered: watch::Sender<bool>,
    /// Whether it has failed for good.
    dead: watch::Sender<bool>,
}

/// What comes of the list of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// It is told as it is.
    Told,
    /// It is read, and told later as it was then.
    Late,
    /// It cannot be read.
    Damaged,
    /// The row of this run cannot be read.
    Row(RunId),
}

impl Failing {
    pub(crate) fn new() -> Arc<Self> {
        Self::on(MemoryStore::new())
    }

    /// The same store as another process has it: whatever becomes of the commits of this one, becomes of its own.
    /// A process that has ended may still have commits on their way here, which a dead one has not.
    pub(crate) fn of_another_process(&self) -> Arc<Self> {
        Self::on(self.store.clone())
    }

    fn on(store: MemoryStore) -> Arc<Self> {
        let (takes, refused) = (watch::Sender::new(None), watch::Sender::new(0));
        let (held, entered) = (watch::Sender::new(false), watch::Sender::new(0));
        let altered = watch::Sender::new(false);
        let (unread, reading) = (watch::Sender::new(false), watch::Sender::new(0));
        let (halted, unreadable) = (watch::Sender::new(None), watch::Sender::new(None));
        let (list, listed) = (watch::Sender::new(List::Told), watch::Sender::new(0));
        let (unanswered, dead) = (watch::Sender::new(false), watch::Sender::new(false));
        Arc::new(Self {
            store,
            takes,
            refused,
            held,
            entered,
            altered,
            unread,
            reading,
            halted,
            unreadable,
            list,
            listed,
            unanswered,
            dead,
        })
    }

    /// Says what comes of the list of slots from now on.
    pub(crate) fn list(&self, what: List) {
        self.list.send_replace(what);
    }

    /// How often the list of slots was read so far.
    pub(crate) fn lists(&self) -> u32 {
        *self.listed.borrow()
    }

    /// Waits until the list of slots was read this many times.
    pub(crate) async fn listed(&self, times: u32) -> Result<()> {
        let mut listed = self.listed.subscribe();
        patiently("a list of slots that is read", listed.wait_for(|listed| *listed >= times)).await??;
        Ok(())
    }

    /// Says whether commits are written from now on and said to have failed.
    pub(crate) fn answer_not(&self, unanswered: bool) {
        self.unanswered.send_replace(unanswered);
    }

    /// Fails for good, as a store does that cannot trust itself any more.
    pub(crate) fn die(&self) {
        self.dead.send_replace(true);
    }

    fn lives(&self) -> Result<(), StoreError> {
        if *self.dead.borrow() { Err(StoreError::Failed("the test says so".into())) } else { Ok(()) }
    }

    /// Says whose journal is damaged from now on.
    pub(crate) fn damage(&self, run: Option<RunId>) {
        self.unreadable.send_replace(run);
    }

    /// Says whose commits wait from now on.
    pub(crate) fn halt(&self, run: Option<RunId>) {
        self.halted.send_replace(run);
    }

    /// How many commits came so far.
    pub(crate) fn commits(&self) -> u32 {
        *self.entered.borrow()
    }

    /// Waits until this many commits came, whatever became of them.
    pub(crate) async fn committing(&self, commits: u32) -> Result<()> {
        let mut entered = self.entered.subscribe();
        patiently("a commit", entered.wait_for(|entered| *entered >= commits)).await??;
        Ok(())
    }

    /// How many commits it takes from now on; any number, when nothing is said.
    pub(crate) fn take(&self, commits: Option<u32>) {
        self.takes.send_replace(commits);
    }

    /// Waits until this many commits were refused.
    pub(crate) async fn refused(&self, times: u32) -> Result<()> {
        let mut refused = self.refused.subscribe();
        patiently("a refused commit", refused.wait_for(|refused| *refused >= times)).await??;
        Ok(())
    }
}

#[async_trait]
impl Store for Failing {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.lives()?;
        self.entered.send_modify(|entered| *entered += 1);
        // The sender is this store's own, so the wait ends only when commits go on.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        let of = |run: &RunId| batch.runs.iter().any(|commit| commit.run == *run);
        let _ = self.halted.subscribe().wait_for(|halted| !halted.as_ref().is_some_and(of)).await;
        let mut full = false;
        self.takes.send_modify(|takes| match takes {
            None => {}
            Some(0) => full = true,
            Some(left) => *left -= 1,
        });
        if full {
            self.refused.send_modify(|refused| *refused += 1);
            return Err(StoreError::Full("the test says so".into()));
        }
        self.store.commit(batch).await?;
        let answers = !*self.unanswered.borrow();
        answers.then_some(()).ok_or_else(|| StoreError::Engine("the test says so".into()))
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.lives()?;
        self.reading.send_modify(|reading| *reading += 1);
        let _ = self.unread.subscribe().wait_for(|unread| !unread).await;
        self.reading.send_modify(|reading| *reading -= 1);
        if *self.unreadable.borrow() == Some(run) {
            return Err(StoreError::Damaged("the test says so".into()));
        }
        self.store.journal(run, from_seq).await
    }

    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError> {
        let mut events = self.journal(run, from_seq).await?;
        events.truncate(limit);
        Ok(events)
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.store.run(run).await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        self.store.runs(filter, page).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.lives()?;
        self.store.due(now, limit).await
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.store.outgoing(after, limit).await
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        self.store.subscribers(patterns).await
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let tickets = self.store.tickets(after, limit).await;
        self.listed.send_modify(|listed| *listed += 1);
        let _ = self.list.subscribe().wait_for(|list| *list != List::Late).await;
        let reason = || "the test says so".to_owned();
        match *self.list.borrow() {
            List::Damaged => Err(StoreError::Damaged(reason())),
            List::Row(run) => {
                let mut tickets = tickets?;
                match tickets.iter().position(|ticket| ticket.run == run) {
                    Some(0) => {
                        Err(StoreError::DamagedTicket { run, visit: tickets[0].visit, reason: reason() })
                    }
                    at => {
                        tickets.truncate(at.unwrap_or(tickets.len()));
                        Ok(tickets)
                    }
                }
            }
            List::Told | List::Late => tickets,
        }
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.store.memories(after, limit).await
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.store.memory(scope).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due().await
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        self.store.approvals(filter, page).await
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.store.approval(id).await
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        self.store.run_of_approval(id).await
    }

    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.store.record(kind, key).await
    }

    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.store.records(kind, prefix, after, limit).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.store.changes(after, limit).await
    }

    async fn remembers(&self) -> Result<Option<Remembers>, StoreError> {
        self.store.remembers().await
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let bytes = self.store.blob(digest).await?;
        if !*self.altered.borrow() {
            return Ok(bytes);
        }
        Ok(bytes.map(|bytes| {
            let mut bytes = bytes.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            bytes.into()
        }))
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.store.info().await
    }
}
