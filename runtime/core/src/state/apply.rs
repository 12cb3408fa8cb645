//! The fold: one event changes the state. Never fails, never evaluates.

use std::sync::Arc;

use serde_json::json;

use super::visit::CallProgress;
use super::{Activity, Approval, CallState, Phase, RunState, Visit};
use crate::call::CallRequest;
use crate::event::{ApprovalDecided, ApprovalOpened, Asker, Because, Event, Payload, RunStarted, Work};
use crate::{Digest, Failure, StepId, Timestamp, VisitId};

impl RunState {
    /// Takes one event in.
    pub fn apply(&mut self, time: Timestamp, event: &Event) {
        self.updated_at = time;
        match event {
            Event::RunStarted(started) => self.start(time, started),
            Event::StepStarted { visit, step, because } => self.arrive(time, *visit, step, *because),
            Event::StepSkipped { visit, step, because } => {
                self.arrive(time, *visit, step, *because);
                self.finish(time, *visit, Activity::Skipped);
            }
            Event::AttemptStarted { visit, attempt, work, deadline } => {
                self.start_attempt(time, *visit, *attempt, work.as_deref(), *deadline);
            }
            Event::AttemptFailed { visit, retry_at, .. } => self.fail_attempt(*visit, *retry_at),
            Event::ToolLogged { .. } => {}
            Event::CallStarted { visit, call, request, until } => {
                self.start_call(*visit, *call, request, *until);
            }
            Event::CallCompleted { visit, call, request, digest, response } => {
                self.complete_call(time, *visit, *call, request.as_ref(), *digest, response);
            }
            Event::OutcomeUnknown { visit, call, .. } => self.lose_outcome(*visit, *call),
            Event::ApprovalOpened(opened) => self.take_question(time, opened),
            Event::ApprovalDecided(decided) => self.take_decision(time, decided),
            Event::WaitStarted { visit, until } => self.set_activity(*visit, Activity::Waiting(*until)),
            Event::StepCompleted { visit, output } => {
                if let Some(step) = self.finish(time, *visit, Activity::Completed) {
                    self.outputs.insert(step, Arc::new(output.clone().into_value()));
                }
            }
            Event::StepFailed { visit, failure } => {
                self.finish(time, *visit, Activity::Failed(failure.clone()));
            }
            Event::RunCompleted { outputs } => {
                self.end(time, Phase::Completed(Arc::new(outputs.clone().into_value())));
            }
            Event::RunFailed { failure, .. } => self.end(time, Phase::Failed(failure.clone())),
            Event::RunCancelled { .. } => self.end(time, Phase::Cancelled),
        }
    }

    fn start(&mut self, time: Timestamp, started: &RunStarted) {
        self.phase = Phase::Open;
        self.workflow.clone_from(&started.workflow);
        self.version.clone_from(&started.version);
        self.definition = started.definition;
        self.inputs = Arc::new(started.inputs.clone().into_value());
        self.plugins = Arc::new(started.plugins.clone());
        self.allowed = started.allowed.clone();
        self.seed = started.seed;
        self.created_at = time;
        self.facts = Arc::new(json!({
            "id": self.id.to_string(),
            "workflow": started.workflow,
            "version": started.version,
            "started_at": time.to_string(),
        }));
    }

    fn arrive(&mut self, time: Timestamp, id: VisitId, step: &StepId, because: Because) {
        *self.arrivals.entry(step.clone()).or_default() += 1;
        self.visits.insert(id, Visit::arrived(step.clone(), because, time));
        self.active.push(id);
    }

