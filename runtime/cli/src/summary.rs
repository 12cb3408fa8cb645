//! One line for each event, for `pawl events`.

use pawl_core::call::CallRequest;
use pawl_core::event::{
    ApprovalDecided, ApprovalOpened, Asker, Awaited, Because, Entry, Event, Payload, SlotRequested,
    ToolAsked, Work,
};
use pawl_core::taint::Reached;
use pawl_core::travel::{Ancestor, RunForked};
use pawl_core::{Failure, FrameId, MemoryScope, VisitId};
use serde_json::Value;

use crate::budgets;
use crate::output::is_command;

/// The longest text that is shown in full: a failure or a panic, in characters.
const WHOLE_MAX_CHARS: usize = 4_000;
/// The longest value that is shown in a line, in characters.
const VALUE_MAX_CHARS: usize = 100;

/// What an event says, in one line.
#[expect(clippy::too_many_lines, reason = "one arm an event")]
pub(crate) fn of(event: &Event) -> String {
    match event {
        Event::RunStarted(s) => {
            let of = s.ancestor.map(|ancestor| format!(", {}", made_of(ancestor))).unwrap_or_default();
            format!("{} {} by {} with {}{of}", s.workflow, s.version, s.by.name, payload(&s.inputs))
        }
        Event::StepStarted { visit, step, because, frame } => {
            format!("{step} (visit {visit}{}): {}", in_frame(*frame), why(*because))
        }
        Event::StepSkipped { visit, step, because, frame } => {
            format!("{step} (visit {visit}{}): {}; its `if` does not hold", in_frame(*frame), why(*because))
        }
        Event::ItemsTaken { .. }
        | Event::FrameStarted { .. }
        | Event::TurnStarted { .. }
        | Event::FrameCompleted { .. }
        | Event::FrameFailed { .. }
        | Event::FrameCancelled { .. } => of_frame(event),
        Event::AttemptStarted { .. }
        | Event::AttemptFailed { .. }
        | Event::ToolLogged { .. }
        | Event::CallStarted { .. }
        | Event::AgentCalled { .. }
        | Event::TaskHandedOver { .. }
        | Event::CallCompleted { .. }
        | Event::OutcomeUnknown { .. } => of_attempt(event),
        Event::DeadlineSet { .. }
        | Event::PrioritySet { .. }
        | Event::SlotRequested(_)
        | Event::SlotTaken { .. }
        | Event::VarsSet { .. }
        | Event::Tainted(_)
        | Event::UndoKept { .. }
        | Event::UndoStarted { .. } => of_course(event),
        Event::RouteRequested(_)
        | Event::RouteChosen(_)
        | Event::RouteAwaited(_)
        | Event::RouteReopened { .. }
        | Event::RouteExhausted { .. } => of_route(event),
        Event::BudgetSet(_)
        | Event::BudgetReserved(_)
        | Event::BudgetSettled(_)
        | Event::BudgetWarned(_)
        | Event::BudgetExceeded(_)
        | Event::BudgetRaised(_) => budgets::summary(event),
        Event::ToolAsked(asked) => tool_asked(asked),
        Event::ApprovalOpened(opened) => asked(opened),
        Event::ApprovalDecided(decided) => decision(decided),
        Event::ApprovalClaimed(_)
        | Event::ApprovalReleased(_)
        | Event::ApprovalDelegated(_)
        | Event::ApprovalCommented(_)
        | Event::ApprovalVoted(_)
        | Event::ApprovalEscalated(_) => crate::inbox::summary(event),
        Event::WaitStarted { .. }
        | Event::ListenStarted { .. }
        | Event::SignalReceived(_)
        | Event::SignalTaken { .. }
        | Event::TopicHeard { .. }
        | Event::Emitted { .. }
        | Event::ChildStarted { .. }
        | Event::ChildEnded { .. }
        | Event::ChildCancelled { .. } => of_outside(event),
        Event::StepCompleted { visit, output } => format!("visit {visit}: {}", payload(output)),
        Event::StepFailed { visit, failure } => format!("visit {visit}: {}", failed(failure)),
        Event::RunCompleted { .. }
        | Event::RunFailed { .. }
        | Event::RunCancelled { .. }
        | Event::RunRetried(_)
        | Event::RunSuspended(_)
        | Event::StepHeld(_)
        | Event::RunResumed(_)
        | Event::RunForked(_)
        | Event::InputsChanged(_)
        | Event::DefinitionChanged(_)
        | Event::OutputChanged(_) => of_run(event),
    }
}

