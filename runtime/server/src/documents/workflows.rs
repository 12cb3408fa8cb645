//! Workflows: what was checked, and what is registered.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Graph;

/// Whether a workflow can be run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// The workflow's name.
    pub workflow: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its text.
    pub digest: String,
    /// How many steps it has.
    pub steps: u64,
    /// Problems that keep nothing from running.
    pub warnings: Vec<String>,
    /// JSON Schema of its inputs.
    pub inputs: Value,
}

/// A registered workflow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisteredWorkflow {
    /// Its name.
    pub name: String,
    /// The version that a start by name starts.
    pub active: Option<ActiveWorkflow>,
    /// How many versions there are.
    pub versions: u32,
    /// The one that was registered last.
    pub latest: String,
}

/// The version that a start by name starts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ActiveWorkflow {
    /// Which.
    pub version: String,
    /// SHA-256 of its source: the `ETag` of the workflow.
    pub definition: String,
    /// Since when.
    #[schema(format = "date-time")]
    pub at: String,
    /// Who made it that.
    pub by: Value,
}

/// A page of workflows.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkflowPage {
    /// The workflows, by name.
    pub items: Vec<RegisteredWorkflow>,
    /// The cursor of the next page; null when this is the last.
    pub next: Option<String>,
}

/// A registered workflow with its versions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkflowDetail {
    /// The workflow.
    #[serde(flatten)]
    pub workflow: RegisteredWorkflow,
    /// Its versions, the first that was registered first.
    pub items: Vec<WorkflowVersion>,
}

/// A version of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersion {
    /// The workflow's name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: String,
    /// SHA-256 of all that it is bound to: plugins, workflows, prices.
    pub manifest: String,
    /// The file that it came from.
    pub file: String,
    /// When it was registered.
    #[schema(format = "date-time")]
    pub at: String,
    /// Who registered it.
    pub by: Value,
}

/// What came of registering a version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// The version, as it was registered first.
    #[serde(flatten)]
    pub version: WorkflowVersion,
    /// Whether it was not there before.
    pub is_new: bool,
    /// The version of its name that is active now.
    pub active: Option<ActiveWorkflow>,
    /// Problems that keep nothing from running.
    pub warnings: Vec<String>,
}

/// The workflow that a run goes by.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunWorkflow {
    /// Its name.
    pub workflow: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: String,
    /// Its text, YAML.
    pub source: String,
    /// JSON Schema of its inputs.
    pub inputs: Value,
    /// What the run was started with.
    pub given: Value,
}

/// A version of a workflow with what it says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: WorkflowVersion,
    /// Its text, YAML.
    pub source: Option<String>,
    /// JSON Schema of its inputs.
    pub inputs: Value,
    /// Its steps, and how they lead to each other.
    pub graph: Graph,
    /// Problems that keep nothing from running.
    pub warnings: Vec<String>,
}
