//! The facts of a run, in the past tense: all that its journal holds.
//!
//! Each variant says which transition it records. The serialized names are
//! frozen: a variant or field may be renamed in Rust, its `serde` name may
//! not. A new field needs a default, so that old journals read on.

mod actor;
mod approval;
mod approval_news;
mod budget;
mod entry;
mod name;
mod outside;
mod payload;
mod route;
mod slot;
mod started;
mod tool_asked;
mod work;

use serde::{Deserialize, Serialize};

pub use actor::{Actor, Cancelled};
pub use budget::{
    BudgetExceeded, BudgetRaised, BudgetReserved, BudgetSet, BudgetSettled, BudgetWarned, Shortage,
};
pub use entry::{Because, Entry};
pub use outside::{Awaited, Origin, SignalReceived};
pub use payload::Payload;
pub use route::{Candidate, RouteAwaited, RouteChosen, RouteRequested};
pub use slot::{Overflow, SlotRequested};
pub use started::{Parent, RunStarted};
pub use tool_asked::{ToolAsked, ToolQuestion};
pub use work::{LogLine, Work};

use crate::budget::Amounts;
use crate::call::CallRequest;
use crate::guard::Policy;
use crate::taint::Tainted;
use crate::trace::TraceContext;
use crate::travel::{
    InputsChanged, OutputChanged, RunForked, RunResumed, RunRetried, RunSuspended, StepHeld,
};
use crate::upgrade::DefinitionChanged;
use crate::{Digest, Failure, FrameId, RunId, StepId, Timestamp, VisitId};

pub use approval::{ApprovalDecided, ApprovalOpened, Asker};
pub use approval_news::{
    ApprovalClaimed, ApprovalCommented, ApprovalDelegated, ApprovalEscalated, ApprovalReleased, ApprovalVoted,
};

