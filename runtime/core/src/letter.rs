//! What a run tells others: read from an event and the state that it led to.
//!
//! A letter is never authoritative. The event is; a letter that is lost can be
//! made again from it, and one that comes twice changes nothing, because the
//! run that gets it knows what it waits for.

use std::sync::Arc;

use serde_json::Value;

use crate::budget::{Amounts, Prices};
use crate::event::{Actor, Event, Parent};
use crate::guard::Policy;
use crate::plugin::{Permissions, WorkflowPin};
use crate::state::Phase;
use crate::taint::Sources;
use crate::trace::TraceContext;
use crate::{Failure, FailureKind, Namespace, RunId, RunState};

/// What one run tells another, or whoever waits for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Letter {
    /// Start a run.
    StartChild(Box<ChildStart>),
    /// Cancel a run.
    CancelChild {
        /// Which.
        child: RunId,
    },
    /// A run that a step started has ended.
    EndChild {
        /// The step that waits for it.
        parent: Parent,
        /// The run.
        child: RunId,
        /// Its outputs, or why it gave none.
        result: Result<Value, Failure>,
        /// What tainted them.
        tainted: Sources,
        /// What it has used, where it had a budget.
        spent: Amounts,
    },
    /// An event for whoever waits for its topic.
    Emit {
        /// The topic.
        topic: String,
        /// What it brings.
        data: Value,
        /// Whose runs hear of it.
        namespace: Namespace,
    },
}

/// A run to be started by a step.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildStart {
    /// Its id.
    pub child: RunId,
    /// The step that waits for it.
    pub parent: Parent,
    /// What it runs; nothing when the run has no workflow of that name.
    pub pin: Option<WorkflowPin>,
    /// The name that the step gives to the workflow.
    pub workflow: String,
    /// Its inputs, not yet accepted.
    pub inputs: Value,
    /// What it may use.
    pub allowance: Amounts,
    /// What models cost.
    pub prices: Prices,
    /// The priority of the step.
    pub priority: u8,
    /// What the operator allows it.
    pub allowed: Permissions,
    /// What it is bound by, from outside its workflow.
    pub policy: Policy,
    /// Who started the first run of the tree.
    pub by: Option<Actor>,
    /// Whose run it is.
    pub namespace: Namespace,
    /// The trace that it is in, where that is not recorded; it has one of its own otherwise.
    pub trace: Option<TraceContext>,
}

/// Whether others must be told of an event of a run; `has_parent` says whether a step started the run.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other events stay inside their run")]
pub const fn is_told(event: &Event, has_parent: bool) -> bool {
    match event {
        Event::ChildStarted { .. } | Event::ChildCancelled { .. } | Event::Emitted { .. } => true,
        Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. } => has_parent,
        _ => false,
    }
}

/// What others are told of an event; the state is one that has taken it in.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other events stay inside their run")]
pub fn letter(state: &RunState, event: &Event) -> Option<Letter> {
    match event {
        Event::ChildStarted { visit, child, workflow, inputs, policy, allowance } => {
            Some(Letter::StartChild(Box::new(ChildStart {
                child: *child,
                parent: Parent { run: state.id(), visit: *visit },
                pin: state.workflows().get(workflow).cloned(),
                workflow: workflow.clone(),
                inputs: inputs.clone().into_value(),
                allowance: allowance.clone(),
                prices: state.prices.clone(),
                priority: state.priority(Some(*visit)),
                allowed: state.allowed().clone(),
                policy: policy.as_deref().cloned().unwrap_or_default(),
                by: state.by().cloned(),
                namespace: state.namespace().clone(),
                trace: state.trace().filter(|trace| !trace.sampled).map(|trace| trace.as_ref().clone()),
            })))
        }
        Event::ChildCancelled { child, .. } => Some(Letter::CancelChild { child: *child }),
        Event::Emitted { topic, data, .. } => Some(Letter::Emit {
            topic: topic.clone(),
            data: data.clone().into_value(),
            namespace: state.namespace().clone(),
        }),
        Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. } => {
            let result = match state.phase() {
                Phase::Completed(outputs) => Ok(Arc::unwrap_or_clone(Arc::clone(outputs))),
                Phase::Failed(failure) => Err(failure.clone()),
                Phase::New | Phase::Open | Phase::Cancelled => {
                    Err(Failure::new(FailureKind::Cancelled, "it was cancelled"))
                }
            };
            let tainted = state.outputs_taint(result.is_err());
            let spent = state.spent();
            let (parent, child) = (state.parent()?, state.id());
            Some(Letter::EndChild { parent, child, result, tainted, spent })
        }
        _ => None,
    }
}
