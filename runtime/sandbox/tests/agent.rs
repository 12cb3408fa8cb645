//! Agents: every call reaches their host, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use pawl_core::call::{CallRequest, LogLevel};
use pawl_core::plugin::{Description, Permissions, PluginKind};
use pawl_core::{Duration, Failure, FailureKind, Timestamp};
use pawl_sandbox::{AgentEnd, CallReply, Limits, Manifest, SandboxError};
use serde_json::{Value, json};
use support::{Guest, Script, agent, all_grants, answer, call, sandbox, task, text_at, tool};

const ECHO: &str = "(call $ok (local.get $input_ptr) (local.get $input_len))";
/// Calls `orders.get` with `[1]`, the answer at 3000.
const CALL: &str =
    "(call $call (i32.const 2000) (i32.const 10) (i32.const 2016) (i32.const 3) (i32.const 3000))";
/// What a tool answered as the agent's own result.
const GIVE: &str = "(call $ok (i32.load (i32.const 3008)) (i32.load (i32.const 3012)))";

fn caller(body: &str) -> Guest {
    agent(body)
        .import("pawl:plugin/tools@0.1.0", "call", "(param i32 i32 i32 i32 i32)")
        .items(&text_at(2000, "orders.get"))
        .items(&text_at(2016, "[1]"))
}

async fn end_with(guest: &Guest, grants: Permissions, limits: Limits, script: &Script) -> AgentEnd {
    let sandbox = sandbox();
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    sandbox.run_agent(&plugin, task(grants, limits), Box::new(script.clone())).await
}

async fn end(guest: &Guest, script: &Script) -> AgentEnd {
    end_with(guest, all_grants(), Limits::default(), script).await
}

#[track_caller]
fn check_failure(end: &AgentEnd, kind: FailureKind, part: &str) {
    let AgentEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(failure.message.contains(part), "{part:?} is not in: {failure}");
}

fn null() -> Script {
    Script::new(|_| answer(Value::Null, 2_000))
}

#[tokio::test]
async fn an_agent_describes_itself_and_completes() {
    let sandbox = sandbox();
    let plugin = sandbox.load(&agent(ECHO).build()).await.unwrap();
    assert_eq!(plugin.kind(), PluginKind::Agent);
    assert!(matches!(plugin.description(), Description::Agent(agent) if agent.summary == "An agent."));
    let script = null();
    let task = task(Permissions::default(), Limits::default());
    let end = sandbox.run_agent(&plugin, task, Box::new(script.clone())).await;
    assert_eq!(end, AgentEnd::Completed(json!({"n": 1})));
    assert_eq!(script.asked(), []);
}

#[tokio::test]
async fn an_agent_hands_off() {
    let guest = agent(
        "(drop (call $ok (local.get $input_ptr) (local.get $input_len)))
         (i32.store8 (i32.const 1032) (i32.const 1))
         (i32.store (i32.const 1036) (i32.const 2000)) (i32.store (i32.const 1040) (i32.const 6))
         (i32.store (i32.const 1044) (local.get $input_ptr)) (i32.store (i32.const 1048) (local.get $input_len))
         (i32.const 1024)",
    )
    .items(&text_at(2000, "writer"));
    let expected = AgentEnd::Handoff { agent: "writer".into(), input: json!({"n": 1}) };
    assert_eq!(end(&guest, &null()).await, expected);
}

#[tokio::test]
async fn calls_reach_the_host_and_their_answers_the_guest() {
    let script = Script::new(|_| answer(json!({"order": 7}), 2_000));
    let done = end(&caller(&format!("{CALL} {GIVE}")), &script).await;
    assert_eq!(done, AgentEnd::Completed(json!({"order": 7})));
    let expected = CallRequest::Tool { name: "orders.get".into(), arguments: json!([1]) };
    assert_eq!(script.asked(), [expected]);
}

#[tokio::test]
async fn failures_of_calls_are_the_guests_to_handle() {
    let script = Script::new(|_| CallReply::Answer {
        response: Err(Failure::new(FailureKind::Denied, "\"no\"")),
        now: Timestamp(2_000),
    });
    // The message of the failure, which stands where the result would, is the agent's result.
    let body = format!(
        "{CALL} (if (i32.ne (i32.load8_u (i32.const 3008)) (i32.const 3)) (then unreachable))
         (call $ok (i32.load (i32.const 3012)) (i32.load (i32.const 3016)))"
    );
    assert_eq!(end(&caller(&body), &script).await, AgentEnd::Completed(json!("no")));
}

