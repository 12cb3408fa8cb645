//! The validated form of a workflow: it cannot be wrong, and it holds no source places.
//!
//! Made by [`crate::source::load`] alone. Every expression in it is compiled,
//! every target exists, every duration is a number of milliseconds.

mod block;
mod budget;
mod concurrency;
mod retry;
mod route;
mod schema;
mod schema_cost;
mod step;
mod timeouts;
mod undo;
mod vars;
mod verb;

use std::collections::{BTreeMap, BTreeSet};

pub use block::{Block, BlockIndex, Role};
pub use budget::{
    BUDGET_CALLS_MAX, BUDGET_MONEY_MAX, BUDGET_TOKENS_MAX, BUDGET_WARN_AT_DEFAULT_PERCENT, Budget,
};
pub use concurrency::{
    CONCURRENCY_KEY_MAX_BYTES, CONCURRENCY_MAX, Concurrency, PRIORITY_DEFAULT, PRIORITY_MAX,
};
pub use retry::RetryPolicy;
pub use route::{Otherwise, Route};
pub(crate) use schema::reason;
pub use schema::{InvalidSchema, PROBLEMS_MAX, SCHEMA_MAX_BYTES, SCHEMA_WORK_MAX, Schema};
pub use step::{Branch, Step, StepIndex, Target, Then};
pub use timeouts::Timeouts;
pub use undo::{OnCancel, UNDO_MAX_BYTES, UNDO_MAX_STEPS, Undo};
pub use vars::{Assignments, VARS_MAX_BYTES};
pub use verb::{
    AgentStep, Case, EmitStep, FailStep, HumanStep, Join, LoopStep, MapStep, MemoryOf, OnError, ParallelStep,
    SignalStep, SwitchStep, ToolStep, Verb, WaitStep, WorkflowStep,
};

use crate::budget::Dimension;
use crate::expression::Template;
use crate::guard::GuardRule;
use crate::plugin::{Permissions, split_tool};
use crate::{Digest, Duration, StepId};

/// The version of the workflow language, the value of the key `pawl`.
pub const LANGUAGE_VERSION: u32 = 1;

/// One workflow, ready to run.
#[derive(Debug)]
pub struct Definition {
    /// The workflow's name.
    pub name: String,
    /// The author's version, `1.0.0`.
    pub version: String,
    /// SHA-256 of the source, which the store keeps.
    pub digest: Digest,
    /// What `inputs` must look like; defaults are filled in by [`Schema::accept`].
    pub inputs: Schema,
    /// Components named by the workflow: plugin name to path, relative to the workflow's file.
    pub plugins: BTreeMap<String, String>,
    /// Workflows that its steps start: name to path, relative to the workflow's file.
    pub workflows: BTreeMap<String, String>,
    /// What the steps' plugins may do, unless a step narrows it.
    pub permissions: Permissions,
    /// The calls of tools that stop at an approval.
    pub approvals: Vec<GuardRule>,
    /// Whether any of these, or of its steps', asks what is tainted.
    pub asks_for_taint: bool,
    /// What the run keeps beside the outputs of its steps, in the order in which they are first made.
    pub vars: Assignments,
    /// How many runs may go on at once.
    pub concurrency: Option<Concurrency>,
    /// How much a run may use.
    pub budget: Option<Budget>,
    /// Which run goes first; a whole number.
    pub priority: Option<Template>,
    /// The longest a run may take.
    pub timeout: Option<Duration>,
    /// What happens to what it did when it is cancelled.
    pub on_cancel: OnCancel,
    /// All steps, those within steps too, in the order of the source; a [`StepIndex`] points here.
    pub steps: Vec<Step>,
    /// The lists of steps; a [`BlockIndex`] points here. The first is the workflow's own.
    pub blocks: Vec<Block>,
    /// What a completed run gives, with the schema of each where one is declared.
    pub outputs: BTreeMap<String, Output>,
}

/// One output of a workflow.
#[derive(Debug)]
pub struct Output {
    /// How its value is made from the steps.
    pub value: Template,
    /// What the value must look like.
    pub schema: Option<Schema>,
}

