//! The JSON of the API, as its `OpenAPI` document describes it and as clients read it. What is sent is made by
//! [`shape`](crate::shape); the fuzzer compares one with the other.

mod upgrades;
mod workflows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use upgrades::{MovedRun, RunVerdict, UpgradeCheck, UpgradeObstacle, Upgraded};
pub use workflows::{
    ActiveWorkflow, Checked, RegisteredWorkflow, Registration, RunWorkflow, WorkflowDetail, WorkflowPage,
    WorkflowVersion, WorkflowVersionDetail,
};

/// A run: one execution of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id, a UUID; ids sort by time.
    #[schema(format = "uuid")]
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What it waits for, while it waits.
    pub waiting: Option<Waiting>,
    /// What it gave, once completed.
    pub outputs: Option<Value>,
    /// Why it failed, once failed.
    pub error: Option<RunFailure>,
    /// When it was started.
    #[schema(format = "date-time")]
    pub created_at: String,
    /// When something of this last changed.
    #[schema(format = "date-time")]
    pub updated_at: String,
    /// SHA-256 of the definition's source, in hexadecimal digits.
    pub definition: String,
    /// The run whose step started it.
    #[schema(format = "uuid")]
    pub parent: Option<String>,
}

/// A run with its steps.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// Its steps in the order of arrival.
    pub steps: Vec<RunStep>,
    /// Its budgets, and what was used of them.
    pub budgets: Vec<Value>,
    /// What it was made of: a rerun or a fork.
    pub ancestor: Option<Value>,
    /// How many events its journal has.
    pub events: u64,
}

/// One arrival at a step.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its id, with the items and turns around it: `pay[3]`.
    pub step: String,
    /// What it does: `tool orders.lookup`.
    pub work: String,
    /// Where it stands: a status of runs, `skipped`, or `unknown` where it may or may not have happened.
    pub status: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was reached.
    #[schema(format = "date-time")]
    pub started_at: String,
    /// When it was done.
    #[schema(format = "date-time")]
    pub ended_at: Option<String>,
    /// What there is to say: an answer, a failure.
    pub note: String,
    /// An agent's calls, of its latest attempt.
    pub calls: Vec<StepCall>,
}

/// One call of an agent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepCall {
    /// What was asked.
    pub call: String,
    /// How it ended; null while it is open.
    pub answer: Option<String>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Accepted, not begun.
    Pending,
    /// Something is under way.
    Running,
    /// Nothing is under way until time passes, a person answers or something comes.
    Waiting,
    /// Stopped by an operator.
    Suspended,
    /// Done.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended by a person.
    Cancelled,
}

/// What a run waits for. Which fields there are depends on `for`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// `approval`, `timer`, `resume`, `signal`, `topic`, `slot`, `route` or `run`.
    #[serde(rename = "for")]
    pub what: String,
    /// The step that waits.
    #[serde(default)]
    pub step: Option<String>,
    /// The approval.
    #[serde(default)]
    pub approval: Option<String>,
    /// What is asked.
    #[serde(default)]
    pub title: Option<String>,
    /// Why: `wait`, `retry` or `sleep` of a timer; in a person's words where somebody suspended it.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub until: Option<String>,
    /// Who suspended it.
    #[serde(default)]
    pub by: Option<String>,
    /// The signal's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What the topic must match.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Among which slots.
    #[serde(default)]
    pub key: Option<String>,
    /// What plugin is looked for.
    #[serde(default)]
    pub wanted: Option<String>,
    /// The run whose end is waited for.
    #[serde(default)]
    #[schema(format = "uuid")]
    pub run: Option<String>,
}

/// Why a run failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunFailure {
    /// Who can act on it: `invalid-input`, `transient`, `permanent`, `denied`, `timeout`, `trap`, `limit`,
    /// `invalid-output`, `diverged`, `rejected`, `budget` or `cancelled`.
    pub kind: String,
    /// What happened and what to do next.
    pub message: String,
    /// Anything a program can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The earliest time at which a retry makes sense, in milliseconds from the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// An event of a stream, as server-sent events have it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StreamEvent {
    /// Its name.
    pub event: String,
    /// What a client sends as `Last-Event-ID` to go on behind it.
    pub id: Option<String>,
    /// What it says: JSON.
    pub data: String,
}

/// A page of runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunPage {
    /// The runs, newest first. Where much is looked at to find few, there may be fewer than asked for, or none:
    /// `next` alone says whether there is more.
    pub items: Vec<Run>,
    /// The cursor of the next page; null when this is the last.
    pub next: Option<String>,
}

/// What happened in a run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunEvent {
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// When it was decided.
    #[schema(format = "date-time")]
    pub time: String,
    /// SHA-256 of the event before it as it is stored; for the first, of the run's id.
    pub prev: String,
    /// The version of its format.
    pub version: u32,
    /// What it is: `run-started`, `step-completed` and so on.
    pub event: String,
    /// What it says.
    pub data: Value,
}

/// A page of a journal.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events in order.
    pub items: Vec<RunEvent>,
    /// What `from` is to be for the next page; null when this is the last.
    pub next: Option<String>,
}