/// The events of attempts and of their calls.
fn of_attempt(event: &Event) -> String {
    match event {
        Event::AttemptStarted { visit, attempt, work, .. } => {
            let work = work.as_deref().map(|work| format!(": {}", work_with_input(work)));
            format!("visit {visit}, attempt {attempt}{}", work.unwrap_or_default())
        }
        Event::AttemptFailed { visit, attempt, failure, retry_at } => {
            let again = retry_at.map(|at| format!("; again at {at}")).unwrap_or_default();
            format!("visit {visit}, attempt {attempt}: {}{again}", failed(failure))
        }
        Event::ToolLogged { visit, lines, .. } => {
            let lines: Vec<_> = lines.iter().map(|line| one_line(&line.message)).collect();
            format!("visit {visit}: {}", lines.join(" / "))
        }
        Event::CallStarted { visit, call, request, .. } => {
            format!("visit {visit}, call {call}: {}", self::call(request))
        }
        Event::AgentCalled { visit, caller, call } => {
            format!("visit {visit}: called by visit {caller}, call {call}")
        }
        Event::TaskHandedOver { visit, attempt, to } => {
            format!("visit {visit}, attempt {attempt}: to agent {}", one_line(to))
        }
        Event::CallCompleted { visit, call, request, response, .. } => {
            let asked = request.as_ref().map(|request| format!("{} ", self::call(request)));
            let answer = match response {
                Ok(value) => payload(value),
                Err(failure) => failed(failure),
            };
            format!("visit {visit}, call {call}: {}gave {answer}", asked.unwrap_or_default())
        }
        Event::OutcomeUnknown { visit, call, reason } => {
            let call = call.map(|call| format!(", call {call}")).unwrap_or_default();
            format!("visit {visit}{call}: {}", one_line(reason))
        }
        _ => String::new(),
    }
}

/// The events of routes.
fn of_route(event: &Event) -> String {
    match event {
        Event::RouteRequested(requested) => {
            format!("visit {}: {} with {}", requested.visit, requested.query, payload(&requested.input))
        }
        Event::RouteChosen(chosen) => {
            let good = chosen.candidates.iter().filter(|candidate| candidate.left_out.is_none()).count();
            let tool = chosen.tool.as_ref().map(|tool| format!(".{tool}")).unwrap_or_default();
            format!("visit {}: {}{tool} of {good}: {}", chosen.visit, chosen.chosen, one_line(&chosen.reason))
        }
        Event::RouteAwaited(awaited) => format!("visit {}: {}", awaited.visit, one_line(&awaited.reason)),
        Event::RouteReopened { visit, failed } => {
            let without = failed.as_ref().map(|name| format!(" without {}", one_line(name)));
            format!("visit {visit}: another one is looked for{}", without.unwrap_or_default())
        }
        Event::RouteExhausted { visit, retry_at } => {
            format!("visit {visit}: all have failed; again at {retry_at}")
        }
        _ => String::new(),
    }
}

/// The events about waits, and about what comes from outside the run or goes there.
fn of_outside(event: &Event) -> String {
    match event {
        Event::WaitStarted { visit, until } => format!("visit {visit}: until {until}"),
        Event::ListenStarted { visit, awaited, until } => {
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            format!("visit {visit}: for {}{until}", self::awaited(awaited))
        }
        Event::SignalReceived(signal) => {
            format!("{} {} by {}: {}", signal.number, signal.name, signal.by.name, payload(&signal.data))
        }
        Event::SignalTaken { visit, signal, .. } => format!("visit {visit}: signal {signal}"),
        Event::TopicHeard { visit, topic, data, from, .. } => {
            format!("visit {visit}: {topic}, event {} of run {}: {}", from.seq, from.run, payload(data))
        }
        Event::Emitted { visit, topic, data } => format!("visit {visit}: {topic}: {}", payload(data)),
        Event::ChildStarted { visit, child, workflow, inputs, .. } => {
            format!("visit {visit}: {workflow} as run {child}: {}", payload(inputs))
        }
        Event::ChildEnded { visit, child } | Event::ChildCancelled { visit, child } => {
            format!("visit {visit}: run {child}")
        }
        _ => String::new(),
    }
}

