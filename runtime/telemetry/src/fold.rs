//! The spans of a run, made of its journal event by event.
//!
//! A span is given with the event that ends it. What a run does has one each: the run (`invoke_workflow`), every visit
//! of a step, every attempt (`invoke_agent`, `execute_tool`), and every call of an agent (`chat`, `execute_tool`, a
//! question to a person …). Nothing of what steps, tools and models say to each other is in them unless the operator
//! says so, and no words of failures, which may repeat it.

mod begin;
mod close;
mod content;
mod describe;

use std::collections::BTreeMap;

use pawl_core::event::{Event, Payload, Work};
use pawl_core::journal::Envelope;
use pawl_core::operator::Content;
use pawl_core::trace::{SpanId, SpanOf, TraceContext, TraceId};
use pawl_core::{ApprovalId, Digest, FrameId, RunId, StepId, Timestamp, VisitId};

use crate::span::{Attribute, Attributes, Kind, Link, Note, Span};
use close::End;
pub use content::CONTENT_MAX_BYTES;

/// What is told to have happened during one span; of more it is told how many there were.
pub const NOTES_MAX: usize = 64;

/// What the spans of a run are made with, beside its journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Who provides each model, by the operator's name for it.
    pub(crate) providers: &'a BTreeMap<String, String>,
    /// What of that which is said is in spans.
    pub(crate) content: Content,
    /// The trace of the run whose step started this one.
    pub(crate) parent: Option<(TraceId, bool)>,
    /// The trace of the run that this one is a fork or a rerun of.
    pub(crate) ancestor: Option<TraceId>,
}

/// The spans of a run that are open.
#[derive(Debug)]
pub struct Trace {
    run: RunId,
    /// Spans that end with an event up to this seq were given before.
    from: u64,
    of: TraceId,
    state: Option<String>,
    sampled: bool,
    root: Open,
    workflow: String,
    version: String,
    /// How often it went on after it had failed.
    time: u32,
    forks: u32,
    /// Whether it was told which trace the run is in that it is a fork of.
    ancestor_known: bool,
    visits: BTreeMap<VisitId, Visit>,
    /// What the failure that the run is ending with cut off, which a retry brings back.
    cut: BTreeMap<VisitId, Visit>,
    cut_frames: BTreeMap<FrameId, VisitId>,
    frames: BTreeMap<FrameId, VisitId>,
    approvals: BTreeMap<ApprovalId, VisitId>,
    /// The spans of those who sent the signals that no step has taken yet.
    senders: BTreeMap<u32, Link>,
    ended: bool,
}

/// A span that has not ended.
#[derive(Debug, Clone)]
struct Open {
    id: SpanId,
    parent: Option<SpanId>,
    start: Timestamp,
    notes: Vec<Note>,
    notes_dropped: u32,
    links: Vec<Link>,
}

#[derive(Debug, Clone)]
struct Visit {
    open: Open,
    step: StepId,
    frame: FrameId,
    /// The agent's call that it belongs to.
    caller: Option<(VisitId, u32)>,
    attempt: Option<Attempt>,
    /// What its attempts do.
    doing: Option<Doing>,
}

/// What an attempt does, as spans say it.
#[derive(Debug, Clone)]
enum Doing {
    Agent(String),
    /// With what it was given, where that is told.
    Tool(String, Attributes),
}

#[derive(Debug, Clone)]
struct Attempt {
    open: Open,
    number: u32,
    /// When the last of its calls that are known was over: a call that was recorded when it was over began then.
    free: Timestamp,
    calls: BTreeMap<u32, Call>,
    /// What came of it, where that is told.
    said: Attributes,
}

#[derive(Debug, Clone)]
struct Call {
    open: Open,
    name: String,
    kind: Kind,
    attributes: Attributes,
    /// What answers, and what is told of that.
    of: CallOf,
}

/// What a call is answered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallOf {
    /// A model, whose answer says what it used.
    Model,
    Tool,
    Other,
}

