//! Commands become events: the only place that evaluates, branches and draws.
//!
//! Every event is applied to the working state as soon as it is decided, so
//! that the next decision of the same command sees it; what comes back is what
//! one commit holds. A refused command leaves no event and no change.

mod advance;
mod agents;
mod answer;
mod arrive;
mod attempt;
mod budget;
mod call;
mod child;
mod dialogue;
mod fork;
mod frame;
mod graph;
mod guard;
mod inbox;
mod listen;
mod map;
mod parallel;
mod recover;
mod repeat;
mod retry;
mod rights;
mod route;
mod settle;
mod slot;
mod start;
mod suspend;
mod taint;
mod tick;
mod undo;
mod unknown;
mod upgrade;
mod vars;

pub use agents::{AGENTS_MAX_DEPTH, HANDOVERS_MAX};
pub(crate) use listen::differing;
pub use listen::{SIGNAL_KEY_MAX_BYTES, SIGNALS_KEPT_MAX};
pub use map::MAP_MAX_ITEMS;
pub(crate) use rights::voice;
pub use slot::SlotNews;

use std::collections::VecDeque;

use crate::command::{Command, Moment};
use crate::definition::{Definition, Target, Verb};
use crate::event::{Because, Event, Payload};
use crate::expression::{Layer, Scope};
use crate::refusal::Refusal;
use crate::state::{Phase, RunState};
use crate::view::Status;
use crate::{Duration, Failure, FrameId, Timestamp, VisitId, value_bytes};

/// How many steps one command may go through before something is waited for.
pub const TRANSITION_MAX_VISITS: u32 = 10_000;
/// How many bytes of step outputs one command may make, as JSON.
pub const TRANSITION_MAX_BYTES: usize = 32 * 1_024 * 1_024;
/// How many visits a run may have in all.
pub const RUN_MAX_VISITS: u32 = 100_000;

/// Decides a command. The state moves on with the events that come back.
///
/// The definition is the one that the state names: that of the run's start, or the one that it was moved to.
pub fn decide(
    state: &mut RunState,
    definition: &Definition,
    command: Command,
    moment: Moment,
) -> Result<Vec<Event>, Refusal> {
    match (state.phase(), &command) {
        (Phase::New, Command::Start(_)) => {}
        (Phase::New, _) => return Err(Refusal::NotStarted),
        (_, Command::Start(_)) => return Err(Refusal::AlreadyStarted),
        // An answer to an ended run's approval says what became of the approval.
        (Phase::Open, _)
        | (
            _,
            Command::Decide { .. }
            | Command::Claim { .. }
            | Command::Release { .. }
            | Command::Delegate { .. }
            | Command::Comment { .. },
        )
        | (Phase::Failed(_), Command::Retry { .. }) => {}
        (Phase::Completed(_), _) => return Err(Refusal::Ended(Status::Completed.name())),
        (Phase::Failed(_), _) => return Err(Refusal::Ended(Status::Failed.name())),
        (Phase::Cancelled, _) => return Err(Refusal::Ended(Status::Cancelled.name())),
    }
    if let Command::Upgrade(upgrade) = command {
        return upgrade::carry_out(state, definition, *upgrade, moment);
    }
    let mut draft = Draft::new(state, definition, moment);
    match command {
        Command::Start(started) => draft.start(*started),
        Command::EndAttempt { visit, attempt, result, silent, log } => {
            draft.end_attempt(visit, attempt, result, silent, log)?;
        }
        Command::HandOver { visit, attempt, to, input, silent } => {
            draft.hand_over(visit, attempt, &to, input, silent)?;
        }
        Command::BeginCall { at, request, silent } => draft.begin_call(at, request, silent)?,
        Command::EndCall { at, request, response, silent } => {
            draft.end_call(at, request, response, silent)?;
        }
        Command::Decide { approval, action, data, by, comment } => {
            draft.answer(&approval, &action, data, by, comment)?;
        }
        Command::Claim { approval, by } => draft.claim(&approval, by)?,
        Command::Release { approval, by } => draft.release(&approval, by)?,
        Command::Delegate { approval, to, by, comment } => draft.delegate(&approval, to, by, comment)?,
        Command::Comment { approval, text, by } => draft.comment(&approval, text, by)?,
        Command::AskForTool(asked) => draft.tool_asks(*asked)?,
        Command::Signal { name, data, by, key, trace } => draft.receive(&name, data, by, (key, trace))?,
        Command::Hear { topic, data, from, namespace, trace } => {
            if namespace == draft.state.namespace {
                draft.hear((&topic, &data), from, trace.as_deref());
            }
        }
        Command::EndChild { visit, child, result, tainted, spent } => {
            draft.end_child(visit, child, result, (tainted, spent))?;
        }
        Command::HearOfSlot { visit, news } => draft.hear_of_slot(visit, news),
        Command::ChooseRoute { visit, outcome } => draft.choose_route(visit, outcome)?,
        Command::Tick => draft.tick(),
        Command::Recover => draft.recover(),
        Command::Retry { step, by } => draft.retry(step.as_ref(), by)?,
        Command::Suspend { by, reason } => draft.suspend(by, reason)?,
        Command::Resume { by } => draft.resume(by)?,
        Command::Fork(restart) => draft.fork(*restart),
        Command::Cancel { by, reason } => draft.cancel(by, reason),
        // Decided before: it goes by another definition.
        Command::Upgrade(_) => {}
    }
    draft.settle_all();
    Ok(draft.events)
}