/// What a step waits for that comes from outside its run.
pub(crate) fn awaited(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Signal(name) => format!("the signal '{name}'"),
        Awaited::Topic(pattern) => format!("an event on {pattern}"),
    }
}

fn tool_asked(asked: &ToolAsked) -> String {
    let call = asked.call.map(|call| format!(", call {call}")).unwrap_or_default();
    let request = asked.request.as_ref().map(|request| format!(": {}", self::call(request)));
    let again = if asked.state.is_some() { ", with the server's state" } else { "" };
    format!(
        "visit {}{call}{}; {} asked{again}",
        asked.visit,
        request.unwrap_or_default(),
        asked.questions.len()
    )
}

fn asked(opened: &ApprovalOpened) -> String {
    let due = opened.due.map(|due| format!("; due {due}")).unwrap_or_default();
    let asker = match opened.asker {
        Asker::Step => String::new(),
        Asker::Call(call) => format!(", call {call}"),
        Asker::UnknownStep | Asker::UnknownCall(_) => ", unknown outcome".into(),
        Asker::GuardedStep => ", guarded".into(),
        Asker::GuardedCall(call) => format!(", guarded call {call}"),
        Asker::ToolStep => ", its tool".into(),
        Asker::ToolCall(call) => format!(", the tool of call {call}"),
        Asker::BudgetStep => ", beyond its budget".into(),
        Asker::BudgetCall(call) => format!(", call {call} beyond its budget"),
    };
    let title = one_line(&opened.question.title);
    format!("visit {}{asker}: {} \"{title}\"{due}", opened.visit, opened.approval)
}

fn decision(decided: &ApprovalDecided) -> String {
    let comment = decided.comment.as_deref().map(|text| format!(": {}", one_line(text)));
    let (by, via) = (&decided.by.name, &decided.by.via);
    let data = payload(&decided.data);
    let comment = comment.unwrap_or_default();
    let action = one_line(&decided.action);
    let instead =
        decided.instead_of.as_deref().map(|of| format!(" for {}", one_line(of))).unwrap_or_default();
    format!("{} {action} by {by}{instead} via {via} with {data}{comment}", decided.approval)
}

/// Where a run comes from.
pub(crate) fn made_of(ancestor: Ancestor) -> String {
    match ancestor {
        Ancestor::Rerun { run } => format!("as run {run}"),
        Ancestor::Forked { run, seq } => format!("from event {seq} of run {run} on"),
    }
}

/// What is other in a rehearsal.
fn rehearsed(forked: &RunForked) -> String {
    let Some(rehearsal) = &forked.rehearsal else { return String::new() };
    let kind = if rehearsal.dry { "dry rehearsal" } else { "rehearsal" };
    let agents = forked.agents.iter().map(|(name, pin)| format!("agent {name} as {}", pin.component));
    let model = rehearsal.model.iter().map(|model| format!("model {model}"));
    let other: Vec<_> = agents.chain(model).collect();
    let other = if other.is_empty() { String::new() } else { format!(" with {}", other.join(", ")) };
    format!(": a {kind} of run {}{other}", rehearsal.run)
}

pub(crate) fn whose(visit: Option<VisitId>) -> String {
    visit.map_or_else(|| "the run".to_owned(), |visit| format!("visit {visit}"))
}

