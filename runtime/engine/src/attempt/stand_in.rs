//! The seam at which a test takes the place of plugins.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use pawl_core::plugin::EffectClass;
use pawl_core::{RunId, StepId, VisitId};
use pawl_sandbox::{AgentEnd, AgentHost, ToolEnd};
use serde_json::Value;

/// What the component itself would do; nothing of it is done before it is awaited.
pub type Component<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Stands between attempts and the components that carry them out, for tests of workflows. Arguments
/// were checked before against what the plugin says of itself, and what it gives is checked after.
#[async_trait]
pub trait StandIn: Debug + Send + Sync + 'static {
    /// Carries out one call of a tool, or has the component do it.
    async fn tool(&self, work: ToolWork<'_>, component: Component<'_, ToolEnd>) -> ToolEnd;

    /// Plays an agent, with what its calls go to, or has the component do it.
    async fn agent(&self, work: AgentWork<'_>, host: Box<dyn AgentHost>) -> AgentPart;
}

/// Who plays an agent.
#[expect(missing_debug_implementations, reason = "a host shows nothing of itself")]
pub enum AgentPart {
    /// The stand-in did, with this end.
    Played(AgentEnd),
    /// The component does; its calls go where they would have gone.
    Component(Box<dyn AgentHost>),
}

/// One call of a tool, by a step or by an agent.
#[derive(Debug, Clone, Copy)]
pub struct ToolWork<'a> {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: &'a StepId,
    /// The visit.
    pub visit: VisitId,
    /// The attempt.
    pub attempt: u32,
    /// The number of the agent's call; nothing for a tool step.
    pub call: Option<u32>,
    /// The plugin's name in the workflow.
    pub plugin: &'a str,
    /// The tool's name in it.
    pub tool: &'a str,
    /// What may happen after a crash.
    pub effect: EffectClass,
    /// Its arguments.
    pub arguments: &'a Value,
    /// The key that is the same for every try of this call.
    pub key: &'a str,
}

/// One attempt of an agent's step.
#[derive(Debug, Clone, Copy)]
pub struct AgentWork<'a> {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: &'a StepId,
    /// The visit.
    pub visit: VisitId,
    /// The attempt.
    pub attempt: u32,
    /// The plugin's name in the workflow.
    pub plugin: &'a str,
    /// Its input.
    pub input: &'a Value,
}
