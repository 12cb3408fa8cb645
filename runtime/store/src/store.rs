//! The verbs that every store has.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, MemoryScope, RunId, Ticket, Timestamp, VisitId};
use serde_json::Value;

use crate::{
    ApprovalFilter, ApprovalPage, Batch, Change, CommitStats, Maintain, Page, Record, Remembers, RunFilter,
    RunPage, StoreError, Upkeep,
};

/// Whose slot a ticket is for: a run's own, or that of a visit of it.
pub type TicketPlace = (RunId, Option<VisitId>);

/// What a store says of itself.
#[derive(Debug, Clone)]
pub struct StoreInfo {
    /// `lmdb`, `sled`, `memory`.
    pub engine: &'static str,
    /// Where it is, for people.
    pub place: String,
    /// The version of its format.
    pub format: u32,
    /// Bytes on disk, 0 where there is no disk.
    pub bytes: u64,
}

/// A place that keeps journals and what follows from them.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Writes a batch, all or nothing. Durable when this returns.
    ///
    /// After an error other than [`StoreError::Conflict`] the batch may be given again as it is: if
    /// it was written after all, the second try is a conflict and changes nothing.
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The events of a run from a seq on, in order; empty for an unknown run.
    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError>;

    /// The same, at most `limit` of them; no more is read than that takes.
    async fn journal_part(
        &self,
        run: RunId,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<EncodedEvent>, StoreError>;

    /// The header of a run.
    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError>;

    /// Headers, newest run first.
    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError>;

    /// Runs whose `wake_at` has come, the earliest first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError>;

    /// The earliest `wake_at` of all runs.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Open approvals, the oldest first.
    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError>;

    /// An open approval.
    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError>;

    /// The run that an approval belongs to, open or closed.
    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError>;

    /// Events that others must be told of and were not, in order of run and seq, those after `after`,
    /// at most `limit`.
    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError>;

    /// The runs that wait for an event with one of these patterns, each once, in order.
    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError>;

    /// The slots that are held or waited for, by run and visit, the run's own first, those after `after`, at
    /// most `limit`. Fewer come before a row that is damaged; one that comes first is the error, and what
    /// follows can be asked for.
    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError>;

    /// The memories that runs share and that hold something, in order, those after `after`, at most `limit`.
    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError>;

    /// All that a memory holds, by key.
    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError>;

    /// The value of a record.
    async fn record(&self, kind: &str, key: &str) -> Result<Option<Value>, StoreError>;

    /// The records of a kind whose keys begin with a prefix, in the order of their keys, those after `after`, at most
    /// `limit`.
    async fn records(
        &self,
        kind: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// What changed after a position, in order, at most `limit`. Of what is forgotten nothing is said: see
    /// [`Store::remembers`].
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// Which changes are remembered; nothing where nothing changed yet.
    async fn remembers(&self) -> Result<Option<Remembers>, StoreError>;

    /// The bytes with this digest.
    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// What the store says of itself.
    async fn info(&self) -> Result<StoreInfo, StoreError>;

    /// What was written since the store was opened, where it counts that.
    fn commit_stats(&self) -> CommitStats {
        CommitStats::default()
    }

    /// What retention needs beside these verbs; nothing where runs are not removed.
    fn upkeep(&self) -> Option<&dyn Upkeep> {
        None
    }

    /// The rows themselves, for who looks after the store; nothing where there are none.
    fn maintain(&self) -> Option<&dyn Maintain> {
        None
    }
}
