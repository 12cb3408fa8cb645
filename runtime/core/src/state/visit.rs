//! One arrival at a step, and how far it got.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Calls, Dialogue, Inside, Routing, Slot};
use crate::event::{Awaited, Because, Work};
use crate::taint::Sources;
use crate::view::Status;
use crate::{ApprovalId, Duration, Failure, FrameId, RunId, StepId, Timestamp, VisitId};

/// One arrival at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The step.
    pub step: StepId,
    /// Why it came here.
    pub because: Because,
    /// How far it got.
    pub activity: Activity,
    /// The last attempt's number; 0 before the first.
    pub attempt: u32,
    /// How many attempts there were when a person last asked for another, and those since that never began.
    pub attempts_before: u32,
    /// What its attempts do.
    pub work: Option<Arc<Work>>,
    /// When the attempt under way started.
    pub attempt_at: Timestamp,
    /// When the attempt under way fails with `timeout`.
    pub deadline: Option<Timestamp>,
    /// When the visit fails with `timeout`, however many attempts it has left.
    pub total_at: Option<Timestamp>,
    /// The priority that its step declares.
    pub priority: Option<u8>,
    /// The slot that it waits for or holds.
    pub slot: Option<Box<Slot>>,
    /// What is known of its route, where it has one.
    pub route: Option<Box<Routing>>,
    /// Which going-through of its list of steps it belongs to.
    pub frame: FrameId,
    /// What it keeps of the lists of steps within it.
    pub inside: Option<Box<Inside>>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// The calls of the agent's attempt under way.
    pub calls: Calls,
    /// What tools have asked in the attempt under way, by the agent's call; without one for a tool step.
    pub dialogues: BTreeMap<Option<u32>, Dialogue>,
    /// The call of another agent that it belongs to: the caller's visit and the call's number.
    pub caller: Option<(VisitId, u32)>,
    /// How often the task was handed over to another agent.
    pub handovers: u32,
    /// Whether its agent has begun a call of an `at-most-once` tool, in any attempt.
    pub acted_once: bool,
    /// What tainted the values that it has to do with.
    pub taint: Sources,
    /// When it arrived.
    pub started_at: Timestamp,
    /// When it was done.
    pub ended_at: Option<Timestamp>,
}

/// How far a visit got.
#[derive(Debug, Clone, PartialEq)]
pub enum Activity {
    /// Arrived; the next event of the same commit says more.
    Arrived,
    /// Lists of steps within it are under way.
    Inside,
    /// An attempt is under way, or an agent waits inside one.
    Attempting,
    /// The next attempt starts at this instant.
    BackingOff(Timestamp),
    /// A person is asked.
    Asking(ApprovalId),
    /// Time passes until this instant.
    Waiting(Timestamp),
    /// It waits for what comes from outside its run, at most until an instant.
    Listening(Awaited, Option<Timestamp>),
    /// It waits for a slot, at most until an instant.
    Queued(Option<Timestamp>),
    /// A plugin is looked for that does what it asks for.
    Routing,
    /// It waits until there is a plugin that does what it asks for.
    Seeking,
    /// It waits for the end of a run that it started.
    Child(RunId),
    /// It may or may not have happened; a person is asked.
    Unknown(Option<ApprovalId>),
    /// Its `if` did not hold.
    Skipped,
    /// It gave an output.
    Completed,
    /// It failed.
    Failed(Failure),
    /// The run ended under it.
    Cancelled,
}

impl Visit {
    /// A visit that has just arrived.
    pub(crate) fn arrived(step: StepId, because: Because, frame: FrameId, at: Timestamp) -> Self {
        Self {
            step,
            because,
            activity: Activity::Arrived,
            attempt: 0,
            attempts_before: 0,
            work: None,
            attempt_at: at,
            deadline: None,
            total_at: None,
            timeout: None,
            priority: None,
            slot: None,
            route: None,
            frame,
            inside: None,
            calls: Calls::default(),
            dialogues: BTreeMap::new(),
            caller: None,
            handovers: 0,
            acted_once: false,
            taint: Sources::default(),
            started_at: at,
            ended_at: None,
        }
    }

    /// When the attempt under way is ended at the latest.
    pub fn attempt_deadline(&self) -> Option<Timestamp> {
        [self.deadline, self.total_at].into_iter().flatten().min()
    }

    /// Whether the agent waits inside its attempt: for a person, or for time.
    pub fn is_parked(&self) -> bool {
        self.calls.is_parked()
    }

    /// Where it stands, in the words of listings.
    pub fn status(&self) -> Status {
        match &self.activity {
            Activity::Attempting if self.is_parked() => Status::Waiting,
            Activity::Arrived | Activity::Attempting | Activity::Inside | Activity::Routing => {
                Status::Running
            }
            Activity::BackingOff(_)
            | Activity::Asking(_)
            | Activity::Waiting(_)
            | Activity::Queued(_)
            | Activity::Seeking
            | Activity::Listening(..)
            | Activity::Child(_) => Status::Waiting,
            Activity::Unknown(_) => Status::Unknown,
            Activity::Skipped => Status::Skipped,
            Activity::Completed => Status::Completed,
            Activity::Failed(_) => Status::Failed,
            Activity::Cancelled => Status::Cancelled,
        }
    }

    /// The run that it started and waits for.
    pub(crate) const fn child(&self) -> Option<RunId> {
        if let Activity::Child(run) = self.activity { Some(run) } else { None }
    }

    /// What it waits for that comes from outside its run.
    pub const fn awaited(&self) -> Option<&Awaited> {
        if let Activity::Listening(awaited, _) = &self.activity { Some(awaited) } else { None }
    }

    /// Whether something is under way in it itself, not only in lists of steps within it.
    pub fn is_busy(&self) -> bool {
        !matches!(self.activity, Activity::Inside) && self.status() == Status::Running
    }

    /// Whether nothing more happens to it.
    pub const fn is_done(&self) -> bool {
        matches!(
            self.activity,
            Activity::Skipped | Activity::Completed | Activity::Failed(_) | Activity::Cancelled
        )
    }
}