#[tokio::test]
async fn suspending_unwinds_and_aborting_fails() {
    let guest = caller(&format!("{CALL} {GIVE}"));
    assert_eq!(end(&guest, &Script::new(|_| CallReply::Suspend)).await, AgentEnd::Suspended);
    let abort = Script::new(|_| CallReply::Abort(Failure::new(FailureKind::Diverged, "other arguments")));
    check_failure(&end(&guest, &abort).await, FailureKind::Diverged, "other arguments");
}

#[tokio::test]
async fn nothing_is_told_to_the_host_after_it_aborted() {
    // Text without a line's end becomes a line only when the instance is gone.
    let guest = caller(&format!(
        "(call $-method-output-stream-blocking-write-and-flush (call $get-stderr) (i32.const 2000) (i32.const 5) (i32.const 3032))
         {CALL} {GIVE}"
    ))
    .import("wasi:cli/stderr@0.2.12", "get-stderr", "(result i32)")
    .import("wasi:io/streams@0.2.12", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)");
    let script = Script::new(|request| {
        let what = if matches!(request, CallRequest::Log { .. }) { "the line" } else { "the call" };
        CallReply::Abort(Failure::new(FailureKind::Diverged, what))
    });
    check_failure(&end(&guest, &script).await, FailureKind::Diverged, "the call");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_failure_that_the_agent_returns_is_told_apart() {
    let body = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 1))
        (i32.store (i32.const 1036) (i32.const 2000)) (i32.store (i32.const 1040) (i32.const 4))
        (i32.store8 (i32.const 1044) (i32.const 0)) (i32.store8 (i32.const 1056) (i32.const 0)) (i32.const 1024)";
    let gave_up = end(&agent(body).items(&text_at(2000, "busy")), &null()).await;
    assert_eq!(gave_up, AgentEnd::GaveUp(Failure::new(FailureKind::Transient, "busy")));
}

#[tokio::test]
async fn a_host_that_waits_is_not_charged_and_can_be_dropped() {
    struct Never;
    #[async_trait::async_trait]
    impl pawl_sandbox::AgentHost for Never {
        async fn call(&mut self, _: CallRequest) -> CallReply {
            std::future::pending().await
        }
    }
    let sandbox = sandbox();
    let plugin = sandbox.load(&caller(&format!("{CALL} {GIVE}")).build()).await.unwrap();
    let limits = Limits { guest_time_max_ms: 20, ..Limits::default() };
    let run = sandbox.run_agent(&plugin, task(all_grants(), limits), Box::new(Never));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), run).await.is_err());
}

#[tokio::test]
async fn time_is_the_journals() {
    let guest = caller(&format!(
        "(if (i64.ne (call $now) (i64.const 1000)) (then unreachable)) {CALL}
         (if (i64.ne (call $now) (i64.const 2000)) (then unreachable)) {GIVE}"
    ))
    .import("pawl:plugin/clock@0.1.0", "now", "(result i64)");
    assert_eq!(end(&guest, &null()).await, AgentEnd::Completed(Value::Null));
}

#[tokio::test]
async fn randomness_follows_from_the_seed() {
    let body = "(local $n i64) (local.set $n (i64.rem_u (call $next) (i64.const 10)))
        (i32.store8 (i32.const 2000) (i32.add (i32.wrap_i64 (local.get $n)) (i32.const 48)))
        (call $ok (i32.const 2000) (i32.const 1))";
    let guest = agent(body).import("pawl:plugin/random@0.1.0", "next", "(result i64)");
    let first = end(&guest, &null()).await;
    assert!(matches!(first, AgentEnd::Completed(Value::Number(_))), "{first:?}");
    assert_eq!(first, end(&guest, &null()).await);
}

#[tokio::test]
async fn log_lines_are_journaled_in_order_within_their_limit() {
    let write = "(call $write (i32.const 1) (i32.const 2100) (i32.const 2))";
    let guest = caller(&format!("{write} {CALL} {write} {write} {GIVE}"))
        .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
        .items(&text_at(2100, "hi"));
    let script = null();
    let limits = Limits { log_max_bytes: 36, ..Limits::default() };
    let done = end_with(&guest, all_grants(), limits, &script).await;
    assert_eq!(done, AgentEnd::Completed(Value::Null));
    let line = CallRequest::Log { level: LogLevel::Info, message: "hi".into() };
    let asked = script.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!((&asked[0], &asked[2]), (&line, &line));
    assert!(matches!(&asked[3], CallRequest::Log { message, .. } if message.contains("log_max_bytes (36)")));
}

