//! What a step does: one verb a step.

use super::{BlockIndex, Route, Schema, Target};
use crate::expression::{Expression, Template};
use crate::plugin::{Ceiling, Permissions};
use crate::terms::Terms;
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
    /// Goes through several lists of steps at once.
    Parallel(ParallelStep),
    /// Goes through a list of steps for each item.
    Map(MapStep),
    /// Goes through a list of steps again and again.
    Loop(LoopStep),
    /// Waits for a signal.
    Signal(SignalStep),
    /// Tells whoever waits for a topic.
    Emit(EmitStep),
    /// Starts a run of another workflow and waits for its end.
    Workflow(WorkflowStep),
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
            Self::Parallel(_) => "parallel",
            Self::Map(_) => "map",
            Self::Loop(_) => "loop",
            Self::Signal(_) => "signal",
            Self::Emit(_) => "emit",
            Self::Workflow(_) => "workflow",
        }
    }
}

/// Runs an agent.
#[derive(Debug)]
pub struct AgentStep {
    /// The plugin's name; empty where there is a route.
    pub agent: String,
    /// How the plugin is chosen when the step is reached.
    pub route: Option<Box<Route>>,
    /// Its input.
    pub with: Template,
    /// What it may do: the step's own `permissions`, or else the workflow's.
    pub permissions: Permissions,
    /// Whose memory it uses.
    pub memory: MemoryOf,
}

/// Whose memory an agent uses.
#[derive(Debug)]
pub enum MemoryOf {
    /// That of its run.
    Run,
    /// That of all runs of its workflow.
    Workflow,
    /// That of a key, whoever names it.
    Key(Template),
}

/// Calls a tool.
#[derive(Debug)]
pub struct ToolStep {
    /// The plugin's name: `orders` in `orders.lookup`; empty where there is a route.
    pub plugin: String,
    /// The tool's name in it: `lookup`; empty where there is a route.
    pub tool: String,
    /// How both are chosen when the step is reached.
    pub route: Option<Box<Route>>,
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
    /// By how many it is answered, by whom not, and what happens while nobody does.
    pub terms: Terms,
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
    /// Until an event comes whose topic matches.
    Topic {
        /// Gives the pattern.
        pattern: Template,
        /// How long to wait; a longer wait fails the step.
        due: Option<Duration>,
    },
}

/// Waits for a signal.
#[derive(Debug)]
pub struct SignalStep {
    /// The signal's name.
    pub name: String,
    /// What it must bring.
    pub schema: Option<Schema>,
    /// How long to wait; a longer wait fails the step.
    pub due: Option<Duration>,
}

/// Tells whoever waits for a topic.
#[derive(Debug)]
pub struct EmitStep {
    /// Gives the topic.
    pub topic: Template,
    /// What it brings.
    pub data: Template,
}

/// Starts a run of another workflow.
#[derive(Debug)]
pub struct WorkflowStep {
    /// One of the names under `workflows`.
    pub workflow: String,
    /// Its inputs.
    pub with: Template,
    /// The most that the run's steps may be granted.
    pub grants: Ceiling,
}

/// Goes through several lists of steps at once.
#[derive(Debug)]
pub struct ParallelStep {
    /// The lists by name, in their order; at least one.
    pub branches: Vec<(String, BlockIndex)>,
    /// How many must be done.
    pub join: Join,
}

/// How many branches must be done before a `parallel` is; the others are cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Every one; the first that fails ends the step.
    All,
    /// So many.
    Some(u32),
}

/// Goes through a list of steps for each item.
#[derive(Debug)]
pub struct MapStep {
    /// Gives a list.
    pub items: Expression,
    /// The item's name in expressions, beside `item`.
    pub name: Option<String>,
    /// How many are gone through at once.
    pub max_parallel: u32,
    /// What becomes of the step when an item failed.
    pub on_error: OnError,
    /// The steps.
    pub body: BlockIndex,
}

/// What becomes of a `map` when an item failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It fails; the other items are cancelled.
    Fail,
    /// It goes on, and its output says what became of each item.
    Collect,
}

/// Goes through a list of steps again and again.
#[derive(Debug)]
pub struct LoopStep {
    /// Another turn begins while this holds.
    pub condition: Expression,
    /// Turns at most; one more fails the step.
    pub max_visits: u32,
    /// The steps.
    pub body: BlockIndex,
}

/// Ends the run as failed.
#[derive(Debug)]
pub struct FailStep {
    /// Why.
    pub message: Template,
    /// Of which kind; `permanent` unless the step says otherwise.
    pub kind: FailureKind,
}
