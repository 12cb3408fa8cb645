//! What requests give, part by part: see [`Reply`](super::Reply).

use pawl_core::{Digest, RunId};
use pawl_engine::ReplayReport;
use serde::{Deserialize, Serialize};

/// A backup that was made, and found to be whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackedUp {
    /// The engine that its store is of.
    pub(crate) engine: String,
    /// When it was begun: the store is as it was then.
    pub(crate) made_at: String,
    /// The pawl that made it.
    pub(crate) version: String,
    /// Rows of all tables.
    pub(crate) rows: u64,
    /// Journals whose chain was checked in the copy.
    pub(crate) journals: u64,
    /// Their events.
    pub(crate) events: u64,
    /// Components of the plugin folder.
    pub(crate) plugins: u64,
}

/// What a replay found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) run: RunId,
    /// What is wrong with the journal itself; then no agent was run.
    pub(crate) problems: Vec<String>,
    pub(crate) report: ReplayReport,
}

/// A run that was started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) run: RunId,
    /// The workflow's name and version.
    pub(crate) workflow: String,
    pub(crate) version: String,
    /// Problems that keep nothing from running, rendered.
    pub(crate) warnings: Vec<String>,
}

/// An approval that was answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) run: RunId,
    /// The first event that the answer brought.
    pub(crate) from_seq: u64,
}

/// A signal that was sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signalled {
    /// The first event that it brought.
    pub(crate) from_seq: u64,
}

/// What was found in a journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub(crate) run: RunId,
    /// How many events there are.
    pub(crate) events: u64,
    /// SHA-256 of the last one, which stands for all of them.
    pub(crate) head: Option<Digest>,
    /// What is wrong; nothing when the journal is whole.
    pub(crate) problems: Vec<String>,
}

/// What the store says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// The process that holds it.
    pub(crate) pid: u32,
    /// `lmdb`, `sled`, `memory`.
    pub(crate) engine: String,
    /// Where it is.
    pub(crate) place: String,
    /// Its format.
    pub(crate) format: u32,
    /// Bytes on disk.
    pub(crate) bytes: u64,
}
