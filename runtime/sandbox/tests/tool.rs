//! Tools: what they get, what they may not do, and that nothing they do harms anyone else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use pawl_core::FailureKind;
use pawl_core::call::LogLevel;
use pawl_core::plugin::{EffectClass, Permissions, PluginKind};
use pawl_sandbox::{Limits, Sandbox, SandboxConfig, ToolEnd};
use serde_json::json;
use support::{Guest, call, sandbox, text_at, tool};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
const LOOP: &str = "(loop $again (br $again)) unreachable";

async fn end(guest: &Guest, limits: Limits) -> ToolEnd {
    let sandbox = sandbox();
    let plugin = sandbox.load(&guest.build()).await.unwrap();
    sandbox.call_tool(&plugin, call(limits)).await
}

#[track_caller]
fn check_failure(end: &ToolEnd, kind: FailureKind, parts: &[&str]) {
    let failure = end.result.as_ref().unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    for part in parts {
        assert!(failure.message.contains(part), "{part:?} is not in: {}", failure.message);
    }
}

fn logging(guest: Guest) -> Guest {
    guest.import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
}

#[tokio::test]
async fn a_tool_describes_itself_and_answers() {
    let sandbox = sandbox();
    let plugin = sandbox.load(&tool(ECHO).build()).await.unwrap();
    assert_eq!(plugin.kind(), PluginKind::Tool);
    assert_eq!(plugin.description().tool("go").unwrap().effect, EffectClass::Idempotent);
    assert!(plugin.missing(&Permissions::default()).is_empty(), "{:?}", plugin.imports());
    let end = sandbox.call_tool(&plugin, call(Limits::default())).await;
    assert_eq!(end.result.unwrap(), json!({"n": 1}));
    assert!(end.log.is_empty());
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_time() {
    let begin = Instant::now();
    let end = end(&tool(LOOP), Limits { guest_time_max_ms: 60, ..Limits::default() }).await;
    check_failure(&end, FailureKind::Limit, &["guest_time_max_ms (60)"]);
    assert!(begin.elapsed() < Duration::from_secs(20));
}

/// A guest that waits on the monotonic clock for some nanoseconds, then sees that they have passed.
fn waiting(nanos: u64) -> Guest {
    const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";
    let body = format!(
        "(local $begin i64) (local.set $begin (call $now))
         (call $-method-pollable-block (call $subscribe-duration (i64.const {nanos})))
         (if (i64.lt_u (i64.sub (call $now) (local.get $begin)) (i64.const {nanos})) (then unreachable)) {ECHO}"
    );
    tool(&body)
        .import(CLOCK, "now", "(result i64)")
        .import(CLOCK, "subscribe-duration", "(param i64) (result i32)")
        .import("wasi:io/poll@0.2.12", "[method]pollable.block", "(param i32)")
}

#[tokio::test]
async fn a_wait_ends_at_the_wall_time() {
    let limits = Limits { wall_time_max_ms: 50, ..Limits::default() };
    let forever = end(&waiting(u64::MAX / 4), limits).await;
    check_failure(&forever, FailureKind::Limit, &["wall_time_max_ms (50)"]);
}

#[tokio::test]
async fn a_tools_monotonic_clock_moves() {
    let end = end(&waiting(20_000_000), Limits::default()).await;
    assert!(end.result.is_ok(), "{end:?}");
}

#[tokio::test]
async fn failures_are_cut_to_their_limits() {
    // A failure: kind at 1032, message at 1036, details at 1044.
    let body = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 2))
        (i32.store (i32.const 1036) (i32.const 8192)) (i32.store (i32.const 1040) (i32.const 20000))
        (i32.store8 (i32.const 1044) (i32.const 1))
        (i32.store (i32.const 1048) (i32.const 8192)) (i32.store (i32.const 1052) (i32.const 20000))
        (i32.store8 (i32.const 1056) (i32.const 0)) (i32.const 1024)";
    let guest = tool(body).items(&text_at(8_192, &"x".repeat(20_000)));
    let failed = end(&guest, Limits { payload_max_bytes: 10_000, ..Limits::default() }).await;
    check_failure(
        &failed,
        FailureKind::Permanent,
        &["FAILURE_MESSAGE_MAX_BYTES", "its details were dropped"],
    );
    let failure = failed.result.unwrap_err();
    assert!(failure.message.len() < 17_000 && failure.details.is_none());
    let whole = end(&guest, Limits::default()).await.result.unwrap_err();
    assert!(whole.details.is_some());
}

