use super::*;
use pawl_core::call::CallRequest;
use pawl_core::event::{Actor, Because, RunStarted, Work};
use pawl_core::trace::TraceContext;
use pawl_core::travel::{Ancestor, RunForked, RunRetried};
use pawl_core::{Duration, Failure, FailureKind};
use serde_json::json;

const RUN: RunId = RunId::from_bytes([7; 16]);
const VISIT: VisitId = VisitId(1);

fn someone() -> Actor {
    Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "cli".into() }
}

fn started(change: impl FnOnce(&mut RunStarted)) -> Event {
    let mut started = RunStarted {
        namespace: pawl_core::Namespace::default(),
        folder: None,
        workflow: "refund".into(),
        version: "1.0.0".into(),
        definition: Digest::of(b""),
        inputs: json!({"secret": "canary"}).into(),
        plugins: std::sync::Arc::default(),
        allowed: pawl_core::plugin::Permissions::default(),
        by: someone(),
        seed: Digest::of(b""),
        workflows: pawl_core::plugin::WorkflowPins::default(),
        parent: None,
        priority: None,
        allowance: pawl_core::budget::Amounts::default(),
        prices: pawl_core::budget::Prices::new(),
        ancestor: None,
        policy: pawl_core::guard::Policy::default(),
        trace: None,
    };
    change(&mut started);
    Event::RunStarted(Box::new(started))
}

fn arrives(visit: VisitId, frame: FrameId) -> Event {
    Event::StepStarted { visit, step: StepId::new("think"), because: Because::First, frame }
}

fn attempt(attempt: u32) -> Event {
    let work = Work::Agent {
        agent: "assistant".into(),
        component: Digest::of(b""),
        input: json!("canary").into(),
        memory: None,
    };
    Event::AttemptStarted { visit: VISIT, attempt, work: Some(Box::new(work)), deadline: None }
}

fn asked(call: u32) -> Event {
    let request = CallRequest::Model {
        profile: "fast".into(),
        request: json!({"messages": [{ "role": "user", "text": "canary" }]}),
    };
    let digest = request.digest();
    let answer = json!({
        "message": { "role": "assistant", "text": "canary" }, "finish": "stop", "model": "m-1", "profile": "fast",
        "usage": { "input_tokens": 12, "output_tokens": 3 },
    });
    Event::CallCompleted { visit: VISIT, call, request: Some(request), digest, response: Ok(answer.into()) }
}

fn failure() -> Failure {
    Failure::new(FailureKind::Permanent, "canary")
}

/// The spans of a journal whose events are a second apart, those after `from`.
fn spans(from: u64, events: &[Event]) -> Vec<Span> {
    spans_with(Content::None, from, events)
}

fn spans_with(content: Content, from: u64, events: &[Event]) -> Vec<Span> {
    let mut trace = Trace::new(RUN, from);
    let providers = BTreeMap::from([("fast".to_owned(), "openai".to_owned())]);
    let known = Known { providers: &providers, content, parent: None, ancestor: None };
    let mut given = Vec::new();
    for (seq, event) in (1..).zip(events) {
        let envelope = Envelope {
            version: 1,
            seq,
            time: Timestamp(seq * 1_000),
            prev: Digest::of(b""),
            event: event.clone(),
        };
        given.extend(trace.take(known, &envelope));
    }
    given
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn text<'s>(span: &'s Span, name: &str) -> Option<&'s Attribute> {
    span.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn whole() -> Vec<Event> {
    vec![
        started(|_| {}),
        arrives(VISIT, FrameId::ROOT),
        attempt(1),
        asked(1),
        Event::AttemptFailed {
            visit: VISIT,
            attempt: 1,
            failure: failure(),
            retry_at: Some(Timestamp(5_500)),
        },
        Event::AttemptStarted { visit: VISIT, attempt: 2, work: None, deadline: None },
        asked(1),
        Event::StepCompleted { visit: VISIT, output: json!("canary").into() },
        Event::RunCompleted { outputs: json!({}).into() },
    ]
}