impl Definition {
    /// The step at an index that came from this definition.
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(index.0)
    }

    /// The index of the step with this id.
    pub fn index_of(&self, id: &StepId) -> Option<StepIndex> {
        self.steps.iter().position(|step| step.id == *id).map(StepIndex)
    }

    /// Whether its runs, or steps of them, share slots with others.
    pub fn has_slots(&self) -> bool {
        self.concurrency.is_some() || self.steps.iter().any(|step| step.concurrency.is_some())
    }

    /// Whether a step asks a person, or one of the steps within it does.
    pub fn asks_within(&self, step: StepIndex) -> bool {
        let inside = |asks: &Step| self.around(asks.block).any(|block| block.parent == Some(step));
        let asks = |(index, one): (usize, &Step)| {
            matches!(one.verb, Verb::Human(_)) && (index == step.0 || inside(one))
        };
        self.steps.iter().enumerate().any(asks)
    }

    /// Whether plugins are chosen when its steps are reached.
    pub fn has_routes(&self) -> bool {
        self.steps.iter().any(|step| step.route().is_some())
    }

    /// Whether tools are among them.
    pub fn has_routed_tools(&self) -> bool {
        self.steps.iter().any(|step| step.route().is_some() && matches!(step.verb, Verb::Tool(_)))
    }

    /// The list at an index that came from this definition.
    pub fn block(&self, index: BlockIndex) -> Option<&Block> {
        self.blocks.get(index.0)
    }

    /// The lists that a list stands in, itself first, the workflow's own last.
    pub fn around(&self, block: BlockIndex) -> impl Iterator<Item = &Block> {
        let parent = |block: &Block| self.block(self.step(block.parent?)?.block);
        std::iter::successors(self.block(block), move |block| parent(block))
    }

    /// Whether a step's output can be seen from a list of steps.
    pub fn is_visible(&self, step: StepIndex, from: BlockIndex) -> bool {
        self.around(from).any(|block| block.steps.contains(&step))
    }

    /// The steps of the same list that a step needs, and what those need, and so on.
    pub fn all_needs(&self, step: StepIndex) -> BTreeSet<StepIndex> {
        let mut found = BTreeSet::new();
        let mut ahead = vec![step];
        while let Some(step) = ahead.pop().and_then(|index| self.step(index)) {
            ahead.extend(step.needs.iter().copied().filter(|need| found.insert(*need)));
        }
        found
    }

    /// The step of a list in which another stands, itself or in a list within it.
    pub fn ancestor_in(&self, block: BlockIndex, step: StepIndex) -> Option<StepIndex> {
        let mut at = Some(step);
        while let Some(index) = at {
            let own = self.step(index)?.block;
            if own == block {
                return Some(index);
            }
            at = self.block(own)?.parent;
        }
        None
    }

    /// The names of the plugins that its steps use directly, or may reach through an agent's tools.
    pub fn plugin_names(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.plugins.keys().map(String::as_str).collect();
        for step in &self.steps {
            match &step.verb {
                Verb::Agent(agent) => {
                    if agent.route.is_none() {
                        names.insert(&agent.agent);
                    }
                    names.extend(agent.permissions.agents.iter().map(String::as_str));
                    let tools = agent.permissions.tools.iter();
                    names.extend(tools.filter_map(|tool| split_tool(tool)).map(|(plugin, _)| plugin));
                }
                Verb::Tool(tool) if tool.route.is_some() => {}
                Verb::Tool(tool) => {
                    names.insert(&tool.plugin);
                }
                Verb::Human(_)
                | Verb::Set(_)
                | Verb::Switch(_)
                | Verb::Wait(_)
                | Verb::Fail(_)
                | Verb::Parallel(_)
                | Verb::Map(_)
                | Verb::Loop(_)
                | Verb::Signal(_)
                | Verb::Emit(_)
                | Verb::Workflow(_) => {}
            }
        }
        names
    }

    /// The names of the models that agents may ask.
    pub fn models_of_agents(&self) -> impl Iterator<Item = &str> {
        let granted = self.steps.iter().filter_map(|step| {
            if let Verb::Agent(agent) = &step.verb { Some(&agent.permissions.models) } else { None }
        });
        granted.flatten().map(String::as_str)
    }

    /// Whether one of its budgets counts money.
    pub fn counts_money(&self) -> bool {
        let budgets = self.steps.iter().map(|step| &step.budget).chain([&self.budget]);
        budgets.flatten().any(|budget| budget.limits.get(Dimension::Money).is_some())
    }

    /// The names of the signals that agents may wait for.
    pub fn signals_of_agents(&self) -> impl Iterator<Item = &str> {
        let granted = self.steps.iter().filter_map(|step| {
            if let Verb::Agent(agent) = &step.verb { Some(&agent.permissions.signals) } else { None }
        });
        granted.flatten().map(String::as_str)
    }

    /// The steps that wait for a signal, with what they wait for.
    pub fn signals(&self) -> impl Iterator<Item = (&Step, &SignalStep)> {
        self.steps.iter().filter_map(|step| match &step.verb {
            Verb::Signal(signal) => Some((step, signal)),
            Verb::Agent(_)
            | Verb::Tool(_)
            | Verb::Human(_)
            | Verb::Set(_)
            | Verb::Switch(_)
            | Verb::Wait(_)
            | Verb::Fail(_)
            | Verb::Parallel(_)
            | Verb::Map(_)
            | Verb::Loop(_)
            | Verb::Emit(_)
            | Verb::Workflow(_) => None,
        })
    }
}