/// What an event says of time that runs out, of slots, of variables and of what is undone.
fn of_course(event: &Event) -> String {
    match event {
        Event::DeadlineSet { visit, total } => format!("{}, over by {total}", whose(*visit)),
        Event::PrioritySet { visit, priority } => format!("{}: {priority}", whose(*visit)),
        Event::SlotRequested(requested) => {
            let SlotRequested { visit, key, limit, priority, until, .. } = &**requested;
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            format!("{}: '{key}', of {limit}, with priority {priority}{until}", whose(*visit))
        }
        Event::SlotTaken { visit } => whose(*visit),
        Event::Tainted(tainted) => {
            let what = match &tainted.what {
                Reached::Visit(visit) => format!("visit {visit}"),
                Reached::Var(name) => format!("vars.{name}"),
                Reached::Outputs => "outputs".to_owned(),
            };
            format!("{what}: by {}", one_line(&tainted.sources.to_string()))
        }
        Event::VarsSet { visit, vars } => {
            let by = visit.map_or_else(|| "at the start".to_owned(), |visit| format!("visit {visit}"));
            format!("{by}: {}", payload(vars))
        }
        Event::UndoKept { visit, uses } => {
            let uses: Vec<&str> = uses.iter().map(pawl_core::StepId::as_str).collect();
            let with = if uses.is_empty() { String::new() } else { format!(" with {}", uses.join(", ")) };
            format!("visit {visit}{with}")
        }
        Event::UndoStarted { failure, step, .. } => {
            let step = step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            format!("{step}{}", one_line(&failure.to_string()))
        }
        _ => String::new(),
    }
}

/// What an event says of the run as a whole.
fn of_run(event: &Event) -> String {
    match event {
        Event::RunCompleted { outputs } => payload(outputs),
        Event::RunFailed { failure, step } => {
            let step = step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            format!("{step}{}", failed(failure))
        }
        Event::RunCancelled { by, reason } => {
            let reason = reason.as_deref().map(|text| format!(": {}", one_line(text)));
            format!("by {}{}", by.name, reason.unwrap_or_default())
        }
        Event::RunRetried(retried) => {
            let what = if retried.again { "another attempt" } else { "another visit of its step" };
            format!("visit {}: {what}, by {}", retried.visit, retried.by.name)
        }
        Event::RunSuspended(suspended) => {
            let reason = suspended.reason.as_deref().map(|text| format!(": {}", one_line(text)));
            format!("by {}{}", suspended.by.name, reason.unwrap_or_default())
        }
        Event::StepHeld(held) => format!("{}{}: {}", held.step, in_frame(held.frame), why(held.because)),
        Event::RunResumed(resumed) => format!("by {}", resumed.by.name),
        Event::RunForked(forked) => format!("by {}{}", forked.by.name, rehearsed(forked)),
        Event::InputsChanged(changed) => format!("by {}: {}", changed.by.name, payload(&changed.inputs)),
        Event::DefinitionChanged(changed) => {
            let reason = changed.reason.as_deref().map(|text| format!(": {}", one_line(text)));
            let (from, to) = (&changed.from_version, &changed.version);
            format!(
                "{} to {} by {}{}",
                one_line(from),
                one_line(to),
                changed.by.name,
                reason.unwrap_or_default()
            )
        }
        Event::OutputChanged(changed) => {
            let place = in_frame(changed.frame);
            format!("{}{place} by {}: {}", changed.step, changed.by.name, payload(&changed.output))
        }
        _ => String::new(),
    }
}

/// What an event of a list of steps within a step says.
fn of_frame(event: &Event) -> String {
    match event {
        Event::ItemsTaken { visit, items } => format!("visit {visit}: {}", payload(items)),
        Event::FrameStarted { frame, visit, entry } => {
            format!("frame {frame} in visit {visit}: {}", entered(entry))
        }
        Event::TurnStarted { frame, turn } => format!("frame {frame}: turn {}", turn.saturating_add(1)),
        Event::FrameCompleted { frame } | Event::FrameCancelled { frame } => format!("frame {frame}"),
        Event::FrameFailed { frame, failure } => {
            format!("frame {frame}: {}", failed(failure))
        }
        _ => String::new(),
    }
}

fn in_frame(frame: FrameId) -> String {
    if frame.is_root() { String::new() } else { format!(", frame {frame}") }
}

fn entered(entry: &Entry) -> String {
    match entry {
        Entry::Undo { .. } => "undo".into(),
        Entry::Branch(number) => format!("branch {}", number + 1),
        Entry::Item(number) => format!("item {number}"),
        Entry::Loop => "the first turn".into(),
        Entry::Catch { failure } => format!("catch {}", failed(failure)),
        Entry::Finally { outcome: Ok(_) } => "finally, after it gave an output".into(),
        Entry::Finally { outcome: Err(failure) } => {
            format!("finally, after {}", failed(failure))
        }
    }
}

