//! Guests without an end: with and without calls of the host, at every moment at which they are entered.

use anyhow::{Result, ensure};
use pawl_core::FailureKind::Limit;
use pawl_wat::{Guest, agent, text_at, tool};

use crate::attack::{Attack, Ground};

/// What each failure of a loop says: the limit, and what can be done.
const SAYS: &[&str] = &["guest_time_max_ms (200)", "correct the plugin, or raise this limit"];

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
const AGENTS_ECHO: &str = "(call $ok (local.get $input_ptr) (local.get $input_len))";

fn endless(calls: &str) -> String {
    format!("(loop $again {calls} (br $again)) unreachable")
}

/// Imports of everything that is answered at once, for either world.
fn with_quick_calls(guest: Guest) -> Guest {
    guest
        .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
        .import("pawl:plugin/log@0.1.0", "progress", "(param i32 i32 i32 f64)")
        .import("pawl:plugin/clock@0.1.0", "now", "(result i64)")
        .import("pawl:plugin/random@0.1.0", "next", "(result i64)")
        .items(&text_at(2000, "a line"))
}

const LOG: &str = "(call $write (i32.const 1) (i32.const 2000) (i32.const 6))";
const NOTE: &str = "(call $progress (i32.const 2000) (i32.const 6) (i32.const 1) (f64.const 0.5))";
const CLOCK: &str = "(drop (call $now))";
const CHANCE: &str = "(drop (call $next))";

#[tokio::test]
async fn loops_end_at_their_time_whatever_they_call() -> Result<()> {
    let quick = |calls: &str| with_quick_calls(tool(&endless(calls)));
    let agents = |calls: &str| with_quick_calls(agent(&endless(calls)));
    let attacks = vec![
        Attack::tool("a tool that calls nothing", tool(&endless("")), Limit, SAYS),
        Attack::tool("a tool that logs", quick(LOG), Limit, SAYS),
        Attack::tool("a tool that tells of its progress", quick(NOTE), Limit, SAYS),
        Attack::tool("a tool that reads the clock", quick(CLOCK), Limit, SAYS),
        Attack::tool("a tool that draws", quick(CHANCE), Limit, SAYS),
        Attack::tool("a tool that does all of it", quick(&[LOG, NOTE, CLOCK, CHANCE].concat()), Limit, SAYS),
        Attack::agent("an agent that calls nothing", agent(&endless("")), Limit, SAYS),
        Attack::agent("an agent that logs", agents(LOG), Limit, SAYS),
        Attack::agent("an agent that tells of its progress", agents(NOTE), Limit, SAYS),
        Attack::agent("an agent that reads the clock", agents(CLOCK), Limit, SAYS),
        Attack::agent("an agent that draws", agents(CHANCE), Limit, SAYS),
        Attack::agent("an agent that calls tools in broken JSON", agent_of_broken_calls(), Limit, SAYS),
    ];
    Ground::new().await?.stands(attacks).await
}

/// Its calls are answered before they leave the sandbox, so they do not count as calls of the host.
fn agent_of_broken_calls() -> Guest {
    let call = "(call $call (i32.const 2000) (i32.const 8) (i32.const 2016) (i32.const 2) (i32.const 3000))";
    agent(&endless(call))
        .import("pawl:plugin/tools@0.1.0", "call", "(param i32 i32 i32 i32 i32)")
        .items(&text_at(2000, "echo.say"))
        .items(&text_at(2016, "[1"))
}

#[tokio::test]
async fn loops_of_wasi_and_of_single_large_instructions_end_at_their_time() -> Result<()> {
    let wasi = |calls: &str| {
        tool(&endless(calls))
            .import("wasi:random/random@0.2.12", "get-random-u64", "(result i64)")
            .import("wasi:clocks/monotonic-clock@0.2.12", "now", "(result i64)")
            .import("wasi:cli/environment@0.2.12", "get-environment", "(param i32)")
            .import("wasi:cli/stderr@0.2.12", "get-stderr", "(result i32)")
            .import(
                "wasi:io/streams@0.2.12",
                "[method]output-stream.blocking-write-and-flush",
                "(param i32 i32 i32 i32)",
            )
    };
    // The stream is the same each time: handles have a limit of their own.
    let shout = "(local $out i32) (local.set $out (call $get-stderr)) (loop $again \
        (call $-method-output-stream-blocking-write-and-flush (local.get $out) (i32.const 4096) (i32.const 4096) (i32.const 3000)) \
        (br $again)) unreachable";
    let shouting = wasi("").body(shout);
    let fill = endless("(memory.fill (i32.const 131072) (i32.const 7) (i32.const 4063232))");
    let copy = endless("(memory.copy (i32.const 131072) (i32.const 131080) (i32.const 4063224))");
    let attacks = vec![
        Attack::tool("WASI's chance", wasi("(drop (call $get-random-u64))"), Limit, SAYS),
        Attack::tool("WASI's clock", wasi("(drop (call $now))"), Limit, SAYS),
        Attack::tool("WASI's environment", wasi("(call $get-environment (i32.const 3000))"), Limit, SAYS),
        Attack::tool("WASI's standard error", shouting, Limit, SAYS),
        Attack::tool("four megabytes filled at once", tool(&fill).pages(64), Limit, SAYS),
        Attack::tool("four megabytes moved at once", tool(&copy).pages(64), Limit, SAYS),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn loops_where_the_host_calls_back_end_at_their_time() -> Result<()> {
    let loops = "(loop $again (br $again))";
    let start_of_calls = format!(
        "(func $begin (if (i64.ne (call $now) (i64.const 0)) (then {loops} unreachable))) (start $begin)"
    );
    let attacks = vec![
        // `describe` sees a clock that stands at nothing: so the guest knows that it is not called yet.
        Attack::tool(
            "in its start, once it is called",
            with_quick_calls(tool(ECHO)).items(&start_of_calls),
            Limit,
            SAYS,
        ),
        Attack::tool("where the host asks for memory", tool(ECHO).allocating(loops), Limit, SAYS),
        Attack::tool("after its call", tool(ECHO).after_call(loops), Limit, SAYS),
        Attack::agent("where the host asks for memory", agent(AGENTS_ECHO).allocating(loops), Limit, SAYS),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn a_wait_without_an_end_ends_at_the_wall_time() -> Result<()> {
    const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";
    let waits = tool(
        "(call $-method-pollable-block (call $subscribe-duration (i64.const 9000000000000000000))) unreachable",
    )
    .import(CLOCK, "subscribe-duration", "(param i64) (result i32)")
    .import("wasi:io/poll@0.2.12", "[method]pollable.block", "(param i32)");
    let says = &["wall_time_max_ms (100)", "correct the plugin, or raise this limit"];
    let ground = Ground::with(|config| config.limits.wall_time_max_ms = 100).await?;
    ground.stands(vec![Attack::tool("a timer of centuries", waits, Limit, says)]).await
}

#[tokio::test]
async fn a_loop_before_it_describes_itself_is_told_when_it_is_loaded() -> Result<()> {
    let ground = Ground::new().await?;
    let begins = tool(ECHO).items("(func $begin (loop $again (br $again))) (start $begin)");
    let refused = ground.refused(&begins.build()).await?;
    for said in ["could not describe itself", "guest_time_max_ms (200)", "correct the plugin"] {
        ensure!(refused.contains(said), "'{said}' is not in: {refused}");
    }
    ground.scene.holds(0).await
}
