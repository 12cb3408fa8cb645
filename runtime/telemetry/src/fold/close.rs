//! Spans that end.

use pawl_core::call::CallRequest;
use pawl_core::event::Payload;
use pawl_core::trace::SpanOf;
use pawl_core::{Failure, FrameId, Timestamp, VisitId};

use super::{Attempt, Call, CallOf, Doing, Known, Open, Trace, Visit, content, describe};
use crate::span::{Attributes, Kind, Span};

/// How something ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Completed,
    Skipped,
    /// Of this kind of failure.
    Failed(&'static str),
    /// Something around it ended first.
    Cancelled,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Skipped => "skipped",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Trace {
    fn close(
        &self,
        open: Open,
        at: Timestamp,
        (name, kind): (String, Kind),
        attributes: Attributes,
        end: End,
    ) -> Span {
        let mut all = self.common();
        all.extend(attributes);
        let error = if let End::Failed(kind) = end { Some(kind) } else { None };
        all.extend(error.map(|kind| ("error.type", kind.into())));
        Span {
            trace: self.of,
            state: self.state.clone(),
            id: open.id,
            parent: open.parent,
            name,
            kind,
            start: open.start,
            end: at.max(open.start),
            attributes: all,
            notes: open.notes,
            notes_dropped: open.notes_dropped,
            links: open.links,
            error,
        }
    }

    pub(super) fn end_run(
        &mut self,
        at: Timestamp,
        status: &'static str,
        error: Option<&'static str>,
        given: &mut Vec<Span>,
    ) {
        self.end_visits(at, |_| true, given);
        self.ended = true;
        let attributes = vec![
            ("gen_ai.operation.name", "invoke_workflow".into()),
            ("gen_ai.workflow.name", self.workflow.as_str().into()),
            ("gen_ai.conversation.id", self.run.to_string().into()),
            ("pawl.workflow.version", self.version.as_str().into()),
            ("pawl.run.status", status.into()),
        ];
        let again = Open::new(self.root.id, self.root.parent, at);
        let open = std::mem::replace(&mut self.root, again);
        let name = format!("invoke_workflow {}", self.workflow);
        let end = error.map_or(End::Completed, End::Failed);
        given.push(self.close(open, at, (name, Kind::Internal), attributes, end));
    }

    /// Ends the visits of a list of steps, which something around it has ended, and of lists within them.
    pub(super) fn end_frame(&mut self, at: Timestamp, frame: FrameId, given: &mut Vec<Span>) {
        self.end_visits(at, |visit| visit.frame == frame, given);
        self.cut_frames.extend(self.frames.remove_entry(&frame));
    }

    pub(super) fn end_visits(
        &mut self,
        at: Timestamp,
        which: impl Fn(&Visit) -> bool,
        given: &mut Vec<Span>,
    ) {
        let all: Vec<_> = self.visits.iter().filter(|(_, visit)| which(visit)).map(|(id, _)| *id).collect();
        for id in all {
            self.end_visit(at, id, End::Cancelled, given);
        }
    }

    pub(super) fn end_visit(&mut self, at: Timestamp, id: VisitId, end: End, given: &mut Vec<Span>) {
        let Some(visit) = self.visits.remove(&id) else { return };
        // What is within it ends before it.
        let within: Vec<_> =
            self.frames.iter().filter(|(_, around)| **around == id).map(|(frame, _)| *frame).collect();
        for frame in within {
            self.end_frame(at, frame, given);
        }
        self.end_visits(at, |other| other.caller.is_some_and(|(by, _)| by == id), given);
        if matches!(end, End::Failed(_) | End::Cancelled) {
            self.cut.insert(id, visit.clone());
        }
        let Visit { open, step, attempt, doing, caller, .. } = visit;
        if let Some(attempt) = attempt {
            self.close_attempt(at, id, (attempt, doing), end, given);
        }
        self.approvals.retain(|_, of| *of != id);
        let attributes = vec![
            ("pawl.step", step.as_str().into()),
            ("pawl.visit", id.0.into()),
            ("pawl.step.outcome", end.name().into()),
        ];
        let name = if caller.is_some() { format!("agent of {step}") } else { format!("step {step}") };
        given.push(self.close(open, at, (name, Kind::Internal), attributes, end));
    }

    pub(super) fn end_attempt(&mut self, at: Timestamp, id: VisitId, end: End, given: &mut Vec<Span>) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let Some(attempt) = visit.attempt.take() else { return };
        let doing = visit.doing.clone();
        self.end_visits(at, |other| other.caller.is_some_and(|(by, _)| by == id), given);
        self.close_attempt(at, id, (attempt, doing), end, given);
    }

    fn close_attempt(
        &self,
        at: Timestamp,
        id: VisitId,
        (attempt, doing): (Attempt, Option<Doing>),
        end: End,
        given: &mut Vec<Span>,
    ) {
        for call in attempt.calls.into_values() {
            given.push(self.close(call.open, at, (call.name, call.kind), call.attributes, End::Cancelled));
        }
        let (name, kind, mut attributes) = match doing {
            Some(Doing::Agent(agent)) => (
                format!("invoke_agent {agent}"),
                Kind::Internal,
                vec![
                    ("gen_ai.operation.name", "invoke_agent".into()),
                    ("gen_ai.agent.name", agent.into()),
                    ("gen_ai.conversation.id", self.run.to_string().into()),
                ],
            ),
            Some(Doing::Tool(tool, given)) => {
                let mut attributes = describe::tool(&tool);
                attributes.extend(given);
                (format!("execute_tool {tool}"), describe::kind_of(&tool), attributes)
            }
            None => ("attempt".to_owned(), Kind::Internal, Vec::new()),
        };
        content::add(&mut attributes, attempt.said);
        attributes.extend([("pawl.visit", id.0.into()), ("pawl.attempt", attempt.number.into())]);
        given.push(self.close(attempt.open, at, (name, kind), attributes, end));
    }

    pub(super) fn begin_call(
        &mut self,
        known: Known<'_>,
        at: Timestamp,
        id: VisitId,
        call: u32,
        request: &CallRequest,
    ) {
        let run = self.run;
        let Some((name, kind, attributes)) = describe::call(known, run, request) else { return };
        let Some(attempt) = self.visits.get_mut(&id).and_then(|visit| visit.attempt.as_mut()) else { return };
        let span = SpanOf::Call(id, attempt.number, call).id(run, 0);
        let open = Open::new(span, Some(attempt.open.id), at);
        let of = match request {
            CallRequest::Model { .. } => CallOf::Model,
            CallRequest::Tool { .. } => CallOf::Tool,
            _ => CallOf::Other,
        };
        attempt.calls.insert(call, Call { open, name, kind, attributes, of });
    }

    pub(super) fn end_call(
        &mut self,
        known: Known<'_>,
        at: Timestamp,
        (id, call): (VisitId, u32),
        (request, response): (Option<&CallRequest>, &Result<Payload, Failure>),
        given: &mut Vec<Span>,
    ) {
        let end =
            response.as_ref().map_or_else(|failure| End::Failed(failure.kind.name()), |_| End::Completed);
        let called: Vec<_> = self.visits.iter().filter(|(_, v)| v.caller == Some((id, call))).collect();
        for visit in called.into_iter().map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_visit(at, visit, end, given);
        }
        let Some(attempt) = self.visits.get_mut(&id).and_then(|visit| visit.attempt.as_mut()) else { return };
        let begun = attempt.calls.contains_key(&call);
        let free = std::mem::replace(&mut attempt.free, at);
        if let (false, Some(request)) = (begun, request) {
            self.begin_call(known, free, id, call, request);
        }
        let attempt = self.visits.get_mut(&id).and_then(|visit| visit.attempt.as_mut());
        let Some(ended) = attempt.and_then(|attempt| attempt.calls.remove(&call)) else { return };
        let mut attributes = ended.attributes;
        attributes.push(("pawl.call", call.into()));
        match (ended.of, response) {
            (CallOf::Model, Ok(Payload::Inline(answer))) => {
                content::add(&mut attributes, describe::answer(known, answer));
            }
            (CallOf::Tool, Ok(result)) if known.content.tools() => {
                content::say_payload(&mut attributes, "gen_ai.tool.call.result", result);
            }
            _ => {}
        }
        given.push(self.close(ended.open, at, (ended.name, ended.kind), attributes, end));
    }
}