#[test]
fn every_part_of_a_run_has_one_span_within_what_it_is_a_part_of() {
    let all = spans(0, &whole());
    assert_eq!(
        names(&all),
        [
            "chat fast",
            "invoke_agent assistant",
            "chat fast",
            "invoke_agent assistant",
            "step think",
            "invoke_workflow refund"
        ]
    );
    let [chat, failed, _, agent, step, run] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((chat.parent, failed.parent), (Some(failed.id), Some(step.id)));
    assert_eq!((agent.parent, step.parent, run.parent), (Some(step.id), Some(run.id), None));
    assert_eq!((run.start, run.end), (Timestamp(1_000), Timestamp(9_000)));
    assert_eq!((chat.start, chat.end, chat.kind), (Timestamp(3_000), Timestamp(4_000), Kind::Client));
    assert_eq!((failed.error, agent.error), (Some("permanent"), None));
    assert_eq!(step.notes[0].name, "retry.scheduled");
    assert_eq!(text(chat, "gen_ai.usage.input_tokens"), Some(&Attribute::Whole(12)));
    assert_eq!(text(chat, "gen_ai.response.model"), Some(&"m-1".into()));
    assert_eq!(text(chat, "gen_ai.provider.name"), Some(&"openai".into()));
    assert_eq!(text(chat, "gen_ai.conversation.id"), Some(&RUN.to_string().into()));
    let reasons = Attribute::List(vec!["stop".to_owned()]);
    assert_eq!(text(chat, "gen_ai.response.finish_reasons"), Some(&reasons));
    assert_eq!(text(agent, "gen_ai.operation.name"), Some(&"invoke_agent".into()));
    // What is said is nobody's business here.
    assert!(!format!("{all:?}").contains("canary"));
    let mut ids: Vec<_> = all.iter().map(|span| span.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn wherever_it_is_cut_the_spans_before_and_after_are_those_of_the_whole() {
    let events = whole();
    let all = spans(0, &events);
    for cut in 0..=events.len() {
        let mut parts = spans(0, &events[..cut]);
        parts.extend(spans(cut as u64, &events));
        assert_eq!(parts, all, "after event {cut}");
    }
}

#[test]
fn a_run_is_in_the_trace_of_whoever_started_it_and_not_recorded_where_that_is_not() {
    let outside = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let ended = Event::RunCompleted { outputs: json!({}).into() };
    let with = |flags: &str| {
        let context = TraceContext::parse(&format!("{outside}-{flags}"), Some("a=1"));
        spans(0, &[started(|started| started.trace = context), ended.clone()])
    };
    let all = with("01");
    assert_eq!(all[0].trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(all[0].parent.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(all[0].state.as_deref(), Some("a=1"));
    assert!(with("00").is_empty());
}

#[test]
fn what_a_failure_cuts_off_ends_and_goes_on_with_a_retry_under_other_ids() {
    let (around, inner, other) = (VisitId(1), VisitId(2), VisitId(3));
    let frames = [FrameId(1), FrameId(2)];
    let entry = |n| pawl_core::event::Entry::Branch(n);
    let mut events = vec![
        started(|_| {}),
        arrives(around, FrameId::ROOT),
        Event::FrameStarted { frame: frames[0], visit: around, entry: entry(0) },
        arrives(inner, frames[0]),
        Event::FrameStarted { frame: frames[1], visit: around, entry: entry(1) },
        arrives(other, frames[1]),
        Event::StepFailed { visit: inner, failure: failure() },
        Event::FrameFailed { frame: frames[0], failure: failure() },
        Event::FrameCancelled { frame: frames[1] },
        Event::StepFailed { visit: around, failure: failure() },
        Event::RunFailed { failure: failure(), step: Some(StepId::new("think")) },
    ];
    let failed = spans(0, &events);
    assert_eq!(failed.len(), 4, "{failed:?}");
    assert_eq!(text(&failed[1], "pawl.step.outcome"), Some(&"cancelled".into()));
    let retried = RunRetried { visit: inner, again: true, by: someone(), moved: Duration(0) };
    events.push(Event::RunRetried(Box::new(retried)));
    events.extend([
        Event::StepCompleted { visit: inner, output: json!(1).into() },
        Event::StepCompleted { visit: other, output: json!(1).into() },
        Event::StepCompleted { visit: around, output: json!(1).into() },
        Event::RunCompleted { outputs: json!({}).into() },
    ]);
    let all = spans(0, &events);
    assert_eq!(all[..4], failed);
    let [inner, other, around, again] = &all[4..] else { panic!("{all:?}") };
    assert_eq!([inner.parent, other.parent], [Some(around.id); 2]);
    assert_eq!((around.parent, again.parent), (Some(again.id), Some(failed[3].id)));
    let mut ids: Vec<_> = all.iter().map(|span| span.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

#[test]
fn a_fork_has_a_trace_of_its_own_and_leaves_the_others_spans_to_it() {
    let other = RunId::from_bytes([8; 16]);
    let forked = RunForked {
        by: someone(),
        moved: Duration(0),
        agents: pawl_core::plugin::PluginPins::default(),
        rehearsal: None,
        trace: None,
    };
    let mut events = whole();
    events.splice(4.., [Event::RunForked(Box::new(forked))]);
    events[0] = started(|started| started.ancestor = Some(Ancestor::Forked { run: other, seq: 4 }));
    events.push(Event::StepCompleted { visit: VISIT, output: json!(1).into() });
    events.push(Event::RunCompleted { outputs: json!({}).into() });
    let all = spans(0, &events);
    assert_eq!(names(&all), ["invoke_agent assistant", "step think", "invoke_workflow refund"]);
    assert!(all.iter().all(|span| span.start == Timestamp(5_000) && span.trace == TraceId::of(RUN)));
    let link = Link { trace: TraceId::of(other), span: SpanOf::Run.id(other, 0), relation: "ancestor" };
    assert_eq!(all[2].links, [link]);
}

#[test]
fn a_fork_that_was_made_within_a_trace_is_a_part_of_it() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = pawl_core::trace::TraceContext::parse(given, None).unwrap();
    let forked = RunForked {
        by: someone(),
        moved: Duration(0),
        agents: pawl_core::plugin::PluginPins::default(),
        rehearsal: None,
        trace: Some(context.clone()),
    };
    let other = RunId::from_bytes([9; 16]);
    let mut events = whole();
    events.splice(4.., [Event::RunForked(Box::new(forked))]);
    events[0] = started(|started| started.ancestor = Some(Ancestor::Forked { run: other, seq: 4 }));
    events.push(Event::StepCompleted { visit: VISIT, output: json!(1).into() });
    events.push(Event::RunCompleted { outputs: json!({}).into() });
    let all = spans(0, &events);
    assert!(all.iter().all(|span| span.trace == context.trace), "{all:?}");
    assert_eq!(all.last().unwrap().parent, Some(context.span));
}

#[test]
fn a_step_that_takes_a_signal_is_linked_with_who_sent_it() {
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = pawl_core::trace::TraceContext::parse(given, None).unwrap();
    let received = |number, trace| {
        Event::SignalReceived(Box::new(pawl_core::event::SignalReceived {
            number,
            name: "go".into(),
            data: json!(1).into(),
            by: someone(),
            key: None,
            trace,
        }))
    };
    let mut events = whole();
    let taken = |signal| Event::SignalTaken { visit: VISIT, signal, call: None };
    events.splice(2..2, [received(1, None), received(2, Some(context.clone())), taken(1), taken(2)]);
    let all = spans(0, &events);
    let step = all.iter().find(|span| span.name == "step think").unwrap();
    let link = Link { trace: context.trace, span: context.span, relation: "sender" };
    assert_eq!(step.links, [link]);
}

#[test]
fn notes_beyond_the_limit_are_counted_and_not_kept() {
    let mut events = vec![started(|_| {})];
    let resumed = pawl_core::travel::RunResumed { by: someone(), moved: Duration(0) };
    events.extend((0..NOTES_MAX + 5).map(|_| Event::RunResumed(Box::new(resumed.clone()))));
    events.push(Event::RunCompleted { outputs: json!({}).into() });
    let all = spans(0, &events);
    assert_eq!((all[0].notes.len(), all[0].notes_dropped), (NOTES_MAX, 5));
}

/// A step with a tool of an MCP server, and an agent that calls another.
fn with_tools() -> Vec<Event> {
    let work = Work::Tool {
        plugin: "mcp.files".into(),
        tool: "read".into(),
        component: Digest::of(b""),
        effect: pawl_core::plugin::EffectClass::Pure,
        arguments: json!({ "path": "canary-1" }).into(),
    };
    let request = CallRequest::Tool { name: "orders.lookup".into(), arguments: json!({ "id": "canary-2" }) };
    let digest = request.digest();
    let response = Ok(json!({ "found": "canary-3" }).into());
    let read = VisitId(2);
    vec![
        started(|_| {}),
        arrives(read, FrameId::ROOT),
        Event::AttemptStarted { visit: read, attempt: 1, work: Some(Box::new(work)), deadline: None },
        Event::StepCompleted { visit: read, output: json!({ "text": "canary-4" }).into() },
        arrives(VISIT, FrameId::ROOT),
        attempt(1),
        asked(1),
        Event::CallCompleted { visit: VISIT, call: 2, request: Some(request), digest, response },
        Event::StepCompleted { visit: VISIT, output: json!("done").into() },
        Event::RunCompleted { outputs: json!({}).into() },
    ]
}

#[test]
fn tools_are_told_by_the_conventions_and_those_of_servers_as_requests_to_them() {
    let all = spans(0, &with_tools());
    let named = |name: &str| all.iter().find(|span| span.name == name).unwrap();
    let (mcp, own) = (named("execute_tool mcp.files.read"), named("execute_tool orders.lookup"));
    assert_eq!((mcp.kind, own.kind), (Kind::Client, Kind::Internal));
    assert_eq!(text(mcp, "mcp.method.name"), Some(&"tools/call".into()));
    assert_eq!(text(mcp, "pawl.mcp.server"), Some(&"files".into()));
    assert_eq!(text(mcp, "gen_ai.tool.type"), Some(&"extension".into()));
    assert_eq!(text(own, "gen_ai.tool.type"), Some(&"function".into()));
    assert_eq!(text(own, "mcp.method.name"), None);
    for span in [mcp, own] {
        assert_eq!(text(span, "gen_ai.operation.name"), Some(&"execute_tool".into()));
    }
    // Each is within what asked for it.
    let (step, agent) = (named("step think"), named("invoke_agent assistant"));
    assert_eq!(own.parent, Some(agent.id));
    assert_eq!(agent.parent, Some(all.iter().rfind(|span| span.name == step.name).unwrap().id));
}

#[test]
fn what_is_said_is_in_spans_as_far_as_the_operator_says() {
    let events = with_tools();
    for (content, tools, models) in [
        (Content::None, false, false),
        (Content::Tools, true, false),
        (Content::Models, false, true),
        (Content::All, true, true),
    ] {
        let all = format!("{:?}", spans_with(content, 0, &events));
        for number in 1..=4 {
            assert_eq!(all.contains(&format!("canary-{number}")), tools, "{content:?}: {all}");
        }
        // What a model is asked and what it says, once each; other values of the run are in no span.
        let said = all.matches("canary\\\"").count();
        assert_eq!(said, if models { 2 } else { 0 }, "{content:?}: {all}");
        assert!(!all.contains("secret"), "{all}");
    }
}

#[test]
fn a_rerun_shows_the_trace_that_its_ancestor_is_in() {
    let other = RunId::from_bytes([8; 16]);
    let rerun = started(|started| started.ancestor = Some(Ancestor::Rerun { run: other }));
    let ended = Event::RunCompleted { outputs: json!({}).into() };
    let outside = TraceId::of(RunId::from_bytes([9; 16]));
    let providers = BTreeMap::new();
    for (ancestor, trace) in [(None, TraceId::of(other)), (Some(outside), outside)] {
        let known = Known { providers: &providers, content: Content::None, parent: None, ancestor };
        let (mut at, mut given) = (Trace::new(RUN, 0), Vec::new());
        for (seq, event) in (1..).zip([&rerun, &ended]) {
            let envelope = Envelope {
                version: 1,
                seq,
                time: Timestamp(seq),
                prev: Digest::of(b""),
                event: event.clone(),
            };
            given.extend(at.take(known, &envelope));
        }
        let link = Link { trace, span: SpanOf::Run.id(other, 0), relation: "ancestor" };
        assert_eq!(given[0].links, [link]);
    }
}
