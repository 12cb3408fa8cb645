//! What one commit holds.

use pawl_core::event::Origin;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, Namespace, Remembered, RunId, Ticket, VisitId};

use crate::{Changed, RecordChange, StoreError};

/// All that is written by one commit: everything, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// At most one entry a run.
    pub runs: Vec<RunCommit>,
    /// Bytes that the events name by digest; writing one that is there already changes nothing.
    pub blobs: Vec<Blob>,
    /// Events of which everyone has been told; they are not outgoing any more.
    pub delivered: Vec<Origin>,
    /// What goes into memories that runs share, in this order.
    pub remembered: Vec<Remembered>,
    /// Records as they are to be. Where one does not say what is expected of it, all of the batch is refused.
    pub records: Vec<RecordChange>,
    /// Runs of which nothing is kept any more.
    pub removed: Vec<Removal>,
    /// Blobs that no journal names any more. They stay where no sweep is under way, and those that a commit
    /// brought since it began: see [`Upkeep::begin_sweep`](crate::Upkeep::begin_sweep).
    pub unused: Vec<Digest>,
}

/// A run of which nothing is kept any more: its journal and all that follows from it. Refused, with the whole batch,
/// as long as it is not over or has something to tell others.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The run.
    pub run: RunId,
    /// The seq of its last event. Anything else is a conflict.
    pub expected_seq: u64,
    /// All approvals that it ever opened.
    pub approvals: Vec<ApprovalId>,
    /// Whose run it is.
    pub namespace: Namespace,
}

/// What one commit appends to one run, and the projections that follow from it.
#[derive(Debug, Clone)]
pub struct RunCommit {
    /// The run.
    pub run: RunId,
    /// The seq of the last event before; 0 for a new run. Anything else is a conflict.
    pub expected_seq: u64,
    /// Whose run it is.
    pub namespace: Namespace,
    /// The events that follow, encoded and chained.
    pub events: Vec<EncodedEvent>,
    /// The header, where it changed. A new run has one.
    pub header: Option<RunHeader>,
    /// Approvals that are open from now on.
    pub opened: Vec<OpenApproval>,
    /// Approvals that are not open any more.
    pub closed: Vec<ApprovalId>,
    /// The seqs of those events that other runs must be told of.
    pub outgoing: Vec<u64>,
    /// Topics that the run waits for from now on: each a pattern and a visit.
    pub subscribed: Vec<Subscription>,
    /// Those that it waits for no more.
    pub unsubscribed: Vec<Subscription>,
    /// Slots that it holds or waits for, where that changed.
    pub tickets: Vec<Ticket>,
    /// Whose slots those are that it neither holds nor waits for any more: a visit's, or the run's own.
    pub returned: Vec<Option<VisitId>>,
}

impl RunCommit {
    /// Appends events, and changes no projection.
    pub fn new(run: RunId, expected_seq: u64, events: Vec<EncodedEvent>) -> Self {
        Self {
            run,
            expected_seq,
            namespace: Namespace::default(),
            events,
            header: None,
            opened: Vec::new(),
            closed: Vec::new(),
            outgoing: Vec::new(),
            subscribed: Vec::new(),
            unsubscribed: Vec::new(),
            tickets: Vec::new(),
            returned: Vec::new(),
        }
    }
}

/// What listings show differently after a commit.
pub(crate) fn changed(commit: &RunCommit) -> Changed {
    Changed {
        status: commit.header.as_ref().map(|header| header.status),
        opened: commit.opened.iter().map(|approval| approval.id.clone()).collect(),
        closed: commit.closed.clone(),
        removed: false,
        namespace: commit.namespace.clone(),
    }
}

/// That nothing is kept of a run any more.
pub(crate) fn gone(removal: &Removal) -> Changed {
    Changed { removed: true, namespace: removal.namespace.clone(), ..Changed::default() }
}

/// A visit that waits for an event whose topic matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription {
    /// The pattern.
    pub pattern: String,
    /// The visit.
    pub visit: VisitId,
}

/// Bytes that are named by their SHA-256: large values, definitions, components.
#[derive(Debug, Clone)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: std::sync::Arc<[u8]>,
}

impl Blob {
    /// Names some bytes.
    pub fn new(bytes: impl Into<std::sync::Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), bytes }
    }
}

/// Refuses a batch that names a run twice: which entry is the first could not be told.
pub(crate) fn check_runs(batch: &Batch) -> Result<(), StoreError> {
    let removed = batch.removed.iter().map(|removal| removal.run);
    let mut runs: Vec<RunId> = batch.runs.iter().map(|commit| commit.run).chain(removed).collect();
    runs.sort_unstable();
    match runs.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(StoreError::Engine(format!("a batch has two entries for {:?}", pair[0]))),
        None => Ok(()),
    }
}