impl Open {
    fn new(id: SpanId, parent: Option<SpanId>, start: Timestamp) -> Self {
        Self { id, parent, start, notes: Vec::new(), notes_dropped: 0, links: Vec::new() }
    }

    fn note(&mut self, at: Timestamp, name: &'static str, attributes: Attributes) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(Note { at, name, attributes });
        } else {
            self.notes_dropped = self.notes_dropped.saturating_add(1);
        }
    }
}

impl Trace {
    /// The spans of a run whose events are all still to come. Those that end with an event up to `from` are not given.
    pub fn new(run: RunId, from: u64) -> Self {
        Self {
            run,
            from,
            of: TraceId::of(run),
            state: None,
            sampled: true,
            root: Open::new(SpanOf::Run.id(run, 0), None, Timestamp(0)),
            workflow: String::new(),
            version: String::new(),
            time: 0,
            forks: 0,
            ancestor_known: false,
            visits: BTreeMap::new(),
            cut: BTreeMap::new(),
            cut_frames: BTreeMap::new(),
            frames: BTreeMap::new(),
            approvals: BTreeMap::new(),
            senders: BTreeMap::new(),
            ended: false,
        }
    }

    /// Whether the run is over, so that all spans were given.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Which trace the run is in, and whether it is recorded.
    pub(crate) const fn within(&self) -> (TraceId, bool) {
        (self.of, self.sampled)
    }

    /// The value that is needed of an event, and lies elsewhere.
    pub(crate) fn wants(&self, event: &Event) -> Option<Digest> {
        let Event::CallCompleted { visit, call, request, response: Ok(Payload::Blob(digest)), .. } = event
        else {
            return None;
        };
        let open = || self.visits.get(visit)?.attempt.as_ref()?.calls.get(call);
        let is_chat = match request {
            Some(request) => describe::is_chat(request),
            None => open().is_some_and(|call| call.of == CallOf::Model),
        };
        is_chat.then_some(*digest)
    }

    /// Takes in the next event, and gives the spans that end with it.
    pub(crate) fn take(&mut self, known: Known<'_>, envelope: &Envelope) -> Vec<Span> {
        let mut given = Vec::new();
        self.apply(known, envelope, &mut given);
        if envelope.seq <= self.from || !self.sampled {
            given.clear();
        }
        given
    }

    fn apply(&mut self, known: Known<'_>, envelope: &Envelope, given: &mut Vec<Span>) {
        let (at, seq) = (envelope.time, envelope.seq);
        // What follows on a failure in one go may bring it to the run's end; anything else goes on without what it cut
        // off.
        if !matches!(
            envelope.event,
            Event::StepFailed { .. }
                | Event::FrameFailed { .. }
                | Event::FrameCancelled { .. }
                | Event::RunFailed { .. }
                | Event::RunRetried(_)
        ) {
            self.cut.clear();
            self.cut_frames.clear();
        }
        match &envelope.event {
            Event::RunStarted(started) => self.start(known, at, started),
            Event::RunForked(forked) => self.fork(at, seq, forked),
            Event::RunRetried(retried) => self.retry(at, seq, retried),
            Event::RunSuspended(_) => self.root.note(at, "run.suspended", Vec::new()),
            Event::RunResumed(_) => self.root.note(at, "run.resumed", Vec::new()),
            Event::RunCompleted { .. } => self.end_run(at, "completed", None, given),
            Event::RunFailed { failure, .. } => {
                self.end_run(at, "failed", Some(failure.kind.name()), given);
            }
            Event::RunCancelled { .. } => self.end_run(at, "cancelled", None, given),
            Event::StepStarted { visit, step, frame, .. } => self.arrive(at, *visit, step, *frame, None),
            Event::StepSkipped { visit, step, frame, .. } => {
                self.arrive(at, *visit, step, *frame, None);
                self.end_visit(at, *visit, End::Skipped, given);
            }
            Event::StepCompleted { visit, output } => {
                self.say_result(known, *visit, output);
                self.end_visit(at, *visit, End::Completed, given);
            }
            Event::StepFailed { visit, failure } => {
                self.end_visit(at, *visit, End::Failed(failure.kind.name()), given);
            }
            Event::FrameStarted { frame, visit, .. } => drop(self.frames.insert(*frame, *visit)),
            Event::FrameCompleted { frame }
            | Event::FrameFailed { frame, .. }
            | Event::FrameCancelled { frame } => self.end_frame(at, *frame, given),
            Event::UndoStarted { .. } => self.end_visits(at, |_| true, given),
            event => self.apply_within(known, at, event, given),
        }
    }

