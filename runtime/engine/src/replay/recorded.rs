//! What a journal holds of each attempt of an agent.
//!
//! A state lets go of a visit's calls when the visit is done. So the journal is
//! folded event by event, and what is about to be lost is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use pawl_core::event::{ApprovalOpened, Asker, Entry, Event, Work};
use pawl_core::journal::Envelope;
use pawl_core::state::{Activity, CallProgress, Calls};
use pawl_core::travel::Ancestor;
use pawl_core::{Failure, FailureKind, RunId, RunState, StepId, Timestamp, VisitId};
use serde_json::Value;

/// One attempt as it was recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The run in which it ran: in a forked run, that may be the other.
    pub(super) run: RunId,
    pub(super) seq: u64,
    pub(super) step: StepId,
    pub(super) visit: VisitId,
    pub(super) attempt: u32,
    pub(super) work: Arc<Work>,
    pub(super) started_at: Timestamp,
    pub(super) calls: Calls,
    /// What was asked, by call.
    pub(super) requests: BTreeMap<u32, Value>,
    pub(super) end: End,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum End {
    /// It gave an output.
    Completed(Value),
    /// The agent failed by itself.
    Failed(Failure),
    /// It handed its task over to another agent, with this input.
    HandedOver(String, Value),
    /// It goes on, or was stopped from outside.
    Open,
}

/// All attempts of agents, in the order in which they began.
pub(super) fn recorded(run: RunId, envelopes: &[Envelope]) -> Vec<Recorded> {
    let mut fold = Fold {
        state: RunState::new(run),
        live: BTreeMap::new(),
        done: Vec::new(),
        handing: None,
        forked: None,
    };
    for envelope in envelopes {
        fold.take(envelope);
    }
    fold.stop_all(u64::MAX);
    fold.done.sort_by_key(|recorded| recorded.seq);
    fold.done
}

/// An attempt that is under way: where it began, and what was asked.
#[derive(Debug)]
struct Live {
    seq: u64,
    requests: BTreeMap<u32, Value>,
}

struct Fold {
    state: RunState,
    live: BTreeMap<VisitId, Live>,
    done: Vec<Recorded>,
    /// The visit whose task was handed over: its next attempt, the next event, is another agent's.
    handing: Option<VisitId>,
    /// The run that the first events come from, and the last of these.
    forked: Option<(RunId, u64)>,
}

impl Fold {
    fn take(&mut self, envelope: &Envelope) {
        let seq = envelope.seq;
        match &envelope.event {
            Event::RunStarted(started) => {
                if let Some(Ancestor::Forked { run, seq }) = started.ancestor {
                    self.forked = Some((run, seq));
                }
            }
            Event::StepCompleted { visit, output }
            | Event::FrameStarted { visit, entry: Entry::Finally { outcome: Ok(output) }, .. } => {
                self.close(*visit, End::Completed(output.clone().into_value()), seq);
            }
            Event::AttemptFailed { visit, failure, .. } => self.close(*visit, end_of(failure), seq),
            Event::TaskHandedOver { visit, .. } => self.handing = Some(*visit),
            Event::AttemptStarted { visit, work, .. } => {
                let end = match work.as_deref().filter(|_| self.handing.take() == Some(*visit)) {
                    Some(Work::Agent { agent, input, .. }) => {
                        End::HandedOver(agent.clone(), input.clone().into_value())
                    }
                    Some(Work::Tool { .. }) | None => End::Open,
                };
                self.close(*visit, end, seq);
            }
            Event::FrameStarted { visit, .. } => self.close(*visit, End::Open, seq),
            Event::FrameFailed { .. }
            | Event::FrameCancelled { .. }
            | Event::UndoStarted { .. }
            | Event::RunFailed { .. }
            | Event::RunCancelled { .. } => self.stop_all(seq),
            Event::CallStarted { visit, call, request, .. }
            | Event::CallCompleted { visit, call, request: Some(request), .. } => {
                // What a person changed of a guarded call is not what the agent asked.
                if let Some(live) = self.live.get_mut(visit) {
                    live.requests.entry(*call).or_insert_with(|| request.to_json());
                }
            }
            Event::ApprovalOpened(opened) => self.asked(opened),
            Event::BudgetExceeded(exceeded) => {
                if let (Some(live), Some(call), Some(request)) =
                    (self.live.get_mut(&exceeded.visit), exceeded.call, &exceeded.request)
                {
                    live.requests.entry(call).or_insert_with(|| request.to_json());
                }
            }
            Event::ToolAsked(asked) => {
                if let (Some(live), Some(call), Some(request)) =
                    (self.live.get_mut(&asked.visit), asked.call, &asked.request)
                {
                    live.requests.entry(call).or_insert_with(|| request.to_json());
                }
            }
            // The answer to a call of another agent is that agent's own end.
            Event::CallCompleted { visit, call, request: None, response: Ok(output), .. } => {
                if let Some(called) = self.called(*visit, *call) {
                    self.close(called, End::Completed(output.clone().into_value()), seq);
                }
            }
            _ => {}
        }
        self.state.apply(envelope.time, &envelope.event);
        match &envelope.event {
            Event::AttemptStarted { visit, .. } => self.begin(*visit, seq),
            // What was not stopped after all is still under way.
            Event::FrameFailed { .. } | Event::FrameCancelled { .. } | Event::RunRetried(_) => {
                let active: Vec<_> = self.state.active().map(|(id, _)| id).collect();
                for visit in active {
                    self.begin_again(visit);
                }
            }
            _ => {}
        }
    }