fn why(because: Because) -> String {
    match because {
        Because::First => "the first step".into(),
        Because::Next => "the next step".into(),
        Because::Needs => "what it needs is done".into(),
        Because::Then => "`then` leads here".into(),
        Because::Branch(number) => format!("branch {} of `then` leads here", number + 1),
        Because::Retried => "tried again".into(),
        Because::Case(number) => format!("case {} of `switch` leads here", number + 1),
    }
}

/// What an attempt does: `tool orders.lookup`.
pub(crate) fn work(work: &Work) -> String {
    match work {
        Work::Tool { plugin, tool, .. } => format!("tool {plugin}.{tool}"),
        Work::Agent { agent, .. } => format!("agent {agent}"),
    }
}

fn work_with_input(given: &Work) -> String {
    let (Work::Tool { arguments: input, .. } | Work::Agent { input, .. }) = given;
    format!("{} {}", work(given), payload(input))
}

/// What an agent asked for: `orders.lookup {"id":"A-1"}`.
pub(crate) fn call(request: &CallRequest) -> String {
    match request {
        CallRequest::ToolList => "tools.list".into(),
        CallRequest::AgentList => "agents.list".into(),
        CallRequest::Tool { name, arguments } => format!("{} {}", one_line(name), value(arguments)),
        CallRequest::Agent { name, task } => format!("agent {} {}", one_line(name), value(task)),
        CallRequest::Signal { name, .. } => format!("waits for the signal {}", one_line(name)),
        CallRequest::Human(question) => format!("asks \"{}\"", one_line(&question.title)),
        CallRequest::MemoryGet { key, scope } => {
            format!("memory.get {}{}", one_line(key), remembered_by(scope.as_ref()))
        }
        CallRequest::MemoryPut { key, value: kept, scope } => {
            format!("memory.put {} {}{}", one_line(key), value(kept), remembered_by(scope.as_ref()))
        }
        CallRequest::Sleep { duration } => format!("sleeps {duration}"),
        CallRequest::Log { message, .. } => format!("log \"{}\"", one_line(message)),
        CallRequest::Model { profile, request } => {
            format!("asks the model {} \"{}\"", one_line(profile), one_line(newest(request)))
        }
        CallRequest::Denied { capability, .. } => format!("{} (denied)", one_line(capability)),
    }
}

/// The newest message of a conversation.
fn newest(request: &serde_json::Value) -> &str {
    let messages = request.get("messages").and_then(serde_json::Value::as_array);
    let newest = messages.and_then(|messages| messages.last()?.get("text")?.as_str());
    newest.unwrap_or_default()
}

/// Whose memory it is, when it is not the run's.
fn remembered_by(memory: Option<&MemoryScope>) -> String {
    memory.map(|memory| format!(" (memory of {})", one_line(&memory.to_string()))).unwrap_or_default()
}

pub(crate) fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Inline(inline) => value(inline),
        Payload::Blob(digest) => format!("(a value with digest {})", digest.short()),
    }
}

/// A value in one line, cut where it is long.
pub(crate) fn value(value: &Value) -> String {
    cut(&value.to_string())
}

/// Text in full, line by line, as far as it can be of use. What a guest wrote cannot move the cursor.
pub(crate) fn whole(text: &str) -> String {
    let plain = text.chars().map(|c| if is_command(c) { ' ' } else { c });
    let plain: String = plain.take(WHOLE_MAX_CHARS).collect();
    plain.trim_end().to_owned()
}

/// A failure in one line, in full.
fn failed(failure: &Failure) -> String {
    whole(&failure.to_string()).replace('\n', " ")
}

/// Text in one line, cut where it is long. What a guest wrote cannot move the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_command(c) || c == '\n' { ' ' } else { c }).collect();
    cut(&plain)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_guests_stay_where_they_are_written() {
        let text = "a\u{1b}[2J\rb\u{202e}c\nd";
        assert_eq!(one_line(text), "a [2J b c d");
        assert_eq!(whole(text), "a [2J b c\nd");
    }
}