    /// The events of attempts, calls and what they wait for.
    fn apply_within(&mut self, known: Known<'_>, at: Timestamp, event: &Event, given: &mut Vec<Span>) {
        match event {
            Event::AttemptStarted { visit, attempt, work, .. } => {
                self.end_attempt(at, *visit, End::Cancelled, given);
                self.begin_attempt(known, at, (*visit, *attempt), work.as_deref());
            }
            Event::AttemptFailed { visit, failure, retry_at, .. } => {
                self.end_attempt(at, *visit, End::Failed(failure.kind.name()), given);
                if retry_at.is_some() {
                    let kind = failure.kind.name().into();
                    self.note(at, *visit, "retry.scheduled", vec![("error.type", kind)]);
                }
            }
            Event::TaskHandedOver { visit, to, .. } => {
                self.end_attempt(at, *visit, End::Completed, given);
                self.note(at, *visit, "task.handed_over", vec![("gen_ai.agent.name", to.as_str().into())]);
            }
            Event::CallStarted { visit, call, request, .. } => {
                self.begin_call(known, at, *visit, *call, request);
            }
            Event::CallCompleted { visit, call, request, response, .. } => {
                self.end_call(known, at, (*visit, *call), (request.as_ref(), response), given);
            }
            Event::AgentCalled { visit, caller, call } => {
                if let Some(by) = self.visits.get(caller) {
                    let (step, frame) = (by.step.clone(), by.frame);
                    self.arrive(at, *visit, &step, frame, Some((*caller, *call)));
                }
            }
            Event::ChildStarted { visit, child, .. } => {
                let link =
                    Link { trace: TraceId::of(*child), span: SpanOf::Run.id(*child, 0), relation: "child" };
                if let Some(visit) = self.visits.get_mut(visit) {
                    visit.open.links.push(link);
                }
            }
            Event::SignalReceived(_) | Event::SignalTaken { .. } | Event::TopicHeard { .. } => {
                self.link_sender(event);
            }
            Event::ApprovalOpened(opened) => {
                self.approvals.insert(opened.approval.clone(), opened.visit);
                self.note(at, opened.visit, "approval.opened", Vec::new());
            }
            Event::ApprovalDecided(decided) => {
                if let Some(visit) = self.approvals.remove(&decided.approval) {
                    let action = decided.action.as_str().into();
                    self.note(at, visit, "approval.decided", vec![("pawl.approval.action", action)]);
                }
            }
            Event::OutcomeUnknown { visit, .. } => self.note(at, *visit, "outcome.unknown", Vec::new()),
            Event::RouteChosen(chosen) => {
                let plugin = chosen.chosen.as_str().into();
                self.note(at, chosen.visit, "route.chosen", vec![("pawl.plugin", plugin)]);
            }
            Event::RouteAwaited(awaited) => self.note(at, awaited.visit, "route.awaited", Vec::new()),
            Event::BudgetExceeded(exceeded) => self.note(at, exceeded.visit, "budget.exceeded", Vec::new()),
            Event::SlotRequested(requested) => self.note_maybe(at, requested.visit, "slot.requested"),
            Event::SlotTaken { visit } => self.note_maybe(at, *visit, "slot.taken"),
            // The rest has no time of its own.
            _ => {}
        }
    }

