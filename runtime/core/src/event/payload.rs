//! Values in events.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Event, Work};
use crate::Digest;

/// A JSON value in an event: in place, or in the blob store when it is large.
///
/// A state only ever holds values; the engine moves large ones out before a
/// commit and back in when it reads a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// The value itself, which a state shares with the event that brought it.
    Inline(Arc<Value>),
    /// The SHA-256 of its JSON text in the blob store.
    Blob(Digest),
}

impl Payload {
    /// The value; null for one that was moved out and not brought back, which the engine rules out.
    pub fn into_value(self) -> Value {
        match self {
            Self::Inline(value) => Arc::unwrap_or_clone(value),
            Self::Blob(_) => Value::Null,
        }
    }

    /// The same, shared with the event.
    pub fn share(&self) -> Arc<Value> {
        match self {
            Self::Inline(value) => Arc::clone(value),
            Self::Blob(_) => Arc::default(),
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Inline(Arc::new(value))
    }
}

impl Event {
    /// The values that may be large, to be moved out to the blob store and back.
    #[expect(clippy::too_many_lines, reason = "one arm an event")]
    pub fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::RunStarted(started) => Some(&mut started.inputs),
            Self::ItemsTaken { items, .. } => Some(items),
            Self::AttemptStarted { work, .. } => work.as_deref_mut().map(|work| match work {
                Work::Tool { arguments, .. } => arguments,
                Work::Agent { input, .. } => input,
            }),
            Self::CallCompleted { response, .. } => response.as_mut().ok(),
            Self::ApprovalDecided(decided) => Some(&mut decided.data),
            Self::ApprovalVoted(voted) => Some(&mut voted.data),
            Self::SignalReceived(signal) => Some(&mut signal.data),
            Self::TopicHeard { data, .. } | Self::Emitted { data, .. } => Some(data),
            Self::ChildStarted { inputs, .. } => Some(inputs),
            Self::RouteRequested(requested) => Some(&mut requested.input),
            Self::FrameStarted { entry: Entry::Finally { outcome: Ok(output) }, .. }
            | Self::StepCompleted { output, .. } => Some(output),
            Self::VarsSet { vars, .. } => Some(vars),
            Self::RunCompleted { outputs } => Some(outputs),
            Self::InputsChanged(changed) => Some(&mut changed.inputs),
            Self::OutputChanged(changed) => Some(&mut changed.output),
            Self::DefinitionChanged(changed) => changed.inputs.as_mut(),
            Self::StepStarted { .. }
            | Self::StepSkipped { .. }
            | Self::DeadlineSet { .. }
            | Self::FrameStarted { .. }
            | Self::TurnStarted { .. }
            | Self::FrameCompleted { .. }
            | Self::FrameFailed { .. }
            | Self::FrameCancelled { .. }
            | Self::AttemptFailed { .. }
            | Self::ToolLogged { .. }
            | Self::CallStarted { .. }
            | Self::AgentCalled { .. }
            | Self::TaskHandedOver { .. }
            | Self::OutcomeUnknown { .. }
            | Self::ToolAsked(_)
            | Self::ApprovalOpened(_)
            | Self::ApprovalClaimed(_)
            | Self::ApprovalReleased(_)
            | Self::ApprovalDelegated(_)
            | Self::ApprovalCommented(_)
            | Self::ApprovalEscalated(_)
            | Self::WaitStarted { .. }
            | Self::ListenStarted { .. }
            | Self::SignalTaken { .. }
            | Self::PrioritySet { .. }
            | Self::SlotRequested(_)
            | Self::SlotTaken { .. }
            | Self::RouteChosen(_)
            | Self::RouteAwaited(_)
            | Self::RouteReopened { .. }
            | Self::RouteExhausted { .. }
            | Self::BudgetSet(_)
            | Self::BudgetReserved(_)
            | Self::BudgetSettled(_)
            | Self::BudgetWarned(_)
            | Self::BudgetExceeded(_)
            | Self::BudgetRaised(_)
            | Self::ChildEnded { .. }
            | Self::ChildCancelled { .. }
            | Self::Tainted(_)
            | Self::UndoKept { .. }
            | Self::UndoStarted { .. }
            | Self::StepFailed { .. }
            | Self::RunFailed { .. }
            | Self::RunRetried(_)
            | Self::RunSuspended(_)
            | Self::StepHeld(_)
            | Self::RunResumed(_)
            | Self::RunForked(_)
            | Self::RunCancelled { .. } => None,
        }
    }
}