/// A decision in the making.
struct Draft<'a> {
    state: &'a mut RunState,
    definition: &'a Definition,
    now: Timestamp,
    entropy: crate::command::Entropy,
    events: Vec<Event>,
    /// What follows from what was decided so far, in order.
    next: VecDeque<Next>,
    /// How many visits were begun.
    visits: u32,
    /// How many bytes of outputs were made.
    bytes: usize,
}

impl<'a> Draft<'a> {
    fn new(state: &'a mut RunState, definition: &'a Definition, moment: Moment) -> Self {
        // A clock that was set back does not make a journal's times go back.
        let now = moment.now.max(state.updated_at());
        Self {
            state,
            definition,
            now,
            entropy: moment.entropy,
            events: Vec::new(),
            next: VecDeque::new(),
            visits: 0,
            bytes: 0,
        }
    }

    /// Records a fact.
    #[expect(
        clippy::too_many_lines,
        reason = "each kind of event is named here once, so that none is forgotten"
    )]
    fn push(&mut self, event: Event) {
        self.let_go_of_children(&event);
        match &event {
            Event::StepStarted { .. } | Event::StepSkipped { .. } => self.visits += 1,
            Event::StepCompleted { output: Payload::Inline(output), .. } => {
                self.bytes = self.bytes.saturating_add(value_bytes(output));
            }
            Event::VarsSet { vars: Payload::Inline(vars), .. } => {
                self.bytes = self.bytes.saturating_add(value_bytes(vars));
            }
            Event::RunStarted(_)
            | Event::DeadlineSet { .. }
            | Event::ItemsTaken { .. }
            | Event::FrameStarted { .. }
            | Event::TurnStarted { .. }
            | Event::FrameCompleted { .. }
            | Event::FrameFailed { .. }
            | Event::FrameCancelled { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptFailed { .. }
            | Event::ToolLogged { .. }
            | Event::CallStarted { .. }
            | Event::AgentCalled { .. }
            | Event::TaskHandedOver { .. }
            | Event::CallCompleted { .. }
            | Event::OutcomeUnknown { .. }
            | Event::ToolAsked(_)
            | Event::ApprovalOpened(_)
            | Event::ApprovalDecided(_)
            | Event::ApprovalClaimed(_)
            | Event::ApprovalReleased(_)
            | Event::ApprovalDelegated(_)
            | Event::ApprovalCommented(_)
            | Event::ApprovalVoted(_)
            | Event::ApprovalEscalated(_)
            | Event::WaitStarted { .. }
            | Event::ListenStarted { .. }
            | Event::SignalReceived(_)
            | Event::SignalTaken { .. }
            | Event::TopicHeard { .. }
            | Event::Emitted { .. }
            | Event::PrioritySet { .. }
            | Event::SlotRequested(_)
            | Event::SlotTaken { .. }
            | Event::RouteRequested(_)
            | Event::RouteChosen(_)
            | Event::RouteAwaited(_)
            | Event::RouteReopened { .. }
            | Event::RouteExhausted { .. }
            | Event::BudgetSet(_)
            | Event::BudgetReserved(_)
            | Event::BudgetSettled(_)
            | Event::BudgetWarned(_)
            | Event::BudgetExceeded(_)
            | Event::BudgetRaised(_)
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::ChildCancelled { .. }
            | Event::StepCompleted { .. }
            | Event::VarsSet { .. }
            | Event::Tainted(_)
            | Event::UndoKept { .. }
            | Event::UndoStarted { .. }
            | Event::StepFailed { .. }
            | Event::RunCompleted { .. }
            | Event::RunFailed { .. }
            | Event::RunRetried(_)
            | Event::RunSuspended(_)
            | Event::StepHeld(_)
            | Event::RunResumed(_)
            | Event::RunForked(_)
            | Event::InputsChanged(_)
            | Event::OutputChanged(_)
            | Event::DefinitionChanged(_)
            | Event::RunCancelled { .. } => {}
        }
        self.state.apply(self.now, &event);
        self.events.push(event);
    }

    /// The end of a pause, a sleep or a wait. In a rehearsal they take no time: nobody is waited for by them.
    fn later(&self, by: Duration) -> Timestamp {
        if self.state.rehearsal().is_some() { self.now } else { self.now.after(by) }
    }

    /// What expressions see in a frame.
    fn scope(&self, frame: FrameId) -> Scope<'_> {
        let mut layers = Vec::new();
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|id| self.state.frames.get(&id)) {
            let within = frame.within.as_ref().and_then(|(visit, _)| self.state.visits.get(visit));
            let name = within.and_then(|visit| {
                let step = self.step_named(&visit.step)?;
                if let Verb::Map(map) = &step.verb { map.name.as_deref() } else { None }
            });
            // A `catch` or `finally` of a `map` has no item of its own.
            let name = name.filter(|_| frame.item.is_some());
            layers.push(Layer {
                outputs: &frame.outputs,
                item: frame.item.as_ref(),
                name,
                index: frame.index(),
                error: frame.failure(),
            });
            if let Some(kept) = &frame.kept {
                self.add_kept(kept, &mut layers);
                break;
            }
            at = within.map(|visit| visit.frame);
        }
        Scope { inputs: &self.state.inputs, vars: &self.state.vars, run: &self.state.facts, layers }
    }
}

/// What follows from a decision. Kept in a queue, so that lists of steps
/// within lists of steps, and circles, need no stack.
enum Next {
    /// A frame goes on at a place.
    Go(FrameId, Target, Because),
    /// Something came of a visit.
    Settle(VisitId, Result<serde_json::Value, Failure>),
}
