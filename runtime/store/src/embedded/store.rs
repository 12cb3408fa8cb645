//! An engine with what all have in common: a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::committer::{self, CommitStats, Counters, Limits, Submission};
use super::prepared::Prepared;
use super::sweep::Sweep;
use super::{Engine, Folder, codec, read};
use crate::{
    ApprovalFilter, ApprovalPage, Batch, Change, Maintain, PAGE_MAX_ROWS, Page, Record, Remembers, RunFilter,
    RunPage, Store, StoreError, StoreInfo, TicketPlace, Upkeep,
};

/// A store within this process. Dropping it writes what was queued and gives the folder back.
#[derive(Debug)]
pub struct EmbeddedStore<E: Engine> {
    /// Absent only while the store is dropped, as is the thread.
    queue: Option<mpsc::Sender<Submission>>,
    committer: Option<JoinHandle<()>>,
    pub(super) engine: Arc<E>,
    counters: Arc<Counters>,
    pub(super) sweep: Arc<Sweep>,
    /// Given back after everything else.
    folder: Folder,
}

impl<E: Engine> EmbeddedStore<E> {
    /// Starts the committer of an engine that was just opened.
    pub(crate) fn start(folder: Folder, engine: E, limits: Limits) -> Result<Self, StoreError> {
        let (engine, counters, sweep) = (Arc::new(engine), Arc::<Counters>::default(), Arc::default());
        let (queue, waiting) = mpsc::channel(limits.queue_max_commits.max(1));
        let (engine_of, counters_of, sweep_of) =
            (Arc::clone(&engine), Arc::clone(&counters), Arc::clone(&sweep));
        let committer = committer::start(engine_of, limits, waiting, counters_of, sweep_of)?;
        Ok(Self { queue: Some(queue), committer: Some(committer), engine, counters, sweep, folder })
    }

    /// Hands a batch to the committer; comes back when it is durable, or was refused.
    pub(super) async fn submit(&self, batch: Prepared) -> Result<(), StoreError> {
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Submission { batch, reply }).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes what was queued and closes the engine; nothing is done any more after it.
    fn shut(&mut self) {
        drop(self.queue.take());
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("the committer panicked; what it had not acknowledged may be lost");
        }
        self.engine.close();
    }

    /// Closes a new store and puts it in its place.
    pub(crate) fn put_in_place(mut self) -> Result<(), StoreError> {
        self.shut();
        self.folder.finish_new()
    }

    /// Closes a new store, which stays beside its place.
    pub(crate) fn leave_new(mut self) {
        self.shut();
        self.folder.leave_new();
    }

    /// Where a new store can be made beside this one.
    pub(crate) fn beside(&self) -> Result<Folder, StoreError> {
        self.folder.beside()
    }

    /// Closes it and puts the new store beside it in its place.
    pub(crate) fn exchange(mut self) -> Result<(), StoreError> {
        self.shut();
        self.folder.exchange_new()
    }

    /// What the committer did so far.
    pub fn stats(&self) -> CommitStats {
        self.counters.stats()
    }
}

impl<E: Engine> Drop for EmbeddedStore<E> {
    fn drop(&mut self) {
        self.shut();
    }
}

// Reads run on the calling thread, asynchronous or not: each is bounded by a page,
// so that handing it to another thread would cost more than it.
#[async_trait]
impl<E: Engine> Store for EmbeddedStore<E> {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut batch = Prepared::new(batch)?;
        for removed in &mut batch.removed {
            // Complete, if the run still ends where the removal expects it to.
            let run = removed.removal.run;
            removed.journal = self.engine.read(|rows| read::journal_keys(rows, run)).await?;
        }
        self.submit(batch).await
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.journal_part(run, from_seq, usize::MAX).await
    }

    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError> {
        let mut from_seq = from_seq.max(1);
        let mut events = Vec::new();
        loop {
            let left = limit - events.len();
            let (part, complete) = self.engine.read(|rows| read::journal(rows, run, from_seq, left)).await?;
            from_seq += part.len() as u64;
            events.extend(part);
            if complete {
                return Ok(events);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.engine.read(|rows| read::run(rows, run)).await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        let limit = page.rows();
        let (mut runs, mut after) = (Vec::new(), page.after);
        loop {
            // One row more than asked tells whether there is a next page.
            let wanted = limit + 1 - runs.len();
            let (part, scanned_to) = self.engine.read(|rows| read::runs(rows, filter, after, wanted)).await?;
            runs.extend(part);
            after = scanned_to;
            if after.is_none() || runs.len() > limit {
                break;
            }
            tokio::task::yield_now().await;
        }
        let more = runs.len() > limit;
        runs.truncate(limit);
        Ok(RunPage { next: runs.last().filter(|_| more).map(|header: &RunHeader| header.id), runs })
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.engine.read(|rows| read::due(rows, now, limit.min(PAGE_MAX_ROWS))).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = self.engine.read(|rows| read::due(rows, Timestamp(u64::MAX), 1)).await?;
        Ok(first.first().map(|(wake_at, _)| *wake_at))
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        let limit = page.rows();
        let after = page.after.as_deref().map(crate::query::approval_place).transpose()?;
        let mut after = after.map(|(created_at, id)| codec::approval_key(created_at, &id));
        let mut approvals = Vec::new();
        loop {
            let wanted = limit + 1 - approvals.len();
            let (part, scanned_to) =
                self.engine.read(|rows| read::approvals(rows, filter, after.as_deref(), wanted)).await?;
            approvals.extend(part);
            after = scanned_to;
            if after.is_none() || approvals.len() > limit {
                break;
            }
            tokio::task::yield_now().await;
        }
        let more = approvals.len() > limit;
        approvals.truncate(limit);
        let next = approvals.last().filter(|_| more).map(crate::query::approval_cursor);
        Ok(ApprovalPage { approvals, next })
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.engine.read(|rows| read::approval(rows, id)).await
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        let place = self.engine.read(|rows| read::approval_place(rows, id)).await?;
        Ok(place.map(|(run, _)| run))
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.engine.read(|rows| read::outgoing(rows, after, limit.min(PAGE_MAX_ROWS))).await
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        let runs = self.engine.read(|rows| read::subscribers(rows, patterns)).await?;
        Ok(runs.into_iter().collect())
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        self.engine.read(|rows| read::tickets(rows, after, limit.min(PAGE_MAX_ROWS))).await
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.engine.read(|rows| read::memories(rows, after, limit.min(PAGE_MAX_ROWS))).await
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.engine.read(|rows| read::memory(rows, scope)).await
    }

    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.engine.read(|rows| read::record(rows, kind, key)).await
    }

    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let limit = limit.min(PAGE_MAX_ROWS);
        self.engine.read(|rows| read::records(rows, kind, prefix, after, limit)).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.engine.read(|rows| read::changes(rows, after, limit.min(PAGE_MAX_ROWS))).await
    }

    async fn remembers(&self) -> Result<Option<Remembers>, StoreError> {
        self.engine.read(|rows| read::remembers(rows)).await
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.engine.read(|rows| read::blob(rows, digest)).await
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        Ok(StoreInfo {
            engine: E::NAME,
            place: self.folder.path.display().to_string(),
            format: E::FORMAT,
            bytes: self.engine.bytes()?,
        })
    }

    fn commit_stats(&self) -> CommitStats {
        self.counters.stats()
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }

    fn maintain(&self) -> Option<&dyn Maintain> {
        Some(self)
    }
}
