//! Other agents. For agents; needs the grant `agents`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//!
//! let text: String = agents::call("writer", &json!({ "topic": "tides" }))?;
//! # Ok(()) }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::agents;
use crate::{Failure, FailureKind, json};

/// An agent as [`list`] shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentInfo {
    /// As [`call`] takes it.
    pub name: String,
    /// One line.
    pub summary: String,
    /// What it can do: `classify`, `write`.
    pub capabilities: Vec<String>,
    /// JSON Schema of its task.
    pub input_schema: Value,
    /// JSON Schema of its result.
    pub output_schema: Value,
}

/// The agents that were granted, by name.
pub fn list() -> Vec<AgentInfo> {
    let schema = |text: String| serde_json::from_str(&text).unwrap_or(Value::Bool(true));
    let info = |agent: agents::AgentInfo| AgentInfo {
        name: agent.name,
        summary: agent.summary,
        capabilities: agent.capabilities,
        input_schema: schema(agent.input_schema),
        output_schema: schema(agent.output_schema),
    };
    agents::list().into_iter().map(info).collect()
}

/// Lets another agent do a task, and waits for its result as long as it takes.
///
/// The other agent works in the same run, with what this step may do. Meanwhile this one costs
/// nothing: its code later runs from the top and gets the recorded answer.
pub fn call<T: DeserializeOwned>(name: &str, task: &(impl Serialize + ?Sized)) -> Result<T, Failure> {
    let text = agents::call(name, &json::write(task, &format!("the task for `{name}`"))?)?;
    json::read(&text, FailureKind::Permanent, &format!("the result of `{name}` is not what was expected"))
}
