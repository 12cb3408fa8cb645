//! Why a store did not do what was asked.

use std::path::PathBuf;

use pawl_core::{RunId, VisitId};

/// Why a store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the data folder.
    #[error("the data folder {path} is in use{}", pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it, where that is known.
        pid: Option<u32>,
    },
    /// The folder cannot be read or written.
    #[error("cannot use the data folder {path}: {reason}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said, and what to do.
        reason: String,
    },
    /// The folder holds a store of another engine than the one that was asked for.
    #[error(
        "the data folder {path} holds a store of the engine {found}, not {wanted}; use it with `--store {found}:{path}`"
    )]
    OtherEngine {
        /// The folder.
        path: PathBuf,
        /// The engine of what is there.
        found: &'static str,
        /// The engine that was asked for.
        wanted: &'static str,
    },
    /// Written by a later pawl.
    #[error(
        "the data folder {path} has store format {found}, and this pawl reads up to {known}; use the newer pawl that wrote it"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this pawl knows.
        known: u32,
    },
    /// Someone else appended to the run first.
    #[error("run {run} ends at event {found}, not {expected}: someone else advanced it")]
    Conflict {
        /// The run.
        run: RunId,
        /// What the commit expected.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A record says something else than was expected.
    #[error("the {kind} {key} was changed by someone else, or is there already; look at it again")]
    Stale {
        /// The record's kind.
        kind: String,
        /// Its key.
        key: String,
    },
    /// The run cannot be removed.
    #[error("run {run} is not removed: {reason}")]
    Needed {
        /// The run.
        run: RunId,
        /// What it is needed for.
        reason: &'static str,
    },
    /// There is no store where one is to be looked after.
    #[error("there is no store in {path}{}; say which with --data DIR or --store ENGINE:PATH", engine.map(|engine| format!(" of the engine {engine}")).unwrap_or_default())]
    NoStore {
        /// The folder.
        path: PathBuf,
        /// The engine that was asked for, where it matters.
        engine: Option<&'static str>,
    },
    /// A store stands where a new one is to be made.
    #[error("the folder {path} holds a store already; name one that holds none")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The store is full: the map, or the disk. Nothing was lost.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is stored cannot be understood.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A row of the list of slots cannot be understood. The run's journal says the same.
    #[error("the store is damaged: the ticket of run {run}{} does not read: {reason}", visit.map(|visit| format!(", visit {}", visit.0)).unwrap_or_default())]
    DamagedTicket {
        /// Whose it is.
        run: RunId,
        /// For which visit; none for the run's own slot.
        visit: Option<VisitId>,
        /// What does not read.
        reason: String,
    },
    /// The storage engine failed.
    #[error("the store failed: {0}")]
    Engine(String),
    /// The storage engine failed in a way after which it cannot be trusted: the store takes and gives nothing
    /// more until it is opened anew. What was acknowledged is on disk.
    #[error(
        "the store failed, and takes nothing more in this process: {0}. What was acknowledged is on disk; start pawl again"
    )]
    Failed(String),
    /// The store was closed while the call was waiting; nothing is known of its commit.
    #[error("the store is closed")]
    Closed,
}
