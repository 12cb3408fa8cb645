//! What a step does: one verb a step.

use super::{Schema, Target};
use crate::expression::{Expression, Template};
use crate::plugin::Permissions;
use crate::{Duration, FailureKind};

/// What a step does.
#[derive(Debug)]
pub enum Verb {
    /// Runs an agent.
    Agent(AgentStep),
    /// Calls a tool.
    Tool(ToolStep),
    /// Asks a person.
    Human(HumanStep),
    /// Computes a value.
    Set(Template),
    /// Chooses a way.
    Switch(SwitchStep),
    /// Lets time pass.
    Wait(WaitStep),
    /// Ends the run as failed.
    Fail(FailStep),
}

impl Verb {
    /// The key in the workflow language.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Agent(_) => "agent",
            Self::Tool(_) => "tool",
            Self::Human(_) => "human",
            Self::Set(_) => "set",
            Self::Switch(_) => "switch",
            Self::Wait(_) => "wait",
            Self::Fail(_) => "fail",
        }
    }
}

/// Runs an agent.
#[derive(Debug)]
pub struct AgentStep {
    /// The plugin's name.
    pub agent: String,
    /// Its input.
    pub with: Template,
    /// What it may do: the step's own `permissions`, or else the workflow's.
    pub permissions: Permissions,
}

/// Calls a tool.
#[derive(Debug)]
pub struct ToolStep {
    /// The plugin's name: `orders` in `orders.lookup`.
    pub plugin: String,
    /// The tool's name in it: `lookup`.
    pub tool: String,
    /// Its arguments.
    pub with: Template,
    /// What it may do: the step's own `permissions`, or else the workflow's.
    pub permissions: Permissions,
}

/// Asks a person.
#[derive(Debug)]
pub struct HumanStep {
    /// One line that can be read alone.
    pub title: Template,
    /// Users and groups who may answer; empty means anyone.
    pub to: Vec<String>,
    /// What can be chosen; at least one.
    pub actions: Vec<String>,
    /// What is filled in beside the action.
    pub form: Option<Schema>,
    /// What the answer allows, shown and hashed with the question.
    pub subject: Option<Template>,
    /// How long to wait, and the action at the end of it.
    pub due: Option<(Duration, String)>,
}

/// Chooses a way: the first case that holds.
#[derive(Debug)]
pub struct SwitchStep {
    /// The cases in their order; without a match the step fails.
    pub cases: Vec<Case>,
}

/// One case of a `switch`.
#[derive(Debug)]
pub struct Case {
    /// Taken when this holds; always, when there is none.
    pub when: Option<Expression>,
    /// Where it leads.
    pub to: Target,
}

/// Lets time pass.
#[derive(Debug)]
pub enum WaitStep {
    /// For a duration.
    For(Duration),
    /// Until an instant: an expression that gives RFC 3339 text or milliseconds since 1970.
    Until(Template),
}

/// Ends the run as failed.
#[derive(Debug)]
pub struct FailStep {
    /// Why.
    pub message: Template,
    /// Of which kind; `permanent` unless the step says otherwise.
    pub kind: FailureKind,
}