/// A fact of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Nothing → running. Always the first.
    RunStarted(Box<RunStarted>),
    /// A new visit is running; no attempt yet.
    StepStarted {
        /// The new visit.
        visit: VisitId,
        /// Where it is.
        step: StepId,
        /// Why it came here.
        because: Because,
        /// Which going-through of its list of steps it belongs to.
        #[serde(default, skip_serializing_if = "FrameId::is_root")]
        frame: FrameId,
    },
    /// A new visit is skipped: its `if` did not hold. It has no output.
    StepSkipped {
        /// The new visit.
        visit: VisitId,
        /// Where it is.
        step: StepId,
        /// Why it came here.
        because: Because,
        /// Which going-through of its list of steps it belongs to.
        #[serde(default, skip_serializing_if = "FrameId::is_root")]
        frame: FrameId,
    },
    /// The visit, or the run, fails with `timeout` at an instant. Nothing is under way yet.
    DeadlineSet {
        /// The visit; absent for the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        /// When it fails unless it is over.
        total: Timestamp,
    },
    /// A `map` has its items: each is gone through.
    ItemsTaken {
        /// The visit.
        visit: VisitId,
        /// A list.
        items: Payload,
    },
    /// A list of steps within a visit is gone through from here on.
    FrameStarted {
        /// The new frame.
        frame: FrameId,
        /// The visit within which it is.
        visit: VisitId,
        /// Why.
        entry: Entry,
    },
    /// A `loop` begins its next turn.
    TurnStarted {
        /// The frame.
        frame: FrameId,
        /// From 1 for the second turn on.
        turn: u32,
    },
    /// The frame is done; its result is the output of its last completed step.
    FrameCompleted {
        /// The frame.
        frame: FrameId,
    },
    /// A step of the frame failed, and the frame with it. What else was under way in it is stopped.
    FrameFailed {
        /// The frame.
        frame: FrameId,
        /// Why.
        failure: Failure,
    },
    /// The frame is not needed any more. What was under way in it is stopped.
    FrameCancelled {
        /// The frame.
        frame: FrameId,
    },
    /// The visit's next attempt is under way.
    AttemptStarted {
        /// The visit.
        visit: VisitId,
        /// From 1.
        attempt: u32,
        /// What it does; absent when it is the same as the attempt before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<Box<Work>>,
        /// When it fails with `timeout`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// The attempt failed. The visit waits for the next one when `retry_at` is there, else its step fails.
    AttemptFailed {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When the next attempt starts; the backoff was drawn by the decision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// A tool wrote to its log during the attempt. Changes no state.
    ToolLogged {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
        /// What it wrote.
        lines: Vec<LogLine>,
    },
    /// An agent's call that must be known before it happens is under way: an
    /// `at-most-once` tool, a question, a sleep.
    CallStarted {
        /// The agent's visit.
        visit: VisitId,
        /// The call's number in the attempt, from 1.
        call: u32,
        /// What was asked.
        request: CallRequest,
        /// When a sleep ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An agent calls another one, which is a new visit within the call. The visit is over when the
    /// call has its answer.
    AgentCalled {
        /// The new visit, of the agent that is called.
        visit: VisitId,
        /// The visit of the agent that calls.
        caller: VisitId,
        /// The call's number.
        call: u32,
    },
    /// An agent handed its task over: the attempt is over, and the next one of the visit, in the same
    /// commit, is the other agent's.
    TaskHandedOver {
        /// The visit.
        visit: VisitId,
        /// The attempt that is over.
        attempt: u32,
        /// The agent that goes on.
        to: String,
    },
    /// An agent's call has its answer. It will never be computed again.
    CallCompleted {
        /// The agent's visit.
        visit: VisitId,
        /// The call's number in the attempt, from 1.
        call: u32,
        /// What was asked; absent when `CallStarted` has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<CallRequest>,
        /// SHA-256 of the request, which a replay compares.
        digest: Digest,
        /// The answer.
        response: Result<Payload, Failure>,
    },
    /// What was under way when the process died, or gave no answer, may or may not have happened.
    OutcomeUnknown {
        /// The visit.
        visit: VisitId,
        /// The agent's call; absent for a tool step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u32>,
        /// Why it is unknown.
        reason: String,
    },
    /// Under way → a call asks a person before it goes on; the first question follows.
    ToolAsked(Box<ToolAsked>),
    /// A visit or call waits for a person.
    ApprovalOpened(Box<ApprovalOpened>),
    /// The approval is closed; what it allows starts in the same commit.
    ApprovalDecided(Box<ApprovalDecided>),
    /// The approval is open, and one person holds it.
    ApprovalClaimed(Box<ApprovalClaimed>),
    /// The approval is held → nobody holds it.
    ApprovalReleased(Box<ApprovalReleased>),
    /// The approval is open, and others may answer in somebody's place.
    ApprovalDelegated(Box<ApprovalDelegated>),
    /// Something was said about an open approval.
    ApprovalCommented(Box<ApprovalCommented>),
    /// One of several people has answered; the approval stays open.
    ApprovalVoted(Box<ApprovalVoted>),
    /// The approval has been open for so long that others are asked as well.
    ApprovalEscalated(Box<ApprovalEscalated>),
    /// A `wait` step waits.
    WaitStarted {
        /// The visit.
        visit: VisitId,
        /// Until when.
        until: Timestamp,
    },
    /// The visit waits for what comes from outside the run.
    ListenStarted {
        /// The visit.
        visit: VisitId,
        /// For what.
        awaited: Awaited,
        /// When its step fails with `timeout`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A signal came in. It is kept until a step takes it.
    SignalReceived(Box<SignalReceived>),
    /// A visit takes a signal; it will be no other's.
    SignalTaken {
        /// The visit.
        visit: VisitId,
        /// The signal's number.
        signal: u32,
        /// The call of the agent that waits for it; absent for a step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<u32>,
    },
    /// An event of another run reached a visit that waits for its topic.
    TopicHeard {
        /// The visit.
        visit: VisitId,
        /// The topic.
        topic: String,
        /// What it brings.
        data: Payload,
        /// Which event it is; the visit's run hears it once.
        from: Origin,
        /// The trace that whoever told of it was in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Box<TraceContext>>,
    },
    /// An event for whoever waits for its topic.
    Emitted {
        /// The visit.
        visit: VisitId,
        /// The topic.
        topic: String,
        /// What it brings.
        data: Payload,
    },
    /// The run, or what a visit does, goes before others or after them.
    PrioritySet {
        /// The visit; absent for the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        /// From 0 to 100; the higher goes first.
        priority: u8,
    },
    /// The run, or a visit, waits for one of the slots that others have as well.
    SlotRequested(Box<SlotRequested>),
    /// It has its slot, until it is over.
    SlotTaken {
        /// The visit; absent for the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
    },
    /// Arrived → a plugin is looked for that does what the visit asks for.
    RouteRequested(Box<RouteRequested>),
    /// A plugin is looked for or waited for → one was chosen; the next attempt follows.
    RouteChosen(Box<RouteChosen>),
    /// A plugin is looked for → none is there, and the visit waits for one.
    RouteAwaited(Box<RouteAwaited>),
    /// An attempt failed, or is to be made again → a plugin is looked for once more.
    RouteReopened {
        /// The visit.
        visit: VisitId,
        /// The plugin that failed, which is left out from now on; without it all may be tried again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
    },
    /// A plugin is looked for → all have failed, and they are tried anew later.
    RouteExhausted {
        /// The visit.
        visit: VisitId,
        /// When; the backoff was drawn by the decision.
        retry_at: Timestamp,
    },
    /// The run, or a visit, may use only so much.
    BudgetSet(Box<BudgetSet>),
    /// A call of a visit is about to be made, and what it may use is kept for it.
    BudgetReserved(Box<BudgetReserved>),
    /// The call is over, and what was kept for it gives way to what it has used.
    BudgetSettled(Box<BudgetSettled>),
    /// Most of a budget is used. Nothing changes.
    BudgetWarned(Box<BudgetWarned>),
    /// A call does not fit into a budget: it is not made, and a person is asked.
    BudgetExceeded(Box<BudgetExceeded>),
    /// A person gave more.
    BudgetRaised(Box<BudgetRaised>),
    /// The visit starts a run and waits for its end.
    ChildStarted {
        /// The visit.
        visit: VisitId,
        /// The new run.
        child: RunId,
        /// The name under which its workflow is pinned.
        workflow: String,
        /// Its inputs, not yet accepted.
        inputs: Payload,
        /// What it is bound by, from outside its workflow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Box<Policy>>,
        /// What it may use, which is kept for it in the budgets of this run.
        #[serde(default, skip_serializing_if = "Amounts::is_empty")]
        allowance: Amounts,
    },
    /// The run that a visit started has ended; what follows says what came of it.
    ChildEnded {
        /// The visit.
        visit: VisitId,
        /// The run.
        child: RunId,
    },
    /// The run that a visit started is not needed any more, and is to be cancelled.
    ChildCancelled {
        /// The visit.
        visit: VisitId,
        /// The run.
        child: RunId,
    },
    /// The visit is completed; its output replaces the step's earlier one.
    StepCompleted {
        /// The visit.
        visit: VisitId,
        /// What it gave.
        output: Payload,
    },
    /// Values may come from a model or from what is not trusted, since what made them used some that may.
    /// Recorded where a rule asks for it.
    Tainted(Box<Tainted>),
    /// Variables of the run have new values.
    VarsSet {
        /// The visit whose step changed them; absent at the start of the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        /// The new values by name, an object.
        vars: Payload,
    },
    /// The completed visit will be undone when the run fails; what its `undo` uses is kept.
    UndoKept {
        /// The visit.
        visit: VisitId,
        /// The steps whose outputs are kept, as they are now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        uses: Vec<StepId>,
    },
    /// Running → undoing: the run has failed or is cancelled, and what it did is undone, the last first.
    /// What was under way is stopped, open approvals are closed.
    UndoStarted {
        /// Why.
        failure: Failure,
        /// The step that failed, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// Who cancelled the run, where that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancelled: Option<Cancelled>,
    },
    /// The visit failed.
    StepFailed {
        /// The visit.
        visit: VisitId,
        /// Why.
        failure: Failure,
    },
    /// Running → completed.
    RunCompleted {
        /// What the workflow's `outputs` gave, an object.
        outputs: Payload,
    },
    /// Running → failed.
    RunFailed {
        /// Why.
        failure: Failure,
        /// The step that failed, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// Failed → running: a person wants the failed step tried again.
    RunRetried(Box<RunRetried>),
    /// Running or waiting → suspended: nothing new begins.
    RunSuspended(Box<RunSuspended>),
    /// A step would begin; it waits until the run is resumed.
    StepHeld(Box<StepHeld>),
    /// Suspended → running or waiting.
    RunResumed(Box<RunResumed>),
    /// What comes before was taken from another run; what comes after is this run's own.
    RunForked(Box<RunForked>),
    /// A forked run has other inputs.
    InputsChanged(Box<InputsChanged>),
    /// A step of a forked run has another output.
    OutputChanged(Box<OutputChanged>),
    /// An operator moved the run to another definition of its workflow. Nothing is under way, and nothing that was
    /// recorded changes but for the inputs' new defaults.
    DefinitionChanged(Box<DefinitionChanged>),
    /// Running → cancelled. What was under way is stopped, open approvals are closed.
    RunCancelled {
        /// Who.
        by: Actor,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
