//! What is recorded when a person goes back in a run, or makes another of it.

use serde::{Deserialize, Serialize};

use crate::event::{Actor, Because, Payload};
use crate::plugin::PluginPins;
use crate::trace::TraceContext;
use crate::{Duration, FrameId, RunId, StepId, VisitId};

/// The run that another was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ancestor {
    /// It was started anew.
    Rerun {
        /// Which.
        run: RunId,
    },
    /// The new run has its events up to a place.
    Forked {
        /// Which.
        run: RunId,
        /// The last event that both have.
        seq: u64,
    },
}

/// From here on a forked run goes its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunForked {
    /// Who.
    pub by: Actor,
    /// How much later everything is that was due: no time has passed for the new run.
    pub moved: Duration,
    /// The agents that are others from here on. Their attempts that were under way begin anew.
    #[serde(default, skip_serializing_if = "PluginPins::is_empty")]
    pub agents: PluginPins,
    /// Whether it is a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    /// The trace that whoever forked it was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// A forked run that shall show what would have been: where it asks the same as the run that it was made of, it is
/// answered from that one's journal, and nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The run whose journal answers.
    pub run: RunId,
    /// Whether what has no recorded answer is refused, where it would change something outside.
    #[serde(default)]
    pub dry: bool,
    /// The model that is asked in place of all others, by the operator's name. It answers itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The inputs of a forked run were changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputsChanged {
    /// All of them.
    pub inputs: Payload,
    /// Who.
    pub by: Actor,
}

/// A step's recorded output was changed in a forked run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputChanged {
    /// Which going-through of its list of steps.
    #[serde(default, skip_serializing_if = "FrameId::is_root")]
    pub frame: FrameId,
    /// The step.
    pub step: StepId,
    /// The whole output.
    pub output: Payload,
    /// Who.
    pub by: Actor,
}

/// Failed → running: what the failure cut off is under way again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRetried {
    /// The visit that failed.
    pub visit: VisitId,
    /// Whether that visit itself gets another attempt; else its step gets another visit.
    #[serde(default)]
    pub again: bool,
    /// Who.
    pub by: Actor,
    /// How much later everything is that was due: the run stood still meanwhile.
    pub moved: Duration,
}

/// Running or waiting → suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSuspended {
    /// Who.
    pub by: Actor,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Suspended → running or waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResumed {
    /// Who.
    pub by: Actor,
    /// How much later everything is that was due: the run stood still meanwhile.
    pub moved: Duration,
}

/// A step is the next one, and begins when the run is suspended no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepHeld {
    /// The step.
    pub step: StepId,
    /// Why it came here.
    pub because: Because,
    /// Which going-through of its list of steps it belongs to.
    #[serde(default, skip_serializing_if = "FrameId::is_root")]
    pub frame: FrameId,
}
