//! What requests about workflows that are kept, and about their versions, say and give.

use pawl_core::{Digest, RunId};
use pawl_engine::{ActiveVersion, Registered, RegisteredVersion, RunVerdict};
use serde::{Deserialize, Serialize};

use super::protocol::Latest;

/// Where a workflow is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WorkflowAt {
    /// In a file.
    File(Latest),
    /// It is kept.
    Kept {
        name: String,
        /// The active one, when absent.
        version: Option<String>,
    },
}

/// A workflow that was registered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registering {
    pub(crate) registered: Registered,
    /// The active version of its name.
    pub(crate) active: Option<ActiveVersion>,
    /// Problems that keep nothing from running, rendered.
    pub(crate) warnings: Vec<String>,
}

/// A workflow that is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptWorkflow {
    pub(crate) name: String,
    pub(crate) active: Option<ActiveVersion>,
    pub(crate) versions: Vec<RegisteredVersion>,
}

/// Which runs can be moved to a version.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checked {
    /// The workflow's name and the version.
    pub(crate) workflow: String,
    pub(crate) version: String,
    pub(crate) definition: Digest,
    pub(crate) runs: Vec<RunVerdict>,
    /// What the next page comes after.
    pub(crate) next: Option<RunId>,
}

/// Which runs were moved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Upgraded {
    pub(crate) moved: Vec<Moved>,
}

/// Whether a run was moved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Moved {
    pub(crate) run: RunId,
    /// Why it was not.
    pub(crate) refused: Option<String>,
}