    /// A step that takes a signal, or hears of an event, is linked with who sent it, where they were in a trace.
    fn link_sender(&mut self, event: &Event) {
        let sender = |at: &TraceContext| Link { trace: at.trace, span: at.span, relation: "sender" };
        let (visit, link) = match event {
            Event::SignalReceived(received) => {
                if let Some(trace) = received.trace.as_ref().filter(|_| self.senders.len() < NOTES_MAX) {
                    self.senders.insert(received.number, sender(trace));
                }
                return;
            }
            Event::SignalTaken { visit, signal, .. } => (visit, self.senders.remove(signal)),
            Event::TopicHeard { visit, trace, .. } => (visit, trace.as_deref().map(sender)),
            _ => return,
        };
        if let (Some(link), Some(visit)) = (link, self.visits.get_mut(visit)) {
            visit.open.links.push(link);
        }
    }

    /// The span that a visit is a part of.
    fn parent_of(&self, frame: FrameId, caller: Option<(VisitId, u32)>) -> SpanId {
        if let Some((by, call)) = caller {
            let attempt = self.visits.get(&by).and_then(|visit| visit.attempt.as_ref());
            let open = attempt.and_then(|attempt| attempt.calls.get(&call)).map(|call| call.open.id);
            return open.unwrap_or_else(|| {
                let number = attempt.map_or(1, |attempt| attempt.number);
                SpanOf::Call(by, number, call).id(self.run, 0)
            });
        }
        let Some(around) = self.frames.get(&frame) else { return self.root.id };
        let open = self.visits.get(around).map(|visit| visit.open.id);
        // What is undone is a part of a visit that has ended.
        open.unwrap_or_else(|| SpanOf::Visit(*around).id(self.run, 0))
    }

    fn arrive(
        &mut self,
        at: Timestamp,
        id: VisitId,
        step: &StepId,
        frame: FrameId,
        caller: Option<(VisitId, u32)>,
    ) {
        let parent = Some(self.parent_of(frame, caller));
        let open = Open::new(SpanOf::Visit(id).id(self.run, 0), parent, at);
        let visit = Visit { open, step: step.clone(), frame, caller, attempt: None, doing: None };
        self.visits.insert(id, visit);
    }

    fn begin_attempt(
        &mut self,
        known: Known<'_>,
        at: Timestamp,
        (id, number): (VisitId, u32),
        work: Option<&Work>,
    ) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        match work {
            Some(Work::Agent { agent, .. }) => visit.doing = Some(Doing::Agent(agent.clone())),
            Some(Work::Tool { plugin, tool, arguments, .. }) => {
                let mut said = Attributes::new();
                if known.content.tools() {
                    content::say_payload(&mut said, "gen_ai.tool.call.arguments", arguments);
                }
                visit.doing = Some(Doing::Tool(format!("{plugin}.{tool}"), said));
            }
            None => {}
        }
        let span = SpanOf::Attempt(id, number).id(self.run, 0);
        let open = Open::new(span, Some(visit.open.id), at);
        visit.attempt =
            Some(Attempt { open, number, free: at, calls: BTreeMap::new(), said: Attributes::new() });
    }

    /// What a step's tool gave.
    fn say_result(&mut self, known: Known<'_>, id: VisitId, output: &Payload) {
        let Some(visit) = self.visits.get_mut(&id).filter(|_| known.content.tools()) else { return };
        if let (Some(Doing::Tool(..)), Some(attempt)) = (&visit.doing, &mut visit.attempt) {
            content::say_payload(&mut attempt.said, "gen_ai.tool.call.result", output);
        }
    }

    fn note(&mut self, at: Timestamp, visit: VisitId, name: &'static str, attributes: Attributes) {
        if let Some(visit) = self.visits.get_mut(&visit) {
            visit.open.note(at, name, attributes);
        }
    }

    fn note_maybe(&mut self, at: Timestamp, visit: Option<VisitId>, name: &'static str) {
        match visit {
            Some(visit) => self.note(at, visit, name, Vec::new()),
            None => self.root.note(at, name, Vec::new()),
        }
    }

    /// What every span of the run says.
    fn common(&self) -> Attributes {
        vec![("pawl.run", Attribute::Text(self.run.to_string()))]
    }
}

#[cfg(test)]
mod tests;
