//! The fold: one event changes the state. Never fails, never evaluates.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Activity, Approval, CallProgress, Calls, Frame, Phase, RunState, Undoing, Visit};
use crate::event::{
    ApprovalDecided, ApprovalOpened, Asker, Because, Entry, Event, Payload, RunStarted, Work,
};
use crate::{Failure, FrameId, StepId, Timestamp, VisitId};

impl RunState {
    /// Takes one event in.
    #[expect(
        clippy::too_many_lines,
        reason = "each kind of event is named here once, so that none is forgotten"
    )]
    pub fn apply(&mut self, time: Timestamp, event: &Event) {
        self.updated_at = time;
        self.mind_wreck(event);
        self.mind_taint(event);
        match event {
            Event::RunStarted(started) => self.start(time, started),
            Event::StepStarted { visit, step, because, frame } => {
                self.arrive(time, *visit, step, *because, *frame);
            }
            Event::StepSkipped { visit, step, because, frame } => {
                self.arrive(time, *visit, step, *because, *frame);
                self.skip(time, *visit, step, *frame);
            }
            Event::AttemptStarted { visit, attempt, work, deadline } => {
                self.start_attempt(time, *visit, *attempt, work.as_deref(), *deadline);
            }
            Event::DeadlineSet { visit, total } => self.set_deadline(*visit, *total),
            Event::ItemsTaken { .. }
            | Event::FrameStarted { .. }
            | Event::TurnStarted { .. }
            | Event::FrameCompleted { .. }
            | Event::FrameFailed { .. }
            | Event::FrameCancelled { .. } => self.apply_frame(time, event),
            Event::AttemptFailed { visit, retry_at, failure, .. } => {
                self.fail_attempt(time, *visit, *retry_at, failure);
            }
            Event::ToolLogged { .. } | Event::Emitted { .. } | Event::Tainted(_) => {}
            Event::CallStarted { .. }
            | Event::AgentCalled { .. }
            | Event::TaskHandedOver { .. }
            | Event::CallCompleted { .. }
            | Event::OutcomeUnknown { .. } => self.apply_call(time, event),
            Event::ToolAsked(asked) => self.take_tool_questions(asked),
            Event::ApprovalOpened(opened) => self.take_question(time, opened),
            Event::ApprovalDecided(decided) => self.take_decision(time, decided),
            Event::ApprovalClaimed(_)
            | Event::ApprovalReleased(_)
            | Event::ApprovalDelegated(_)
            | Event::ApprovalCommented(_)
            | Event::ApprovalVoted(_)
            | Event::ApprovalEscalated(_) => self.apply_inbox(time, event),
            Event::WaitStarted { visit, until } => self.set_activity(*visit, Activity::Waiting(*until)),
            Event::ListenStarted { .. }
            | Event::SignalReceived(_)
            | Event::SignalTaken { .. }
            | Event::TopicHeard { .. }
            | Event::ChildStarted { .. }
            | Event::ChildEnded { .. }
            | Event::ChildCancelled { .. } => self.apply_outside(time, event),
            Event::PrioritySet { .. } | Event::SlotRequested(_) | Event::SlotTaken { .. } => {
                self.apply_slot(time, event);
            }
            Event::RouteRequested(_)
            | Event::RouteChosen(_)
            | Event::RouteAwaited(_)
            | Event::RouteReopened { .. }
            | Event::RouteExhausted { .. } => self.apply_route(event),
            Event::BudgetSet(_)
            | Event::BudgetReserved(_)
            | Event::BudgetSettled(_)
            | Event::BudgetWarned(_)
            | Event::BudgetExceeded(_)
            | Event::BudgetRaised(_) => self.apply_budget(time, event),
            Event::StepCompleted { visit, output } => self.complete(time, *visit, output),
            Event::UndoKept { visit, uses } => self.keep(*visit, uses),
            Event::UndoStarted { failure, step, cancelled } => {
                let (failure, step, cancelled) = (failure.clone(), step.clone(), cancelled.clone());
                self.start_undo(time, Undoing { failure, step, cancelled, failed: Vec::new() });
            }
            Event::VarsSet { vars, .. } => self.set_vars(vars),
            Event::StepFailed { visit, failure } => self.fail_step(time, *visit, failure),
            Event::RunCompleted { outputs } => {
                self.end(time, Phase::Completed(outputs.share()));
            }
            Event::RunFailed { failure, .. } => self.end(time, Phase::Failed(failure.clone())),
            Event::RunCancelled { .. } => self.end(time, Phase::Cancelled),
            Event::RunRetried(retried) => self.retry(time, retried),
            Event::RunSuspended(suspended) => self.suspend(time, suspended),
            Event::StepHeld(held) => self.hold(held),
            Event::RunResumed(resumed) => self.resume(resumed.moved),
            Event::RunForked(forked) => self.fork(time, forked),
            Event::InputsChanged(changed) => self.change_inputs(changed),
            Event::OutputChanged(changed) => self.change_output(changed),
            Event::DefinitionChanged(changed) => self.change_definition(changed),
        }
    }

    /// The events of lists of steps within steps.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken in elsewhere")]
    fn apply_frame(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::ItemsTaken { visit, items } => self.take_items(*visit, items),
            Event::FrameStarted { frame, visit, entry } => self.start_frame(*frame, *visit, entry),
            Event::TurnStarted { frame, turn } => self.start_turn(*frame, *turn),
            Event::FrameCompleted { frame } => {
                let last = self.frames.get(frame).and_then(|frame| frame.last.clone()).unwrap_or_default();
                self.end_frame(time, *frame, Some(Ok(last)));
            }
            Event::FrameFailed { frame, failure } => {
                self.end_frame(time, *frame, Some(Err(failure.clone())));
            }
            Event::FrameCancelled { frame } => self.end_frame(time, *frame, None),
            _ => {}
        }
    }

    fn skip(&mut self, time: Timestamp, id: VisitId, step: &StepId, frame: FrameId) {
        self.finish(time, id, Activity::Skipped);
        if let Some(frame) = self.frames.get_mut(&frame) {
            frame.done.insert(step.clone());
        }
    }

    fn fail_step(&mut self, time: Timestamp, id: VisitId, failure: &Failure) {
        self.shut_approvals(id);
        self.finish(time, id, Activity::Failed(failure.clone()));
    }

    fn complete(&mut self, time: Timestamp, id: VisitId, output: &Payload) {
        if let Some((step, frame)) = self.finish(time, id, Activity::Completed)
            && let Some(frame) = self.frames.get_mut(&frame)
        {
            let output = output.share();
            frame.last = Some(Arc::clone(&output));
            frame.done.insert(step.clone());
            frame.outputs.insert(step, output);
        }
    }

    fn start(&mut self, time: Timestamp, started: &RunStarted) {
        self.phase = Phase::Open;
        self.workflow.clone_from(&started.workflow);
        self.version.clone_from(&started.version);
        self.definition = started.definition;
        self.inputs = started.inputs.share();
        self.plugins = Arc::clone(&started.plugins);
        self.allowed = started.allowed.clone();
        self.policy = Arc::new(started.policy.clone());
        self.folder.clone_from(&started.folder);
        self.seed = started.seed;
        self.workflows = Arc::new(started.workflows.clone());
        self.parent = started.parent;
        self.allowance = started.allowance.clone();
        self.prices.clone_from(&started.prices);
        self.priority = started.priority;
        self.by = Some(started.by.clone());
        self.initiators = vec![started.by.name.clone()];
        self.trace = started.trace.clone().map(Arc::new);
        self.namespace = started.namespace.clone();
        self.created_at = time;
        self.facts = Arc::new(json!({
            "id": self.id.to_string(),
            "workflow": started.workflow,
            "version": started.version,
            "started_at": time.to_string(),
        }));
    }

    fn arrive(&mut self, time: Timestamp, id: VisitId, step: &StepId, because: Because, frame: FrameId) {
        // A visit never moves, and a frame lies in one of a frame before it: so whatever a journal says, the way
        // outward from a visit has an end.
        if self.visits.contains_key(&id) {
            return;
        }
        if let Some(frame) = self.frames.get_mut(&frame) {
            *frame.arrivals.entry(step.clone()).or_default() += 1;
        }
        self.held.retain(|held| held.frame != frame || held.step != *step);
        self.visits.insert(id, Visit::arrived(step.clone(), because, frame, time));
        self.active.push(id);
    }

    fn set_deadline(&mut self, id: Option<VisitId>, total: Timestamp) {
        let Some(id) = id else {
            self.deadline = Some(total);
            return;
        };
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.total_at = Some(total);
        }
    }

    fn set_vars(&mut self, vars: &Payload) {
        let vars = vars.share();
        let Value::Object(new) = &*vars else { return };
        if let Value::Object(vars) = Arc::make_mut(&mut self.vars) {
            vars.extend(new.clone());
        }
    }

    pub(super) fn set_activity(&mut self, id: VisitId, activity: Activity) {
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.activity = activity;
        }
    }

    /// Ends a visit and lets go of what only a visit under way needs.
    pub(super) fn finish(
        &mut self,
        time: Timestamp,
        id: VisitId,
        activity: Activity,
    ) -> Option<(StepId, FrameId)> {
        self.active.retain(|active| *active != id);
        self.remember_visit(id);
        self.stop_called(time, id);
        self.budgets.let_go(id);
        let visit = self.visits.get_mut(&id)?;
        visit.activity = activity;
        visit.ended_at = Some(time);
        visit.calls = Calls::default();
        visit.dialogues.clear();
        visit.work = None;
        visit.deadline = None;
        visit.total_at = None;
        visit.inside = None;
        visit.slot = None;
        visit.route = None;
        Some((visit.step.clone(), visit.frame))
    }

    fn take_items(&mut self, id: VisitId, items: &Payload) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        visit.activity = Activity::Inside;
        let items = items.share();
        let Value::Array(items) = &*items else { return };
        let items = items.iter().cloned().map(Arc::new).collect();
        visit.inside.get_or_insert_default().items = Arc::new(items);
    }

    fn start_frame(&mut self, id: FrameId, within: VisitId, entry: &Entry) {
        if self.visits.get(&within).is_none_or(|visit| visit.frame >= id) {
            return;
        }
        self.frames_begun = self.frames_begun.max(id.0);
        if let Entry::Undo { .. } = entry {
            return self.start_undo_frame(id, within, entry);
        }
        let Some(visit) = self.visits.get_mut(&within) else { return };
        visit.activity = Activity::Inside;
        // What the step itself did is over once its `catch` or `finally` begins.
        visit.deadline = None;
        visit.work = None;
        visit.calls = Calls::default();
        visit.dialogues.clear();
        if let Entry::Catch { .. } | Entry::Finally { .. } = entry {
            visit.total_at = None;
            // One that is held is held until all is done; one that never came is not waited for any more.
            visit.slot = visit.slot.take().filter(|slot| slot.taken);
        }
        let inside = visit.inside.get_or_insert_default();
        let mut item = None;
        match entry {
            Entry::Branch(_) => inside.begun += 1,
            Entry::Item(index) => {
                inside.begun += 1;
                item = inside.items.get(*index as usize).cloned();
            }
            Entry::Loop | Entry::Undo { .. } => {}
            Entry::Catch { .. } => inside.catching = true,
            Entry::Finally { outcome } => {
                inside.outcome = Some(outcome.clone().map(|output| output.share()));
            }
        }
        inside.open.insert(id);
        let within = Some((within, entry.clone()));
        self.frames.insert(id, Frame { within, item, ..Frame::default() });
    }

    fn start_turn(&mut self, id: FrameId, turn: u32) {
        if let Some(frame) = self.frames.get_mut(&id) {
            frame.turn = turn;
            frame.arrivals.clear();
            frame.done.clear();
        }
    }

    /// Takes a frame away, with all that is under way in it.
    fn end_frame(&mut self, time: Timestamp, id: FrameId, result: Option<Result<Arc<Value>, Failure>>) {
        let Some(frame) = self.frames.remove(&id) else { return };
        self.remember_frame(id, &frame);
        self.held.retain(|held| held.frame != id);
        for visit in self.active.clone() {
            if self.visits.get(&visit).is_some_and(|visit| visit.frame == id) {
                self.stop(time, visit);
            }
        }
        let Some((within, entry)) = frame.within else { return };
        if let (Entry::Undo { .. }, Some(Err(failure))) = (&entry, &result) {
            return self.end_undo_frame(within, failure.clone());
        }
        let Some(inside) = self.visits.get_mut(&within).and_then(|visit| visit.inside.as_mut()) else {
            return;
        };
        inside.open.remove(&id);
        if let (Entry::Branch(number) | Entry::Item(number), Some(result)) = (entry, result) {
            inside.results.insert(number, result);
        }
    }

    /// Ends a visit that is not needed any more, with the frames within it.
    pub(super) fn stop(&mut self, time: Timestamp, id: VisitId) {
        self.shut_approvals(id);
        let open =
            self.visits.get(&id).and_then(|visit| visit.inside.as_ref()).map(|inside| inside.open.clone());
        for frame in open.unwrap_or_default() {
            self.end_frame(time, frame, None);
        }
        self.finish(time, id, Activity::Cancelled);
    }

    fn start_attempt(
        &mut self,
        time: Timestamp,
        id: VisitId,
        attempt: u32,
        work: Option<&Work>,
        deadline: Option<Timestamp>,
    ) {
        if let Some(visit) = self.visits.get_mut(&id) {
            if visit.attempt != attempt {
                visit.dialogues.clear();
            }
            visit.activity = Activity::Attempting;
            visit.attempt = attempt;
            visit.attempt_at = time;
            visit.deadline = deadline;
            visit.timeout = deadline.map(|deadline| deadline.since(time));
            visit.calls = Calls::default();
            if let Some(work) = work {
                visit.work = Some(Arc::new(work.clone()));
            }
        }
    }

    fn fail_attempt(&mut self, time: Timestamp, id: VisitId, retry_at: Option<Timestamp>, failure: &Failure) {
        self.stop_called(time, id);
        self.shut_approvals(id);
        self.budgets.let_go(id);
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.deadline = None;
            visit.calls = Calls::default();
            visit.dialogues.clear();
            visit.activity = retry_at.map_or(Activity::Arrived, Activity::BackingOff);
            if let Some(route) = &mut visit.route {
                route.failure = Some(failure.clone());
            }
        }
    }

    fn shut_approvals(&mut self, id: VisitId) {
        self.approvals.values_mut().filter(|approval| approval.visit == id).for_each(Approval::shut);
    }

    fn take_question(&mut self, time: Timestamp, opened: &ApprovalOpened) {
        let id = opened.approval.clone();
        if let Asker::ToolCall(_) = opened.asker {
            self.with_callers(opened.visit, |visit| visit.deadline = None);
        }
        if let Some(visit) = self.visits.get_mut(&opened.visit) {
            match opened.asker {
                Asker::Call(call) => {
                    visit.calls.progress(call, |_| Some(CallProgress::Asking(id.clone())));
                }
                Asker::UnknownCall(call) => visit.calls.progress(call, |progress| {
                    let CallProgress::Unknown(request, _) = progress else { return None };
                    Some(CallProgress::Unknown(request.clone(), Some(id.clone())))
                }),
                Asker::BudgetCall(call) => visit.calls.progress(call, |progress| {
                    let CallProgress::Paused(request, _) = progress else { return None };
                    Some(CallProgress::Paused(request.clone(), Some(id.clone())))
                }),
                Asker::ToolCall(call) => visit.calls.progress(call, |progress| {
                    let (CallProgress::Paused(request, _) | CallProgress::Cleared(request)) = progress else {
                        return None;
                    };
                    Some(CallProgress::Paused(request.clone(), Some(id.clone())))
                }),
                Asker::UnknownStep => visit.activity = Activity::Unknown(Some(id.clone())),
                Asker::Step | Asker::GuardedStep | Asker::BudgetStep | Asker::ToolStep => {
                    visit.activity = Activity::Asking(id.clone());
                }
                Asker::GuardedCall(call) => self.guard_call(opened, call),
            }
        }
        let attempt = self.visits.get(&opened.visit).map_or(0, |visit| visit.attempt);
        self.approvals.insert(id, Approval::opened(time, opened, attempt));
    }

    fn take_decision(&mut self, time: Timestamp, decided: &ApprovalDecided) {
        let Some(approval) = self.approvals.get_mut(&decided.approval) else { return };
        approval.shut();
        approval.settle(time, decided);
        approval.decision = Some((decided.action.clone(), decided.by.name.clone()));
        approval.allowed = decided.executes.map(|digest| (digest, decided.by.clone()));
        let (id, asker) = (approval.visit, approval.asker);
        match asker {
            Asker::GuardedCall(call) => return self.clear_guarded(time, decided, call),
            Asker::ToolStep => self.take_tool_answer(id, None, decided),
            Asker::ToolCall(call) => self.take_tool_answer(id, Some(call), decided),
            Asker::Step
            | Asker::Call(_)
            | Asker::UnknownStep
            | Asker::UnknownCall(_)
            | Asker::GuardedStep
            | Asker::BudgetStep
            | Asker::BudgetCall(_) => {}
        }
        let Some(visit) = self.visits.get_mut(&id) else { return };
        match asker {
            Asker::Call(call) => {
                let answer = json!({
                    "action": decided.action,
                    "data": decided.data.clone().into_value(),
                    "by": decided.by.name,
                });
                let answered = CallProgress::Answered { response: Ok(Arc::new(answer)), at: Some(time) };
                visit.calls.progress(call, |_| Some(answered));
            }
            // Anything else than `retry` and `raise` is followed by a `CallCompleted` in the same commit.
            Asker::UnknownCall(call) | Asker::BudgetCall(call) | Asker::ToolCall(call) => {
                visit.calls.progress(call, |progress| {
                    let (CallProgress::Unknown(request, _) | CallProgress::Paused(request, _)) = progress
                    else {
                        return None;
                    };
                    Some(CallProgress::Cleared(request.clone()))
                });
                self.resume_time(time, id, call);
            }
            Asker::Step | Asker::UnknownStep | Asker::GuardedStep | Asker::BudgetStep | Asker::ToolStep => {
                visit.activity = Activity::Arrived;
            }
            Asker::GuardedCall(_) => {}
        }
    }

    fn end(&mut self, time: Timestamp, phase: Phase) {
        self.phase = phase;
        for id in std::mem::take(&mut self.active) {
            self.finish(time, id, Activity::Cancelled);
        }
        self.approvals.values_mut().for_each(Approval::shut);
        self.suspension = None;
        self.held.clear();
        self.undoing = None;
        self.kept = Vec::new();
        self.kept_bytes = 0;
    }
}