#[tokio::test]
async fn a_result_that_is_nested_too_deeply_is_the_plugins_fault() {
    let guest = |depth: usize| {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        tool(&format!("(call $ok (i32.const 8192) (i32.const {}))", text.len())).items(&text_at(8_192, &text))
    };
    assert!(end(&guest(64), Limits::default()).await.result.is_ok());
    let deep = end(&guest(65), Limits::default()).await;
    check_failure(&deep, FailureKind::InvalidOutput, &["JSON_MAX_DEPTH is 64"]);
}

#[tokio::test]
async fn a_loop_of_host_calls_ends_at_its_time() {
    let guest = tool("(loop $again (drop (call $now)) (br $again)) unreachable").import(
        "pawl:plugin/clock@0.1.0",
        "now",
        "(result i64)",
    );
    let end = end(&guest, Limits { guest_time_max_ms: 60, ..Limits::default() }).await;
    check_failure(&end, FailureKind::Limit, &["guest_time_max_ms (60)"]);
}

#[tokio::test]
async fn memory_stops_at_its_limit() {
    let bomb = tool(
        "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again)) unreachable",
    );
    let limits = Limits { memory_max_bytes: 4 << 20, ..Limits::default() };
    check_failure(
        &end(&bomb, limits.clone()).await,
        FailureKind::Limit,
        &["memory_max_bytes (4194304)", "unreachable"],
    );
    let polite = tool(&format!("(drop (memory.grow (i32.const 1000))) {ECHO}"));
    assert!(end(&polite, limits).await.result.is_ok(), "a guest may handle a refused growth");
}

#[tokio::test]
async fn a_table_stops_at_its_limit() {
    let guest = tool(&format!(
        "(if (i32.eq (table.grow $t (ref.null func) (i32.const 30000)) (i32.const -1)) (then unreachable)) {ECHO}"
    ))
    .items("(table $t 1 funcref)");
    check_failure(&end(&guest, Limits::default()).await, FailureKind::Limit, &["table_elements_max (20000)"]);
    assert!(end(&guest, Limits { table_elements_max: 40_000, ..Limits::default() }).await.result.is_ok());
}

#[tokio::test]
async fn traps_are_readable_and_carry_the_last_words() {
    let guest = logging(tool("(call $write (i32.const 3) (i32.const 2000) (i32.const 11)) unreachable"))
        .items(&text_at(2000, "order is 42"));
    let end = end(&guest, Limits::default()).await;
    check_failure(&end, FailureKind::Trap, &["unreachable", "its last words: order is 42", "guest!go"]);
    assert_eq!(end.log, [(LogLevel::Error, "order is 42".to_owned())]);
}

#[tokio::test]
async fn a_stack_overflow_is_a_trap() {
    let guest = tool("(call $deep (i32.const 0))")
        .items("(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))");
    check_failure(
        &end(&guest, Limits::default()).await,
        FailureKind::Trap,
        &["stack overflow", "stack_max_bytes"],
    );
}

#[tokio::test]
async fn a_log_flood_is_cut_and_noted_once() {
    let guest = logging(tool(&format!(
        "(local $n i32) (loop $again (call $write (i32.const 1) (i32.const 2000) (i32.const 84))
         (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000)))) {ECHO}"
    )))
    .items(&text_at(2000, &"x".repeat(84)));
    let end = end(&guest, Limits { log_max_bytes: 1_000, ..Limits::default() }).await;
    assert!(end.result.is_ok());
    assert_eq!(end.log.len(), 11);
    assert!(end.log[10].1.contains("log_max_bytes (1000)"));
}

#[tokio::test]
async fn payloads_are_checked_both_ways() {
    let limits = Limits { payload_max_bytes: 1_000, ..Limits::default() };
    let huge = tool("(call $ok (i32.const 0) (i32.const 1001))");
    check_failure(&end(&huge, limits.clone()).await, FailureKind::Limit, &["payload_max_bytes (1000)"]);
    let larger = tool("(drop (memory.grow (i32.const 60))) (call $ok (i32.const 0) (i32.const 3000000))");
    check_failure(&end(&larger, limits).await, FailureKind::Limit, &["payload_max_bytes (1000)"]);
    let tight = Limits { payload_max_bytes: 4, ..Limits::default() };
    check_failure(
        &end(&tool(ECHO), tight).await,
        FailureKind::InvalidInput,
        &["payload_max_bytes (4)", "its input"],
    );
}

#[tokio::test]
async fn a_result_that_is_not_json_is_the_plugins_fault() {
    let guest = tool("(call $ok (i32.const 2000) (i32.const 3))").items(&text_at(2000, "{,}"));
    check_failure(
        &end(&guest, Limits::default()).await,
        FailureKind::InvalidOutput,
        &["not JSON", "plugin's fault"],
    );
}