/// What waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its id: it cannot be guessed.
    pub id: String,
    /// The run that waits.
    #[schema(format = "uuid")]
    pub run: String,
    /// The step that asks.
    pub step: String,
    /// What is asked, in one line.
    pub title: String,
    /// What can be chosen.
    pub actions: Vec<String>,
    /// JSON Schema of what is filled in.
    pub form: Option<Value>,
    /// When `on_timeout` is taken.
    #[schema(format = "date-time")]
    pub due: Option<String>,
    /// SHA-256 of what is asked.
    pub digest: String,
    /// The workflow's name.
    pub workflow: String,
    /// Who may answer; empty means anyone.
    pub to: Vec<String>,
    /// What the answer allows.
    pub subject: Option<Value>,
    /// The action taken when it is due.
    pub on_timeout: Option<String>,
    /// When it was opened.
    #[schema(format = "date-time")]
    pub created_at: String,
    /// How many people must answer.
    #[serde(default)]
    pub quorum: u64,
    /// Who holds it.
    #[serde(default)]
    pub claimed_by: Option<String>,
    /// Until when.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub claimed_until: Option<String>,
    /// The answers so far, where several people must answer.
    #[serde(default)]
    pub decisions: Vec<Value>,
    /// Who was asked in whose place.
    #[serde(default)]
    pub delegations: Vec<Value>,
    /// How many comments there are.
    #[serde(default)]
    pub comments: Value,
    /// How far it was escalated, and when next.
    #[serde(default)]
    pub escalation: Value,
}

/// An approval, open or closed, and all that was done with it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalHistory {
    /// As it is, or was when it was closed.
    pub approval: Approval,
    /// Whether it still waits for an answer.
    pub open: bool,
    /// What was done with it, in order.
    pub items: Vec<RunEvent>,
}

/// A page of approvals.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalPage {
    /// The approvals, oldest first.
    pub items: Vec<Approval>,
    /// The cursor of the next page; null when this is the last.
    pub next: Option<String>,
}

/// The run that goes on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// Its id.
    #[schema(format = "uuid")]
    pub run: String,
}

/// What a run has asked of models and tools.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunUsage {
    /// Questions to models.
    pub model_calls: u64,
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// Calls of tools, those of steps among them.
    pub tool_calls: u64,
    /// From its first event to its last, waits included, in milliseconds.
    pub took_ms: u64,
    /// What its models cost, by the prices that it was started with; absent where it counts no money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<f64>,
    /// Its budgets, and what was used of them; money is among it where a budget counts money.
    pub budgets: Vec<Value>,
}

/// A workflow as a graph.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// The workflow's name, of a run's graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Steps, and where it begins and ends.
    pub nodes: Vec<GraphNode>,
    /// From where to where it may go.
    pub edges: Vec<GraphEdge>,
}

/// A place in a graph.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GraphNode {
    /// By which edges name it.
    pub id: String,
    /// `start`, `end`, `joined`, or the verb of the step.
    pub kind: String,
    /// The step.
    pub step: Option<String>,
    /// What is shown.
    pub title: String,
    /// What is shown below it.
    pub detail: Option<String>,
}

/// A way in a graph.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GraphEdge {
    /// From this node.
    pub from: String,
    /// To this one.
    pub to: String,
    /// When it is taken.
    pub label: String,
}

/// A plugin that can be used by name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Where it is: `shipped`, or `{folder: PATH}`, `{mcp: SERVER}`, `{registry: REFERENCE}`.
    pub origin: Value,
    /// SHA-256 of its component; null of an MCP server, which has none.
    pub digest: Option<String>,
    /// Whether somebody's signature lies beside it.
    pub signed: bool,
}

/// All plugins.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PluginPage {
    /// The plugins.
    pub items: Vec<Plugin>,
    /// Always null: all fit one page.
    pub next: Option<String>,
}

/// A plugin with what it says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PluginDetail {
    /// The plugin.
    #[serde(flatten)]
    pub plugin: Plugin,
    /// `agent` or `tool`.
    pub kind: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it may be granted.
    pub grants: PluginGrants,
    /// What it says of itself: an agent with its schemas, or tools with theirs.
    pub description: Value,
    /// How it did of late in routes that look for what it offers, one entry a capability.
    pub standing: Vec<Value>,
}

/// What a plugin may be granted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PluginGrants {
    /// What it asks for.
    pub asks: PluginDemands,
    /// The most of each that the operator lets steps grant, by the names of `needs`; null where nothing bounds it.
    pub most: BTreeMap<String, Value>,
    /// `trusted` where nobody is asked (it ships with pawl, or is an MCP server of the operator's), `accepted`, `first`
    /// where the first run accepts it, or `held` until it is accepted.
    pub acceptance: String,
    /// What was accepted under its name; null where nothing was.
    pub accepted: Option<PluginDemands>,
    /// What of it goes beyond what was accepted, for people.
    pub more: Vec<String>,
}

/// What a plugin asks for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PluginDemands {
    /// The permissions behind what it imports: `http`, `tools`.
    pub needs: Vec<String>,
    /// Its tools, with what may happen outside when they are called; left out where it has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
}

/// The topic was told to all who wait for it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The topic.
    pub topic: String,
}

/// The server and its store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct System {
    /// The version of pawl.
    pub version: String,
    /// How long the server runs, in milliseconds.
    pub uptime_ms: u64,
    /// The store.
    pub store: StoreAbout,
    /// Runs in memory: those that are loaded, decided, committed or carried out now.
    pub runs_in_memory: u64,
    /// Commands that are not answered yet.
    pub commands_waiting: u64,
    /// How many there may be.
    pub commands_max: u64,
    /// Streams that are open.
    pub streams_open: u64,
    /// The limits of the server, by name.
    pub limits: Value,
}

/// The store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StoreAbout {
    /// `lmdb`, `sled` or `memory`.
    pub engine: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// The version of its format.
    pub format: u32,
}

/// Whether it is well.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}