    fn set_activity(&mut self, id: VisitId, activity: Activity) {
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.activity = activity;
        }
    }

    /// Ends a visit and lets go of what only a visit under way needs.
    fn finish(&mut self, time: Timestamp, id: VisitId, activity: Activity) -> Option<StepId> {
        self.active.retain(|active| *active != id);
        let visit = self.visits.get_mut(&id)?;
        visit.activity = activity;
        visit.ended_at = Some(time);
        visit.calls = Vec::new();
        visit.work = None;
        visit.deadline = None;
        Some(visit.step.clone())
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
            visit.activity = Activity::Attempting;
            visit.attempt = attempt;
            visit.attempt_at = time;
            visit.deadline = deadline;
            visit.timeout = deadline.map(|deadline| deadline.since(time));
            visit.calls.clear();
            if let Some(work) = work {
                visit.work = Some(Arc::new(work.clone()));
            }
        }
    }

    fn fail_attempt(&mut self, id: VisitId, retry_at: Option<Timestamp>) {
        self.approvals.values_mut().filter(|approval| approval.visit == id).for_each(Approval::shut);
        if let Some(visit) = self.visits.get_mut(&id) {
            visit.deadline = None;
            visit.calls.clear();
            visit.activity = retry_at.map_or(Activity::Arrived, Activity::BackingOff);
        }
    }

    fn start_call(&mut self, id: VisitId, call: u32, request: &CallRequest, until: Option<Timestamp>) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let progress = until.map_or_else(|| CallProgress::Running(request.clone()), CallProgress::Sleeping);
        // Of tools, only those that are `at-most-once` are started before they are completed.
        visit.acted_once |= matches!(request, CallRequest::Tool { .. });
        let state = CallState { digest: request.digest(), progress };
        // A cleared call starts a second time in its own place.
        visit.calls.truncate(call.saturating_sub(1) as usize);
        visit.calls.push(state);
    }

    fn complete_call(
        &mut self,
        time: Timestamp,
        id: VisitId,
        call: u32,
        request: Option<&CallRequest>,
        digest: Digest,
        response: &Result<Payload, Failure>,
    ) {
        if let (Some(CallRequest::MemoryPut { key, value }), Ok(_)) = (request, response) {
            self.memory.insert(key.clone(), value.clone());
        }
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let silent = request.is_some_and(CallRequest::is_silent);
        let response = Arc::new(response.clone().map(Payload::into_value));
        let at = (!silent).then_some(time);
        visit.calls.truncate(call.saturating_sub(1) as usize);
        visit.calls.push(CallState { digest, progress: CallProgress::Answered { response, at } });
    }

    fn lose_outcome(&mut self, id: VisitId, call: Option<u32>) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        // A person needs the time they need.
        visit.deadline = None;
        if call.is_none() {
            visit.activity = Activity::Unknown(None);
        } else if let Some(last) = visit.calls.last_mut()
            && let CallProgress::Running(request) | CallProgress::Cleared(request) = &last.progress
        {
            last.progress = CallProgress::Unknown(request.clone(), None);
        }
    }

    fn take_question(&mut self, time: Timestamp, opened: &ApprovalOpened) {
        let id = opened.approval.clone();
        if let Some(visit) = self.visits.get_mut(&opened.visit) {
            match (opened.asker, visit.calls.last_mut()) {
                (Asker::Call(_), Some(call)) => call.progress = CallProgress::Asking(id.clone()),
                (Asker::UnknownCall(_), Some(call)) => {
                    if let CallProgress::Unknown(_, approval) = &mut call.progress {
                        *approval = Some(id.clone());
                    }
                }
                (Asker::UnknownStep, _) => visit.activity = Activity::Unknown(Some(id.clone())),
                (Asker::Step | Asker::Call(_) | Asker::UnknownCall(_), _) => {
                    visit.activity = Activity::Asking(id.clone());
                }
            }
        }
        let approval = Approval {
            visit: opened.visit,
            asker: opened.asker,
            question: opened.question.clone(),
            digest: opened.digest,
            due: opened.due,
            opened_at: time,
            decision: None,
            open: true,
        };
        self.approvals.insert(id, approval);
    }

    fn take_decision(&mut self, time: Timestamp, decided: &ApprovalDecided) {
        let Some(approval) = self.approvals.get_mut(&decided.approval) else { return };
        approval.shut();
        approval.decision = Some((decided.action.clone(), decided.by.name.clone()));
        let Some(visit) = self.visits.get_mut(&approval.visit) else { return };
        match (approval.asker, visit.calls.last_mut()) {
            (Asker::Call(_), Some(call)) => {
                let answer = json!({
                    "action": decided.action,
                    "data": decided.data.clone().into_value(),
                    "by": decided.by.name,
                });
                call.progress = CallProgress::Answered { response: Arc::new(Ok(answer)), at: Some(time) };
            }
            // Anything else than `retry` is followed by a `CallCompleted` in the same commit.
            (Asker::UnknownCall(_), Some(call)) => {
                if let CallProgress::Unknown(request, _) = &call.progress {
                    call.progress = CallProgress::Cleared(request.clone());
                }
                // The time that the person took was not the agent's.
                visit.deadline = visit.timeout.map(|timeout| time.after(timeout));
            }
            (Asker::Step | Asker::UnknownStep | Asker::Call(_) | Asker::UnknownCall(_), _) => {
                visit.activity = Activity::Arrived;
            }
        }
    }

    fn end(&mut self, time: Timestamp, phase: Phase) {
        self.phase = phase;
        for id in std::mem::take(&mut self.active) {
            self.finish(time, id, Activity::Cancelled);
        }
        self.approvals.values_mut().for_each(Approval::shut);
    }
}

impl Approval {
    const fn shut(&mut self) {
        self.open = false;
    }
}
