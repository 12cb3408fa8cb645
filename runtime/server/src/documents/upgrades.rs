//! Runs that go on with another version of their workflow.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RunStatus;

/// Which runs can go on with another version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UpgradeCheck {
    /// The workflow's name.
    pub workflow: String,
    /// The version that they would go on with.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: String,
    /// The runs that go on, the newest first.
    pub items: Vec<RunVerdict>,
    /// The cursor of the next page; null when this is the last.
    pub next: Option<String>,
}

/// Whether one run can be moved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunVerdict {
    /// The run.
    #[schema(format = "uuid")]
    pub run: String,
    /// The version that it is on.
    pub version: String,
    /// SHA-256 of the source that it is on.
    pub definition: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Whether it is on the new version already.
    pub already: bool,
    /// What is in the way; it can be moved where nothing is.
    pub obstacles: Vec<UpgradeObstacle>,
    /// What stays as it was, although the new version says otherwise.
    pub notes: Vec<String>,
}

/// One reason why a run cannot be moved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UpgradeObstacle {
    /// Of which kind.
    pub kind: String,
    /// The step that it is about.
    pub step: Option<String>,
    /// What does not fit.
    pub what: String,
    /// What can be done about it.
    pub next: String,
}

/// What became of runs that were to be moved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Upgraded {
    /// The workflow's name.
    pub workflow: String,
    /// The version.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: String,
    /// Each run.
    pub items: Vec<MovedRun>,
    /// Null: all are told at once.
    pub next: Option<String>,
}

/// What became of one of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MovedRun {
    /// The run.
    #[schema(format = "uuid")]
    pub run: String,
    /// Whether it goes on with the version.
    pub moved: bool,
    /// Why it does not.
    pub refused: Option<String>,
}
