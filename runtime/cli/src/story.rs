//! A run as people see it: its steps with what they did, told by its events.
//! Feeds the progress lines of a run and the table of `pawl show`.

use std::collections::BTreeMap;

use pawl_core::call::CallRequest;
use pawl_core::event::{ApprovalDecided, Asker, Awaited, Entry, Event, SlotRequested, ToolAsked};
use pawl_core::journal::Envelope;
use pawl_core::travel::RunRetried;
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Duration, Failure, FrameId, StepId, Timestamp, VisitId};

use crate::{budgets, summary};

/// One arrival at a step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Its id.
    pub(crate) id: String,
    /// What it does: `tool orders.lookup`; empty where the events do not say.
    pub(crate) work: String,
    /// Where it stands.
    pub(crate) status: Status,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// When it was reached.
    pub(crate) started: Timestamp,
    /// When it was done.
    pub(crate) ended: Option<Timestamp>,
    /// What there is to say: an answer, a failure.
    pub(crate) note: String,
    /// An agent's calls, in order; of its latest attempt.
    pub(crate) calls: Vec<Call>,
}

/// One call of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its number in the attempt.
    pub(crate) number: u32,
    /// What was asked.
    pub(crate) text: String,
    /// How it ended; nothing while it is open.
    pub(crate) answer: Option<String>,
    /// Whether it is of interest to who watches: not memory, lists and the like.
    pub(crate) shown: bool,
    /// Whether the answer is of interest.
    pub(crate) answers: bool,
}

impl Step {
    fn new(id: String, status: Status, started: Timestamp) -> Self {
        let (work, note) = (String::new(), String::new());
        Self { id, work, status, attempts: 0, started, ended: None, note, calls: Vec::new() }
    }

    /// How long it took, once it is done.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.since(self.started))
    }
}

/// The steps of a run in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    steps: BTreeMap<VisitId, Step>,
    asked: BTreeMap<ApprovalId, (VisitId, Asker)>,
    /// The visit within which each frame is, and what tells it from its like.
    frames: BTreeMap<FrameId, (VisitId, String)>,
    /// The visit that is undone in each frame of an `undo`.
    undone: BTreeMap<FrameId, VisitId>,
    /// The frame of each visit that is not the workflow's own.
    framed: BTreeMap<VisitId, FrameId>,
    /// The limits of the run's own budget that are nearly reached.
    warnings: Vec<String>,
    /// When the run failed.
    failed: Option<Timestamp>,
    /// The visits of agents that are called, by who calls them.
    called: BTreeMap<(VisitId, u32), VisitId>,
}

impl Story {
    /// A run's story as far as its journal goes.
    pub(crate) fn of(envelopes: &[Envelope]) -> Self {
        let mut story = Self::default();
        for envelope in envelopes {
            story.tell(envelope);
        }
        story
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.values()
    }

    pub(crate) fn step(&self, visit: VisitId) -> Option<&Step> {
        self.steps.get(&visit)
    }

    /// What the run's own budget warns of.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The visit that an approval belongs to, and who asked.
    pub(crate) fn asked(&self, approval: &ApprovalId) -> Option<(VisitId, Asker)> {
        self.asked.get(approval).copied()
    }

    /// The visit that is undone in a frame, where it is one of an `undo`.
    pub(crate) fn undone_in(&self, frame: FrameId) -> Option<VisitId> {
        self.undone.get(&frame).copied()
    }