#[tokio::test]
async fn a_flood_of_calls_stops_at_its_limit() {
    let guest = caller(&format!("(loop $again {CALL} (br $again)) unreachable"));
    let script = null();
    let limits = Limits { host_calls_max: 25, ..Limits::default() };
    let flooded = end_with(&guest, all_grants(), limits, &script).await;
    check_failure(&flooded, FailureKind::Limit, "host_calls_max (25)");
    assert_eq!(script.asked().len(), 25);
}

#[tokio::test]
async fn payloads_of_calls_stop_at_their_limit() {
    let guest = caller(&format!("{CALL} {GIVE}"));
    let limits = Limits { payload_max_bytes: 100, ..Limits::default() };
    let long = Script::new(|_| answer("x".repeat(100).into(), 2_000));
    let stopped = end_with(&guest, all_grants(), limits.clone(), &long).await;
    check_failure(&stopped, FailureKind::Limit, "payload_max_bytes (100)");
    let script = null();
    let body = format!(
        "{} {GIVE}",
        CALL.replace("(i32.const 3) (i32.const 3000)", "(i32.const 101) (i32.const 3000)")
    );
    let stopped = end_with(&caller(&body), all_grants(), limits, &script).await;
    check_failure(&stopped, FailureKind::Limit, "payload_max_bytes (100)");
    assert_eq!(script.asked(), []);
}

#[tokio::test]
async fn arguments_that_are_not_json_go_back_without_a_call() {
    let body = format!(
        "{} (if (i32.load8_u (i32.const 3008)) (then unreachable)) {ECHO}",
        CALL.replace("(i32.const 2016) (i32.const 3)", "(i32.const 2016) (i32.const 2)")
    );
    let script = null();
    assert_eq!(end(&caller(&body), &script).await, AgentEnd::Completed(json!({"n": 1})));
    assert_eq!(script.asked(), []);
}