    /// A rule stopped a call: what the agent asked stands in the question.
    fn asked(&mut self, opened: &ApprovalOpened) {
        if let (Asker::GuardedCall(call), Some(live)) = (opened.asker, self.live.get_mut(&opened.visit))
            && let Some(request) = opened.question.call()
        {
            live.requests.entry(call).or_insert_with(|| request.to_json());
        }
    }

    /// The visit of the agent that a call waits for.
    fn called(&self, visit: VisitId, call: u32) -> Option<VisitId> {
        match self.state.visit(visit)?.calls.get(call)?.progress {
            CallProgress::Calling(called) => Some(called),
            _ => None,
        }
    }

    fn begin(&mut self, id: VisitId, seq: u64) {
        let is_agent = self.state.visit(id).is_some_and(|visit| {
            matches!(visit.activity, Activity::Attempting)
                && matches!(visit.work.as_deref(), Some(Work::Agent { .. }))
        });
        if is_agent {
            self.live.insert(id, Live { seq, requests: BTreeMap::new() });
        }
    }

    /// Takes back that an attempt was stopped.
    fn begin_again(&mut self, id: VisitId) {
        let Some(visit) = self.state.visit(id) else { return };
        let is_same = |recorded: &Recorded| {
            recorded.visit == id
                && recorded.attempt == visit.attempt
                && recorded.started_at == visit.attempt_at
                && matches!(recorded.end, End::Open)
        };
        if matches!(visit.activity, Activity::Attempting)
            && let Some(at) = self.done.iter().rposition(is_same)
        {
            let Recorded { seq, requests, .. } = self.done.remove(at);
            self.live.insert(id, Live { seq, requests });
        }
    }

    fn stop_all(&mut self, seq: u64) {
        for visit in self.live.keys().copied().collect::<Vec<_>>() {
            self.close(visit, End::Open, seq);
        }
    }

    /// An attempt is over with this event, and with it those of the agents that it has called.
    fn close(&mut self, id: VisitId, end: End, ended: u64) {
        let Some(Live { seq, requests }) = self.live.remove(&id) else { return };
        let is_called = |called: &VisitId| {
            self.state.visit(*called).is_some_and(|visit| visit.caller.is_some_and(|(by, _)| by == id))
        };
        for called in self.live.keys().copied().filter(is_called).collect::<Vec<_>>() {
            self.close(called, End::Open, ended);
        }
        let Some((visit, work)) = self.state.visit(id).and_then(|visit| Some((visit, visit.work.clone()?)))
        else {
            return;
        };
        let run = match self.forked {
            Some((run, taken)) if ended <= taken => run,
            _ => self.state.id(),
        };
        self.done.push(Recorded {
            run,
            seq,
            step: visit.step.clone(),
            visit: id,
            attempt: visit.attempt,
            work,
            started_at: visit.attempt_at,
            calls: visit.calls.clone(),
            requests,
            end,
        });
    }
}

/// Only what the agent's own code came to can come again.
fn end_of(failure: &Failure) -> End {
    match failure.kind {
        FailureKind::Timeout
        | FailureKind::Limit
        | FailureKind::Trap
        | FailureKind::Cancelled
        | FailureKind::Budget
        | FailureKind::Diverged => End::Open,
        _ => End::Failed(failure.clone()),
    }
}
