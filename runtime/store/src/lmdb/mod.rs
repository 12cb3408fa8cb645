//! The embedded store: LMDB, through `heed`.
//!
//! One thread owns all writes. It puts whatever batches are waiting into one
//! transaction, syncs once and then acknowledges each; a batch that comes too
//! late for its run fails alone. Readers see the last committed state and wait
//! for nobody. Without exception a commit is synced before it is acknowledged:
//! none of LMDB's flags that trade this away is set.
//!
//! A transaction that fails, because the map or the disk is full or the engine
//! refuses, leaves nothing behind, and the store goes on with the next one. The
//! exception is a disk that refuses the very page that makes a transaction
//! count: whether it counts is then known only when the store is opened again,
//! which the next commit does.

mod codec;
mod committer;
mod environment;
mod failure;
mod folder;
mod prepared;
mod read;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use self::committer::Submission;
use self::environment::Environment;
use self::folder::Folder;
use self::prepared::Prepared;
use crate::{
    ApprovalFilter, ApprovalPage, Batch, PAGE_MAX_ROWS, Page, RunFilter, RunPage, Store, StoreError,
    StoreInfo, TicketPlace,
};

/// The format that this version writes, and the newest that it reads. A store of an older one gets
/// the tables that it lacks when it is opened.
pub const FORMAT: u32 = 4;

/// The limits of an LMDB store.
#[derive(Debug, Clone)]
pub struct LmdbOptions {
    /// How large the memory map is at first: address space, not disk space.
    pub map_size_bytes: u64,
    /// How large it may grow when it is full.
    pub map_max_bytes: u64,
    /// How many commits may wait for the committer; a caller waits beyond that.
    pub queue_max_commits: usize,
    /// How many runs' commits share one transaction at most.
    pub group_max_appends: usize,
    /// How many bytes a transaction writes before it takes no further commit.
    pub group_max_bytes: usize,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        let (map_size_bytes, map_max_bytes) =
            if cfg!(target_pointer_width = "64") { (1 << 40, 1 << 44) } else { (1 << 29, 1 << 30) };
        Self {
            map_size_bytes,
            map_max_bytes,
            queue_max_commits: 4_096,
            group_max_appends: 4_096,
            group_max_bytes: 16 << 20,
        }
    }
}

/// What the committer did since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LmdbStats {
    /// Batches that were acknowledged.
    pub commits: u64,
    /// Durable transactions that they took.
    pub transactions: u64,
}

/// The embedded store. Dropping it writes what was queued and gives the folder back.
#[derive(Debug)]
pub struct LmdbStore {
    /// Absent only while the store is dropped, as is the thread.
    queue: Option<mpsc::Sender<Submission>>,
    committer: Option<JoinHandle<()>>,
    environment: Arc<Environment>,
    /// Given back after everything else.
    folder: Folder,
}

impl LmdbStore {
    /// Opens the store in a data folder, and makes folder and store when there is none.
    pub fn open(dir: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        let folder = Folder::hold(dir)?;
        let environment = Arc::new(Environment::open(&folder, &options)?);
        let (queue, waiting) = mpsc::channel(options.queue_max_commits.max(1));
        let committer = committer::start(Arc::clone(&environment), options, waiting)?;
        Ok(Self { queue: Some(queue), committer: Some(committer), environment, folder })
    }

    /// What the committer did so far.
    pub fn stats(&self) -> LmdbStats {
        self.environment.stats()
    }
}

impl Drop for LmdbStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("the committer panicked; what it had not acknowledged may be lost");
        }
        self.environment.close();
    }
}

// Reads run on the calling thread, asynchronous or not: LMDB reads from its
// memory map without a lock that a writer could hold, and each read is bounded
// by a page, so that handing it to another thread would cost more than it.
#[async_trait]
impl Store for LmdbStore {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let batch = Prepared::new(batch)?;
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Submission { batch, reply }).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        let mut from_seq = from_seq.max(1);
        let mut events = Vec::new();
        loop {
            let (part, complete) = self.environment.read(|view| view.journal(run, from_seq))?;
            from_seq += part.len() as u64;
            events.extend(part);
            if complete {
                return Ok(events);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.environment.read(|view| view.run(run))
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        let rows = page.rows();
        let (mut runs, mut after) = (Vec::new(), page.after);
        loop {
            // One row more than asked tells whether there is a next page.
            let wanted = rows + 1 - runs.len();
            let (part, scanned_to) = self.environment.read(|view| view.runs(filter, after, wanted))?;
            runs.extend(part);
            after = scanned_to;
            if after.is_none() || runs.len() > rows {
                break;
            }
            tokio::task::yield_now().await;
        }
        let more = runs.len() > rows;
        runs.truncate(rows);
        Ok(RunPage { next: runs.last().filter(|_| more).map(|header: &RunHeader| header.id), runs })
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.environment.read(|view| view.due(now, limit.min(PAGE_MAX_ROWS)))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = self.environment.read(|view| view.due(Timestamp(u64::MAX), 1))?;
        Ok(first.first().map(|(wake_at, _)| *wake_at))
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        let rows = page.rows();
        let after = page.after.as_deref().map(crate::query::approval_place).transpose()?;
        let mut after = after.map(|(created_at, id)| codec::approval_key(created_at, &id));
        let mut approvals = Vec::new();
        loop {
            let wanted = rows + 1 - approvals.len();
            let (part, scanned_to) =
                self.environment.read(|view| view.approvals(filter, after.as_deref(), wanted))?;
            approvals.extend(part);
            after = scanned_to;
            if after.is_none() || approvals.len() > rows {
                break;
            }
            tokio::task::yield_now().await;
        }
        let more = approvals.len() > rows;
        approvals.truncate(rows);
        let next = approvals.last().filter(|_| more).map(crate::query::approval_cursor);
        Ok(ApprovalPage { approvals, next })
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.environment.read(|view| view.approval(id))
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        self.environment.read(|view| view.run_of_approval(id))
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.environment.read(|view| view.outgoing(after, limit.min(PAGE_MAX_ROWS)))
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        Ok(self.environment.read(|view| view.subscribers(patterns))?.into_iter().collect())
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        self.environment.read(|view| view.tickets(after, limit.min(PAGE_MAX_ROWS)))
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.environment.read(|view| view.memories(after, limit.min(PAGE_MAX_ROWS)))
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.environment.read(|view| view.memory(scope))
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.environment.read(|view| view.blob(digest))
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        Ok(StoreInfo {
            engine: "lmdb",
            place: self.folder.path.display().to_string(),
            format: FORMAT,
            bytes: self.environment.bytes()?,
        })
    }
}