    /// Takes in the next event.
    pub(crate) fn tell(&mut self, envelope: &Envelope) {
        let time = envelope.time;
        match &envelope.event {
            Event::StepStarted { visit, step, frame, .. } => {
                self.framed.insert(*visit, *frame);
                let id = self.name(step, *frame);
                self.steps.insert(*visit, Step::new(id, Status::Running, time));
            }
            Event::AgentCalled { visit, caller, call } => self.call_agent(*visit, (*caller, *call), time),
            Event::StepSkipped { visit, step, frame, .. } => {
                let mut skipped = Step::new(self.name(step, *frame), Status::Skipped, time);
                skipped.ended = Some(time);
                self.steps.insert(*visit, skipped);
            }
            Event::ApprovalOpened(opened) => {
                self.asked.insert(opened.approval.clone(), (opened.visit, opened.asker));
                self.change(opened.visit, |step| {
                    step.status = match opened.asker {
                        Asker::Step
                        | Asker::Call(_)
                        | Asker::GuardedStep
                        | Asker::GuardedCall(_)
                        | Asker::BudgetStep
                        | Asker::BudgetCall(_)
                        | Asker::ToolStep
                        | Asker::ToolCall(_) => Status::Waiting,
                        Asker::UnknownStep | Asker::UnknownCall(_) => Status::Unknown,
                    };
                    if opened.asker == Asker::Step {
                        "human".clone_into(&mut step.work);
                    }
                    if let (Asker::GuardedStep, Some(CallRequest::Tool { name, .. })) =
                        (opened.asker, opened.question.call())
                    {
                        step.work = format!("tool {}", summary::one_line(&name));
                    }
                });
            }
            Event::ToolAsked(asked) => self.tool_asked(asked),
            Event::ApprovalDecided(decided) => self.decided(decided),
            Event::RunCancelled { .. } | Event::UndoStarted { .. } => {
                for step in self.steps.values_mut().filter(|step| step.ended.is_none()) {
                    step.status = Status::Cancelled;
                    step.ended = Some(time);
                }
            }
            Event::RunFailed { .. } => self.failed = Some(time),
            Event::RunRetried(retried) => self.retried(retried),
            Event::FrameStarted { frame, visit, entry } => self.enter(*frame, *visit, entry),
            Event::TurnStarted { frame, turn } => {
                if let Some((_, label)) = self.frames.get_mut(frame) {
                    *label = format!("[{turn}]");
                }
            }
            Event::FrameFailed { frame, .. } | Event::FrameCancelled { frame } => self.stop(*frame, time),
            event => {
                match event {
                    Event::CallCompleted { visit, call, response, .. } => {
                        self.end_called((*visit, *call), response.as_ref().err(), time);
                    }
                    Event::AttemptFailed { visit, .. } => self.stop_called(*visit, time),
                    _ => {}
                }
                self.tell_of_step(event, time);
            }
        }
    }

    /// An agent that is called is shown as a step within the caller's.
    fn call_agent(&mut self, visit: VisitId, caller: (VisitId, u32), time: Timestamp) {
        let id = self.steps.get(&caller.0).map(|step| format!("{}/{}", step.id, caller.1));
        if let Some(frame) = self.framed.get(&caller.0).copied() {
            self.framed.insert(visit, frame);
        }
        self.called.insert(caller, visit);
        self.steps.insert(visit, Step::new(id.unwrap_or_default(), Status::Running, time));
    }

    /// The call of another agent is over, and its visit with it.
    fn end_called(&mut self, caller: (VisitId, u32), failure: Option<&Failure>, time: Timestamp) {
        let Some(visit) = self.called.remove(&caller) else { return };
        self.change(visit, |step| {
            step.ended = Some(time);
            step.status = if failure.is_some() { Status::Failed } else { Status::Completed };
            step.note = failure.map(|failure| summary::one_line(&failure.to_string())).unwrap_or_default();
        });
    }

    /// What a visit has called is stopped with its attempt.
    fn stop_called(&mut self, caller: VisitId, time: Timestamp) {
        let stopped: Vec<_> = self.called.iter().filter(|((by, _), _)| *by == caller).collect();
        let stopped: Vec<_> = stopped.into_iter().map(|(call, visit)| (*call, *visit)).collect();
        for (call, visit) in stopped {
            self.called.remove(&call);
            self.stop_called(visit, time);
            self.change(visit, |step| {
                step.ended = Some(time);
                step.status = Status::Cancelled;
            });
        }
    }

    /// A step's id with the items and turns around it: `pay[3]`.
    fn name(&self, step: &StepId, frame: FrameId) -> String {
        let mut labels = Vec::new();
        let mut at = frame;
        while let Some((visit, label)) = self.frames.get(&at) {
            labels.push(label.as_str());
            at = self.framed.get(visit).copied().unwrap_or_default();
        }
        labels.reverse();
        format!("{step}{}", labels.concat())
    }

    fn enter(&mut self, frame: FrameId, visit: VisitId, entry: &Entry) {
        let (label, work) = match entry {
            Entry::Branch(_) => (String::new(), Some("parallel")),
            Entry::Item(number) => (format!("[{number}]"), Some("map")),
            Entry::Loop => ("[0]".to_owned(), Some("loop")),
            Entry::Catch { .. } | Entry::Finally { .. } | Entry::Undo { .. } => (String::new(), None),
        };
        self.frames.insert(frame, (visit, label));
        if let Entry::Undo { .. } = entry {
            self.undone.insert(frame, visit);
        }
        if let Entry::Catch { failure } = entry {
            self.change(visit, |step| step.note = summary::one_line(&failure.to_string()));
        }
        if let Some(work) = work {
            self.change(visit, |step| work.clone_into(&mut step.work));
        }
    }

