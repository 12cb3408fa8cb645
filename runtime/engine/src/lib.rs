//! The engine of pawl: loads runs, commits decisions, carries out effects.
//!
//! What is authoritative: the store. The engine's memory is a cache of runs
//! that have something to do; a run that waits is dropped from it. A command is
//! acknowledged after its events are durable, and no effect is carried out
//! before. One loop, the driver, owns every run in memory; all else sends it
//! messages.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pawl_engine::{Engine, EngineConfig, StartOptions};
//! use std::sync::Arc;
//!
//! let store = Arc::new(pawl_store::memory::MemoryStore::new());
//! let engine = Engine::open(store, EngineConfig::default()).await?;
//! let workflow = engine.load_workflow("workflows/hello.yaml".as_ref()).await?;
//! let run = engine.start(&workflow, serde_json::json!({"name": "Ada"}), StartOptions::default()).await?;
//! let header = engine.settled(run).await?;
//! assert_eq!(header.status.name(), "completed");
//! # Ok(()) }
//! ```

#![warn(missing_docs)]

mod approvals;
mod attempt;
mod by_hand;
mod chance;
mod clock;
mod config;
mod driver;
mod engine;
mod error;
mod files;
mod follow;
mod journal;
mod making;
mod metrics;
mod operator;
mod plugins;
mod progress;
mod publish;
mod register;
mod replay;
mod rest;
mod routes;
mod secrets;
mod travel;
mod upgrade;
mod withhold;
mod workflow;

pub mod upkeep;

pub use approvals::Answer;
pub use attempt::{AgentPart, AgentWork, Component, StandIn, ToolWork};
pub use by_hand::HandCall;
pub use chance::{Chance, SystemChance};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::EngineConfig;
pub use engine::Engine;
pub use error::EngineError;
pub use files::read_text;
pub use follow::{Follower, Grown, News, Notices};
pub use journal::{JournalPart, RunHistory};
pub use making::{Making, StartOptions};
pub use metrics::{METRIC_NAMES_MAX, METRIC_ROWS_COUNTED_MAX, Metrics, Reader, SpanCounts};
pub use operator::OperatorSays;
pub use plugins::{
    Acceptance, Asked, Demands, HeldPlugin, ListedPlugin, LockMode, PluginEntry, SHIPPED, ShippedPlugin,
};
pub use progress::{ProgressNote, Said};
pub use register::{
    ActiveVersion, REGISTERED_NAME_MAX_BYTES, Registered, RegisteredVersion, RegisteredWorkflow, WorkflowName,
};
pub use replay::{Difference, ReplayReport, ReplayedAttempt};
pub use routes::RoutedPlugin;
pub use secrets::Secrets;
pub use travel::{Rehearse, Replacement};
pub use upgrade::{RunVerdict, UpgradePage};
pub use upkeep::{Pruned, Retention, RetentionSetting};
pub use workflow::{WORKFLOWS_MAX_DEPTH, Workflow};
