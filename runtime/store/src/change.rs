//! What changed, in the order in which it was committed: for readers that go on where they stopped.

use pawl_core::view::Status;
use pawl_core::{ApprovalId, Namespace, RunId};
use serde::{Deserialize, Serialize};

/// How many changes a store remembers; older ones are forgotten, and a reader that stopped before them must look at
/// everything anew.
pub const CHANGES_MAX: u64 = 262_144;

/// A commit that changed what listings show of a run: its header, or its open approvals. In the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place: dense, from 1.
    pub position: u64,
    /// The run.
    pub run: RunId,
    /// What changed.
    pub what: Changed,
}

/// What changed of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Changed {
    /// Where it stands from now on; absent where its header did not change, or is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Approvals that are open from now on, or open in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<ApprovalId>,
    /// Approvals that are not open any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<ApprovalId>,
    /// Whether nothing is kept of the run any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Whose run it is.
    #[serde(default, skip_serializing_if = "Namespace::is_default")]
    pub namespace: Namespace,
}

impl Changed {
    /// Whether there is anything to tell.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.status.is_none() && self.opened.is_empty() && self.closed.is_empty() && !self.removed
    }
}

/// Which changes a store remembers: the positions of the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembers {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}
