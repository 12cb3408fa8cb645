//! A declared unit of a workflow and where it leads.

use super::{RetryPolicy, Verb};
use crate::expression::Expression;
use crate::{Duration, StepId};

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
    /// What it does.
    pub verb: Verb,
    /// Where it leads when it is done or skipped.
    pub then: Then,
    /// What happens when an attempt fails.
    pub retry: RetryPolicy,
    /// The longest an attempt may take, waits included.
    pub timeout: Option<Duration>,
    /// How often a run may arrive here; one more fails the run.
    pub max_visits: u32,
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
    /// The end of the workflow: the run completes.
    End,
}