    /// What was under way in a frame, and in frames within it, is not needed any more.
    fn stop(&mut self, frame: FrameId, time: Timestamp) {
        let visits: Vec<VisitId> =
            self.framed.iter().filter(|(_, at)| **at == frame).map(|(id, _)| *id).collect();
        for visit in visits {
            let within = self.frames.iter().filter(|(_, (holder, _))| *holder == visit);
            for inner in within.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.stop(inner, time);
            }
            self.change(visit, |step| {
                if step.ended.is_none() {
                    step.status = Status::Cancelled;
                    step.ended = Some(time);
                }
            });
        }
    }

    /// What the failure ended goes on, but for a visit that another takes the place of.
    fn retried(&mut self, retried: &RunRetried) {
        let failed = self.failed.take();
        for (id, step) in &mut self.steps {
            let ended = matches!(step.status, Status::Failed | Status::Cancelled) && step.ended == failed;
            if ended && (retried.again || *id != retried.visit) {
                step.status = Status::Running;
                step.ended = None;
            }
        }
    }

    fn tell_of_step(&mut self, event: &Event, time: Timestamp) {
        match event {
            Event::AttemptStarted { visit, attempt, work, .. } => self.change(*visit, |step| {
                if let Some(work) = work {
                    step.work = summary::work(work);
                }
                step.attempts = *attempt;
                step.status = Status::Running;
                step.calls.clear();
            }),
            Event::AttemptFailed { visit, failure, retry_at, .. } => self.change(*visit, |step| {
                step.note = summary::one_line(&failure.to_string());
                if retry_at.is_some() {
                    step.status = Status::Waiting;
                }
            }),
            Event::CallStarted { visit, call, request, .. } => {
                self.change(*visit, |step| step.open_call(*call, request));
            }
            Event::CallCompleted { visit, call, request, response, .. } => self.change(*visit, |step| {
                if let Some(request) = request {
                    step.open_call(*call, request);
                }
                step.status = Status::Running;
                if let Some(call) = step.call_mut(*call) {
                    let answer = response.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
                    call.answer = Some(summary::one_line(&answer));
                }
            }),
            Event::BudgetExceeded(exceeded) => self.change(exceeded.visit, |step| {
                step.status = Status::Waiting;
                step.note = format!("beyond its budget: {}", budgets::short(&exceeded.short));
                if let (Some(call), Some(request)) = (exceeded.call, &exceeded.request) {
                    step.open_call(call, request);
                }
            }),
            Event::BudgetWarned(warned) => {
                let told = budgets::warned(warned);
                self.warn(warned.of, told);
            }
            Event::OutcomeUnknown { visit, reason, .. } => self.change(*visit, |step| {
                step.status = Status::Unknown;
                step.note = summary::one_line(reason);
            }),
            Event::Emitted { visit, topic, .. } => self.change(*visit, |step| {
                step.work = format!("emit {topic}");
            }),
            Event::ChildStarted { visit, child, workflow, .. } => self.change(*visit, |step| {
                step.status = Status::Waiting;
                step.work = format!("workflow {workflow}");
                step.note = format!("run {child}");
            }),
            Event::StepCompleted { visit, .. } => self.change(*visit, |step| {
                step.status = Status::Completed;
                step.ended = Some(time);
                if step.work != "human" {
                    step.note.clear();
                }
            }),
            Event::StepFailed { visit, failure } => self.change(*visit, |step| {
                step.status = Status::Failed;
                step.ended = Some(time);
                step.note = summary::one_line(&failure.to_string());
            }),
            event if event.approval().is_some() => self.tell_of_inbox(event),
            _ => self.tell_of_wait(event),
        }
    }

    /// What is done with an open approval stands beside the step that asks.
    fn tell_of_inbox(&mut self, event: &Event) {
        let Some((visit, _)) = event.approval().and_then(|approval| self.asked(approval)) else { return };
        let note = match event {
            Event::ApprovalClaimed(claimed) => format!("held by {}", claimed.by.name),
            Event::ApprovalReleased(_) => String::new(),
            Event::ApprovalDelegated(delegated) => format!("delegated to {}", delegated.to.join(", ")),
            Event::ApprovalVoted(voted) => {
                format!("{}, by {}; more must answer", voted.action, voted.by.name)
            }
            Event::ApprovalEscalated(escalated) => format!("escalated to {}", escalated.to.join(", ")),
            _ => return,
        };
        self.change(visit, |step| step.note = summary::one_line(&note));
    }

    fn tell_of_wait(&mut self, event: &Event) {
        match event {
            Event::WaitStarted { visit, until } => self.change(*visit, |step| {
                step.status = Status::Waiting;
                "wait".clone_into(&mut step.work);
                step.note = format!("until {until}");
            }),
            Event::RouteAwaited(awaited) => self.change(awaited.visit, |step| {
                step.status = Status::Waiting;
                step.note = summary::one_line(&awaited.reason);
            }),
            Event::RouteChosen(chosen) => self.change(chosen.visit, |step| {
                step.status = Status::Running;
                step.note.clear();
            }),
            Event::RouteExhausted { visit, .. } => self.change(*visit, |step| step.status = Status::Waiting),
            Event::SlotRequested(requested) => self.wait_for_slot(requested),
            Event::SlotTaken { visit: Some(visit) } => self.change(*visit, Step::take_slot),
            Event::ListenStarted { visit, awaited, until } => self.change(*visit, |step| {
                step.status = Status::Waiting;
                match awaited {
                    Awaited::Signal(_) => "signal".clone_into(&mut step.work),
                    Awaited::Topic(_) => "wait".clone_into(&mut step.work),
                }
                let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
                step.note = format!("for {}{until}", summary::awaited(awaited));
            }),
            _ => {}
        }
    }

    /// A limit that is nearly reached: told by its step, or by the run.
    fn tool_asked(&mut self, asked: &ToolAsked) {
        self.change(asked.visit, |step| {
            step.status = Status::Waiting;
            if let (Some(call), Some(request)) = (asked.call, &asked.request) {
                step.open_call(call, request);
            }
        });
    }

    fn warn(&mut self, of: Option<VisitId>, told: String) {
        match of {
            Some(visit) => self.change(visit, |step| step.note = told),
            None => self.warnings.push(told),
        }
    }

    fn wait_for_slot(&mut self, requested: &SlotRequested) {
        let Some(visit) = requested.visit else { return };
        self.change(visit, |step| {
            step.status = Status::Waiting;
            step.note = format!("for a slot of '{}'", requested.key);
        });
    }

    fn decided(&mut self, decided: &ApprovalDecided) {
        let Some((visit, asker)) = self.asked(&decided.approval) else { return };
        let answer = answer(decided);
        self.change(visit, |step| {
            step.status = Status::Running;
            let asking = if let Asker::Call(call) = asker { step.call_mut(call) } else { None };
            match asking {
                Some(call) => call.answer = Some(answer),
                None => step.note = answer,
            }
        });
    }

    fn change(&mut self, visit: VisitId, change: impl FnOnce(&mut Step)) {
        if let Some(step) = self.steps.get_mut(&visit) {
            change(step);
        }
    }
}

impl Step {
    fn take_slot(&mut self) {
        self.status = Status::Running;
        self.note.clear();
    }

    /// A call by its number; those that are made together end in any order.
    pub(crate) fn call(&self, number: u32) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.number == number)
    }

    fn call_mut(&mut self, number: u32) -> Option<&mut Call> {
        self.calls.iter_mut().rev().find(|call| call.number == number)
    }

    fn open_call(&mut self, number: u32, request: &CallRequest) {
        let shown = matches!(
            request,
            CallRequest::Tool { .. }
                | CallRequest::Agent { .. }
                | CallRequest::Signal { .. }
                | CallRequest::Human(_)
                | CallRequest::Sleep { .. }
                | CallRequest::Log { .. }
                | CallRequest::Model { .. }
                | CallRequest::Denied { .. }
        );
        let answers = !matches!(request, CallRequest::Log { .. });
        self.calls.push(Call { number, text: summary::call(request), answer: None, shown, answers });
    }
}

/// What was chosen and by whom: `approve, by user:ann`.
pub(crate) fn answer(decided: &ApprovalDecided) -> String {
    format!("{}, by {}", decided.action, decided.by.name)
}