#[tokio::test]
async fn a_result_outside_of_memory_is_a_trap() {
    let guest = tool("(call $ok (i32.const -8) (i32.const 100))");
    check_failure(&end(&guest, Limits::default()).await, FailureKind::Trap, &[]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_raging_loop_leaves_others_unharmed() {
    let sandbox = sandbox();
    let good = sandbox.load(&tool(ECHO).build()).await.unwrap();
    let bad = sandbox.load(&tool(LOOP).build()).await.unwrap();
    let raging = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.call_tool(&bad, call(Limits { guest_time_max_ms: 300, ..Limits::default() })).await }
    });
    tokio::task::yield_now().await;
    let mut answered = 0;
    while !raging.is_finished() {
        assert!(sandbox.call_tool(&good, call(Limits::default())).await.result.is_ok());
        answered += 1;
        tokio::task::yield_now().await;
    }
    assert!(answered > 10, "{answered}");
    check_failure(&raging.await.unwrap(), FailureKind::Limit, &["guest_time_max_ms"]);
}

#[tokio::test]
async fn dropping_a_call_drops_its_guest_and_gives_its_turn_back() {
    let config = SandboxConfig { agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let endless = sandbox.load(&tool(LOOP).build()).await.unwrap();
    for _ in 0..3 {
        let ended = tokio::time::timeout(
            Duration::from_millis(30),
            sandbox.call_tool(&endless, call(Limits::default())),
        );
        assert!(ended.await.is_err());
    }
    let good = sandbox.load(&tool(ECHO).build()).await.unwrap();
    assert!(sandbox.call_tool(&good, call(Limits::default())).await.result.is_ok());
}

#[tokio::test]
async fn wasi_is_there_with_nothing_behind_it() {
    let guest = tool(&format!(
        "(call $get-environment (i32.const 3000))
         (if (i32.load (i32.const 3004)) (then unreachable))
         (call $now (i32.const 3008))
         (if (i64.ne (i64.load (i32.const 3008)) (i64.const 1)) (then unreachable))
         (i64.store (i32.const 3016) (call $get-random-u64))
         (call $-method-output-stream-blocking-write-and-flush (call $get-stderr) (i32.const 2000) (i32.const 5) (i32.const 3032))
         (call $exit (i32.const 1)) {ECHO}"
    ))
    .import("wasi:cli/environment@0.2.12", "get-environment", "(param i32)")
    .import("wasi:clocks/wall-clock@0.2.12", "now", "(param i32)")
    .import("wasi:random/random@0.2.12", "get-random-u64", "(result i64)")
    .import("wasi:cli/stderr@0.2.12", "get-stderr", "(result i32)")
    .import("wasi:io/streams@0.2.12", "[method]output-stream.blocking-write-and-flush", "(param i32 i32 i32 i32)")
    .import("wasi:cli/exit@0.2.12", "exit", "(param i32)")
    .items(&text_at(2000, "oh no"));
    let end = end(&guest, Limits::default()).await;
    check_failure(&end, FailureKind::Trap, &["exit(1)", "its last words: oh no"]);
}

#[tokio::test]
async fn wasi_has_no_folder_and_reaches_no_network() {
    const ACCESS_DENIED: u32 = 1;
    const PERMANENT_RESOLVER_FAILURE: u32 = 20;
    let refused = |at: u32, code: u32| {
        let code_at = at + 4;
        format!(
            "(if (i32.ne (i32.load8_u (i32.const {at})) (i32.const 1)) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const {code_at})) (i32.const {code})) (then unreachable))"
        )
    };
    let no_name = refused(3016, PERMANENT_RESOLVER_FAILURE);
    let no_socket = refused(3024, ACCESS_DENIED);
    let guest = tool(&format!(
        "(call $get-directories (i32.const 3000))
         (if (i32.load (i32.const 3004)) (then unreachable))
         (call $resolve-addresses (call $instance-network) (i32.const 2000) (i32.const 9) (i32.const 3016))
         {no_name}
         (call $create-tcp-socket (i32.const 0) (i32.const 3024))
         {no_socket} {ECHO}"
    ))
    .import("wasi:filesystem/preopens@0.2.12", "get-directories", "(param i32)")
    .import("wasi:sockets/instance-network@0.2.12", "instance-network", "(result i32)")
    .import("wasi:sockets/ip-name-lookup@0.2.12", "resolve-addresses", "(param i32 i32 i32 i32)")
    .import("wasi:sockets/tcp-create-socket@0.2.12", "create-tcp-socket", "(param i32 i32)")
    .items(&text_at(2000, "localhost"));
    let end = end(&guest, Limits::default()).await;
    assert_eq!(end.result.unwrap(), json!({"n": 1}), "{:?}", end.log);
}
