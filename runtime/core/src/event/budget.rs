//! What is recorded of budgets.

use serde::{Deserialize, Serialize};

use crate::VisitId;
use crate::budget::{Amounts, Dimension};
use crate::call::CallRequest;

/// A run or a visit may use only so much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSet {
    /// The visit; absent for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    /// The most of each thing that is limited.
    pub limits: Amounts,
    /// From which part of a limit on it is told, in percent.
    pub warn_at: u8,
    /// What an earlier visit of the step has used, which this one takes the place of.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub carried: Amounts,
}

/// A call is about to be made, and what it may use is kept for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReserved {
    /// The visit.
    pub visit: VisitId,
    /// The agent's call; absent for an attempt of a tool step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// What is kept for it; nothing where that was done before a crash, and only its time begins anew.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub reserved: Amounts,
}

/// A call is over, and what was kept for it gives way to what it has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSettled {
    /// The visit.
    pub visit: VisitId,
    /// The agent's call; absent for an attempt of a tool step and for a run that the visit started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// What it has used.
    pub spent: Amounts,
}

/// So much of a budget is used that somebody should know. Once for each limit. Changes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetWarned {
    /// Whose budget: a visit's; absent for the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<VisitId>,
    /// What runs out.
    pub dimension: Dimension,
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
}

/// A limit that leaves no room for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Whose budget: a visit's; absent for the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<VisitId>,
    /// What there is not enough of.
    pub dimension: Dimension,
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
}

/// A call does not fit into a budget. It is not made; a person is asked, in the same commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetExceeded {
    /// The visit.
    pub visit: VisitId,
    /// The agent's call; absent for an attempt of a tool step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// What the agent asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<CallRequest>,
    /// What the call may use.
    pub wanted: Amounts,
    /// What it does not fit into.
    pub short: Vec<Shortage>,
}

/// A person gives more. The limits that were too narrow for a call are so much wider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRaised {
    /// The visit whose call did not fit.
    pub visit: VisitId,
    /// The agent's call; absent for an attempt of a tool step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u32>,
    /// The limits, each as it is from now on; `used` is what was used when the call did not fit.
    pub limits: Vec<Shortage>,
}
