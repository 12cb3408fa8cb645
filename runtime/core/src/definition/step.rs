//! A declared unit of a workflow and where it leads.

use super::{Assignments, BlockIndex, Budget, Concurrency, RetryPolicy, Route, Timeouts, Undo, Verb};
use crate::StepId;
use crate::expression::{Expression, Template};
use crate::guard::GuardRule;

/// The position of a step in [`super::Definition::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(pub usize);

/// A declared unit.
#[derive(Debug)]
pub struct Step {
    /// Its id, unique in the workflow.
    pub id: StepId,
    /// The step is skipped when this is false.
    pub condition: Option<Expression>,
    /// The steps of its list that must be done before it starts, where the list is a graph.
    pub needs: Vec<StepIndex>,
    /// What it does.
    pub verb: Verb,
    /// Where it leads when it is done or skipped.
    pub then: Then,
    /// What happens when an attempt fails.
    pub retry: RetryPolicy,
    /// How long it may take.
    pub timeout: Timeouts,
    /// How many visits of it may go on at once.
    pub concurrency: Option<Concurrency>,
    /// How much a visit of it may use, with all that is done within it.
    pub budget: Option<Budget>,
    /// Which visit goes first; a whole number.
    pub priority: Option<Template>,
    /// What it changes of the run's variables when it is completed.
    pub vars: Assignments,
    /// How often a run may arrive here; one more fails the run. Counted anew in each turn of a `loop` and each item of a `map`.
    pub max_visits: u32,
    /// The list that it stands in.
    pub block: BlockIndex,
    /// The step below it in that list.
    pub below: Option<StepIndex>,
    /// What is done when it failed; the output of these steps is its output then.
    pub catch: Option<BlockIndex>,
    /// What is done when it is done, whatever came of it.
    pub finally: Option<BlockIndex>,
    /// What takes it back when the run fails after it was completed.
    pub undo: Option<Undo>,
    /// The calls of tools that stop at an approval, beside those that the workflow names.
    pub approvals: Vec<GuardRule>,
}

impl Step {
    /// How its plugin is chosen, where it does not name one.
    pub fn route(&self) -> Option<&Route> {
        if let Verb::Agent(agent) = &self.verb {
            agent.route.as_deref()
        } else if let Verb::Tool(tool) = &self.verb {
            tool.route.as_deref()
        } else {
            None
        }
    }
}

/// Where a step leads.
#[derive(Debug)]
pub enum Then {
    /// To the step below it, or to the end.
    Next,
    /// To one place.
    To(Target),
    /// To the first branch whose condition holds, else to the step below.
    Choose(Vec<Branch>),
}

/// One way out of a step.
#[derive(Debug)]
pub struct Branch {
    /// Taken when this holds; always, when there is none.
    pub when: Option<Expression>,
    /// Where it leads.
    pub to: Target,
}

/// A place that a run can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A step.
    Step(StepIndex),
    /// The end of the list that the step stands in; the run completes at the end of the workflow's own.
    End,
}