#[tokio::test]
async fn people_are_asked_with_actions_filled_in() {
    // A question of 96 bytes at 3200: its title, and nothing else.
    let guest = agent(
        "(i32.store (i32.const 3200) (i32.const 2000)) (i32.store (i32.const 3204) (i32.const 4))
         (call $ask (i32.const 3200) (i32.const 3000))
         (call $ok (i32.load (i32.const 3016)) (i32.load (i32.const 3020)))",
    )
    .import("pawl:plugin/human@0.1.0", "ask", "(param i32 i32)")
    .items(&text_at(2000, "Pay?"));
    let script = Script::new(|_| {
        answer(json!({"action": "approve", "data": {"note": "ok"}, "by": "user:ann"}), 2_000)
    });
    assert_eq!(end(&guest, &script).await, AgentEnd::Completed(json!({"note": "ok"})));
    let asked = script.asked();
    let [CallRequest::Human(question)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((question.title.as_str(), question.actions.len()), ("Pay?", 2));
    let wrong = Script::new(|_| answer(json!("yes"), 2_000));
    check_failure(&end(&guest, &wrong).await, FailureKind::Permanent, "human.ask");
}

#[tokio::test]
async fn a_short_form_reaches_the_host_as_a_schema_and_counts_as_a_call() {
    let guest = agent(
        "(i32.store (i32.const 3200) (i32.const 2000)) (i32.store (i32.const 3204) (i32.const 4))
         (i32.store8 (i32.const 3224) (i32.const 1))
         (i32.store (i32.const 3228) (i32.const 2016)) (i32.store (i32.const 3232) (i32.const 17))
         (call $ask (i32.const 3200) (i32.const 3000))
         (call $ok (i32.load (i32.const 3016)) (i32.load (i32.const 3020)))",
    )
    .import("pawl:plugin/human@0.1.0", "ask", "(param i32 i32)")
    .items(&text_at(2000, "Pay?"))
    .items(&text_at(2016, r#"{"note":"string"}"#));
    let script = Script::new(|_| answer(json!({"action": "approve", "data": 1, "by": "user:ann"}), 2_000));
    assert_eq!(end(&guest, &script).await, AgentEnd::Completed(json!(1)));
    let asked = script.asked();
    let [CallRequest::Human(question)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(
        question.form,
        Some(json!({
            "type": "object",
            "properties": {"note": {"type": "string"}},
            "required": ["note"],
            "additionalProperties": false,
        }))
    );
    let limits = Limits { host_calls_max: 1, ..Limits::default() };
    let counted = end_with(&guest, all_grants(), limits, &script).await;
    check_failure(&counted, FailureKind::Limit, "host_calls_max (1)");
}

#[tokio::test]
async fn memory_timers_and_signals_are_calls() {
    let guest = agent(&format!(
        "(call $put (i32.const 2000) (i32.const 1) (i32.const 2004) (i32.const 2) (i32.const 3000))
         (call $get (i32.const 2000) (i32.const 1) (i32.const 3000))
         (call $sleep (i64.const 500) (i32.const 3000))
         (call $wait (i32.const 2000) (i32.const 1) (i32.const 0) (i64.const 0) (i32.const 3000)) {ECHO}"
    ))
    .import("pawl:plugin/memory@0.1.0", "put", "(param i32 i32 i32 i32 i32)")
    .import("pawl:plugin/memory@0.1.0", "get", "(param i32 i32 i32)")
    .import("pawl:plugin/timers@0.1.0", "sleep", "(param i64 i32)")
    .import("pawl:plugin/signals@0.1.0", "wait", "(param i32 i32 i32 i64 i32)")
    .items(&text_at(2000, "k   42"));
    let script = null();
    assert_eq!(end(&guest, &script).await, AgentEnd::Completed(json!({"n": 1})));
    let expected = [
        CallRequest::MemoryPut { key: "k".into(), value: json!(42), scope: None },
        CallRequest::MemoryGet { key: "k".into(), scope: None },
        CallRequest::Sleep { duration: Duration(500) },
        CallRequest::Signal { name: "k".into(), due: None },
    ];
    assert_eq!(script.asked(), expected);
    let denied = end_with(&guest, Permissions::default(), Limits::default(), &script).await;
    check_failure(&denied, FailureKind::Denied, "pawl:plugin/memory (permissions.memory)");
    check_failure(&denied, FailureKind::Denied, "pawl:plugin/timers (permissions.timers)");
    check_failure(&denied, FailureKind::Denied, "pawl:plugin/signals (permissions.signals)");
}

#[tokio::test]
async fn a_question_to_a_model_is_checked_before_it_is_recorded() {
    let ask = |request: &str| {
        let length = request.len();
        agent(&format!(
            "(call $chat (i32.const 2000) (i32.const 7) (i32.const 2007) (i32.const {length}) (i32.const 3000)) {ECHO}"
        ))
        .import("pawl:plugin/models@0.1.0", "chat", "(param i32 i32 i32 i32 i32)")
        .items(&text_at(2000, &format!("default{request}")))
    };
    let script = null();
    let good = r#"{"messages":[{"role":"user","text":"hi"}]}"#;
    for wrong in ["{}", "nothing", r#"{"messages":[]}"#] {
        assert_eq!(end(&ask(wrong), &script).await, AgentEnd::Completed(json!({"n": 1})));
        assert_eq!(script.asked(), [], "{wrong}");
    }
    assert_eq!(end(&ask(good), &script).await, AgentEnd::Completed(json!({"n": 1})));
    let request = json!({"messages": [{"role": "user", "text": "hi"}]});
    assert_eq!(script.asked(), [CallRequest::Model { profile: "default".into(), request }]);
    let denied = end_with(&ask(good), Permissions::default(), Limits::default(), &script).await;
    check_failure(&denied, FailureKind::Denied, "pawl:plugin/models (permissions.models)");
    // What is refused counts as well.
    let again = agent(&format!(
        "(loop $again (call $chat (i32.const 2000) (i32.const 1) (i32.const 2000) (i32.const 1) (i32.const 3000)) (br $again)) {ECHO}"
    ))
    .import("pawl:plugin/models@0.1.0", "chat", "(param i32 i32 i32 i32 i32)")
    .items(&text_at(2000, "k"));
    let end =
        end_with(&again, all_grants(), Limits { host_calls_max: 10, ..Limits::default() }, &script).await;
    check_failure(&end, FailureKind::Limit, "host_calls_max (10)");
}

#[tokio::test]
async fn who_looks_at_its_grants_starts_without_some() {
    // Says in its result whether it was granted tools.
    let looks = |more: Guest| {
        more.import("pawl:plugin/grants@0.1.0", "has", "(param i32 i32) (result i32)")
            .import("pawl:plugin/tools@0.1.0", "list", "(param i32)")
            .items(&text_at(2000, "tools01"))
    };
    let body =
        "(call $ok (i32.add (i32.const 2005) (call $has (i32.const 2000) (i32.const 5))) (i32.const 1))";
    let guest = looks(agent(body));
    let none = end_with(&guest, Permissions::default(), Limits::default(), &null()).await;
    assert_eq!(none, AgentEnd::Completed(json!(0)));
    assert_eq!(end(&guest, &null()).await, AgentEnd::Completed(json!(1)));
    // What is not looked at call by call still keeps it out.
    let guest = looks(agent(body)).import("pawl:plugin/timers@0.1.0", "sleep", "(param i64 i32)");
    let denied = end_with(&guest, Permissions::default(), Limits::default(), &null()).await;
    check_failure(&denied, FailureKind::Denied, "pawl:plugin/timers (permissions.timers)");
}

#[tokio::test]
async fn who_looks_at_its_grants_is_denied_memory_call_by_call() {
    let denied = "(if (i32.ne (i32.load8_u (i32.const 3008)) (i32.const 3)) (then unreachable))";
    let guest = agent(&format!(
        "(call $get (i32.const 2000) (i32.const 1) (i32.const 3000)) {denied} (i32.store (i32.const 3008) (i32.const 9))
         (call $put (i32.const 2000) (i32.const 1) (i32.const 2004) (i32.const 2) (i32.const 3000)) {denied} {ECHO}"
    ))
    .import("pawl:plugin/grants@0.1.0", "has", "(param i32 i32) (result i32)")
    .import("pawl:plugin/memory@0.1.0", "put", "(param i32 i32 i32 i32 i32)")
    .import("pawl:plugin/memory@0.1.0", "get", "(param i32 i32 i32)")
    .items(&text_at(2000, "k   42"));
    let script = null();
    let end = end_with(&guest, Permissions::default(), Limits::default(), &script).await;
    assert_eq!((end, script.asked()), (AgentEnd::Completed(json!({"n": 1})), Vec::new()));
    // What is refused counts as well.
    let limits = Limits { host_calls_max: 1, ..Limits::default() };
    let counted = end_with(&guest, Permissions::default(), limits, &script).await;
    check_failure(&counted, FailureKind::Limit, "host_calls_max (1)");
}

#[tokio::test]
async fn agents_do_not_reach_the_network_or_a_tools_entry() {
    let guest = agent(ECHO).import("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)");
    let grants = Permissions { http: "api.example.com".parse().unwrap(), ..all_grants() };
    let denied = end_with(&guest, grants, Limits::default(), &null()).await;
    check_failure(&denied, FailureKind::Denied, "through its tools");
    let sandbox = sandbox();
    let plugin = sandbox.load(&agent(ECHO).build()).await.unwrap();
    let failure = sandbox.call_tool(&plugin, call(Limits::default())).await.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidInput);
}

#[tokio::test]
async fn manifests_must_agree_with_their_component() {
    let sandbox = sandbox();
    let caller = sandbox.load(&caller(&format!("{CALL} {GIVE}")).build()).await.unwrap();
    let echo = tool("(call $ok (local.get $args_ptr) (local.get $args_len))");
    let echo = sandbox.load(&echo.build()).await.unwrap();
    let manifest = |capabilities: &str| {
        let text = format!("name = 'a'\nversion = '1.0.0'\nkind = 'agent'\ncapabilities = [{capabilities}]");
        Manifest::parse(&text).unwrap()
    };
    manifest("'tools', 'log'").check(&caller).unwrap();
    let few = manifest("'log'").check(&caller).unwrap_err();
    assert!(few.to_string().contains("pawl:plugin/tools@0.1.0 (capability \"tools\")"), "{few}");
    let other = manifest("").check(&echo).unwrap_err();
    assert!(matches!(other, SandboxError::ManifestKind { .. }), "{other}");
}
