//! Guests and their calls: floods, calls of themselves, imports that nobody granted, and chance.

use anyhow::{Context as _, Result, ensure};
use pawl_core::FailureKind::{Denied, Limit, Permanent, Trap};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_wat::{Guest, agent, text_at, tool};
use serde_json::{Value, json};

use crate::attack::{AGENTS_GRANTS, Attack, Ground, failure_of};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
const AGENTS_ECHO: &str = "(call $ok (local.get $input_ptr) (local.get $input_len))";

/// Calls `echo.say`.
const SAY: &str =
    "(call $call (i32.const 2000) (i32.const 8) (i32.const 2016) (i32.const 12) (i32.const 3000))";

fn endless(calls: &str) -> String {
    format!("(loop $again {calls} (br $again)) unreachable")
}

fn saying(body: &str) -> Guest {
    agent(body)
        .import("pawl:plugin/tools@0.1.0", "call", "(param i32 i32 i32 i32 i32)")
        .items(&text_at(2000, "echo.say"))
        .items(&text_at(2016, "{\"text\":\"a\"}"))
}

#[tokio::test]
async fn floods_of_calls_stop_at_their_limit() -> Result<()> {
    let says = &["host_calls_max (50)", "correct the plugin, or raise this limit"];
    let texts = |guest: Guest| guest.items(&text_at(2000, "k")).items(&text_at(2016, "{}"));
    let put = "(call $put (i32.const 2000) (i32.const 1) (i32.const 2016) (i32.const 2) (i32.const 3000))";
    let get = "(call $get (i32.const 2000) (i32.const 1) (i32.const 3000))";
    let chat = "(call $chat (i32.const 2000) (i32.const 1) (i32.const 2016) (i32.const 2) (i32.const 3000))";
    let denied = SAY.replace("(i32.const 2000) (i32.const 8)", "(i32.const 2000) (i32.const 4)");
    let attacks = vec![
        Attack::agent("tools", saying(&endless(SAY)), Limit, says),
        Attack::agent("tools that are not granted", saying(&endless(&denied)), Limit, says),
        Attack::agent(
            "lists of tools",
            agent(&endless("(call $list (i32.const 3000))")).import(
                "pawl:plugin/tools@0.1.0",
                "list",
                "(param i32)",
            ),
            Limit,
            says,
        ),
        Attack::agent(
            "memory",
            texts(agent(&endless(&[put, get].concat())))
                .import("pawl:plugin/memory@0.1.0", "put", "(param i32 i32 i32 i32 i32)")
                .import("pawl:plugin/memory@0.1.0", "get", "(param i32 i32 i32)"),
            Limit,
            says,
        ),
        Attack::agent(
            "models",
            texts(agent(&endless(chat))).import(
                "pawl:plugin/models@0.1.0",
                "chat",
                "(param i32 i32 i32 i32 i32)",
            ),
            Limit,
            says,
        ),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn a_guest_cannot_be_entered_while_it_is_in_a_call() -> Result<()> {
    // The host asks for memory to hand its arguments over; the guest answers with a call of the host.
    let log = "(call $write (i32.const 1) (i32.const 2000) (i32.const 1))";
    let calls_back = tool(ECHO)
        .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
        .items(&text_at(2000, "x"))
        .allocating(log);
    let after = tool(ECHO)
        .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
        .items(&text_at(2000, "x"))
        .after_call(log);
    let says = &["the plugin stopped", "cannot leave component instance"];
    let attacks = vec![
        Attack::tool("where the host asks for memory", calls_back, Trap, says),
        Attack::tool("after its call", after, Trap, says),
        // A tool has no way to call, so none to call itself.
        Attack::tool(
            "a tool that calls tools",
            tool(ECHO).import("pawl:plugin/tools@0.1.0", "list", "(param i32)"),
            Denied,
            &["pawl:plugin/tools@0.1.0 (for agents only: a tool is a leaf)"],
        ),
    ];
    Ground::new().await?.stands(attacks).await
}

/// Calls itself with its input, and ends with what came of it, or with the failure's own words.
fn calls_itself() -> Guest {
    agent(
        "(call $call (i32.const 2000) (i32.const 5) (local.get $input_ptr) (local.get $input_len) (i32.const 3000))
         (if (i32.eqz (i32.load8_u (i32.const 3000)))
           (then (return (call $ok (i32.load (i32.const 3008)) (i32.load (i32.const 3012))))))
         (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 2))
         (i32.store (i32.const 1036) (i32.load (i32.const 3012))) (i32.store (i32.const 1040) (i32.load (i32.const 3016)))
         (i32.store8 (i32.const 1044) (i32.const 0)) (i32.store8 (i32.const 1056) (i32.const 0)) (i32.const 1024)",
    )
    .import("pawl:plugin/agents@0.1.0", "call", "(param i32 i32 i32 i32 i32)")
    .items(&text_at(2000, "guest"))
}

/// Hands its input over to itself.
fn hands_over_to_itself() -> Guest {
    agent(
        "(drop (call $ok (local.get $input_ptr) (local.get $input_len)))
         (i32.store8 (i32.const 1032) (i32.const 1))
         (i32.store (i32.const 1036) (i32.const 2000)) (i32.store (i32.const 1040) (i32.const 5))
         (i32.store (i32.const 1044) (local.get $input_ptr)) (i32.store (i32.const 1048) (local.get $input_len))
         (i32.const 1024)",
    )
    .items(&text_at(2000, "guest"))
}

#[tokio::test]
async fn an_agent_that_calls_itself_comes_to_an_end() -> Result<()> {
    let ground = Ground::new().await?;
    for (guest, kind, said) in [
        (calls_itself(), Permanent, "agents_max_depth (8)"),
        (hands_over_to_itself(), Limit, "handovers_max (8)"),
    ] {
        let run = ground.start(&guest, "agent: guest", AGENTS_GRANTS).await?;
        let failure = failure_of(ground.scene.ended(run).await?)?;
        ensure!(failure.kind == kind && failure.message.contains(said), "{failure}");
        ensure!(failure.message.contains("agent"), "{failure}");
        let events = ground.scene.events(run).await?;
        ensure!(events.len() < 100, "{} events", events.len());
        ground.goes_on().await?;
    }
    ground.scene.holds(0).await
}

#[tokio::test]
async fn imports_that_were_not_granted_or_do_not_exist_are_refused_before_it_runs() -> Result<()> {
    const NONE: &[&str] =
        &["imports what was not granted", "grant it in the step's or the workflow's `permissions`"];
    let agents =
        |interface: &str, name: &str, signature: &str| agent(AGENTS_ECHO).import(interface, name, signature);
    let attacks = vec![
        Attack::tool(
            "unknown",
            tool(ECHO).import("acme:x/y@1.0.0", "f", ""),
            Denied,
            &["acme:x/y@1.0.0 (pawl has no such interface)"],
        ),
        Attack::tool(
            "the network",
            tool(ECHO).import("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)"),
            Denied,
            NONE,
        ),
        Attack::agent(
            "tools",
            agents("pawl:plugin/tools@0.1.0", "list", "(param i32)"),
            Denied,
            &["pawl:plugin/tools (permissions.tools)"],
        )
        .granted(""),
        Attack::agent(
            "people",
            agents("pawl:plugin/human@0.1.0", "ask", "(param i32 i32)"),
            Denied,
            &["permissions.human"],
        )
        .granted(""),
        Attack::agent(
            "memory",
            agents("pawl:plugin/memory@0.1.0", "get", "(param i32 i32 i32)"),
            Denied,
            &["permissions.memory"],
        )
        .granted(""),
        Attack::agent(
            "timers",
            agents("pawl:plugin/timers@0.1.0", "sleep", "(param i64 i32)"),
            Denied,
            &["permissions.timers"],
        )
        .granted(""),
        Attack::agent(
            "agents",
            agents("pawl:plugin/agents@0.1.0", "call", "(param i32 i32 i32 i32 i32)"),
            Denied,
            &["permissions.agents"],
        )
        .granted(""),
        Attack::agent(
            "signals",
            agents("pawl:plugin/signals@0.1.0", "wait", "(param i32 i32 i32 i64 i32)"),
            Denied,
            &["permissions.signals"],
        )
        .granted(""),
        Attack::agent(
            "the network, as an agent",
            agents("wasi:http/outgoing-handler@0.2.12", "handle", "(param i32 i32 i32 i32)"),
            Denied,
            &["through its tools"],
        ),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn models_that_were_not_granted_keep_an_agent_from_starting() -> Result<()> {
    let asks = agent(AGENTS_ECHO).import("pawl:plugin/models@0.1.0", "chat", "(param i32 i32 i32 i32 i32)");
    let attack = Attack::agent("models", asks, Denied, &["permissions.models"]).granted("");
    Ground::new().await?.stands(vec![attack]).await
}

/// Mixes all that could differ from one instance to the next into one number, says it to a tool, asks a
/// person, and says it again, with what it finds then.
fn looks_for_chance() -> Guest {
    let mix = |value: &str| {
        format!("(global.set $mix (i64.add (i64.mul (global.get $mix) (i64.const 31)) {value}))")
    };
    let body: String = [
        "(call $now)",
        "(call $next)",
        "(i64.extend_i32_u (memory.size))",
        "(i64.extend_i32_u (memory.grow (i32.const 1)))",
        "(i64.extend_i32_u (memory.grow (i32.const 60000)))",
        "(i64.extend_i32_u (table.grow $t (ref.null func) (i32.const 60000)))",
        // Bits of numbers that are none.
        "(i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0)))",
        "(i64.reinterpret_f64 (f64.sqrt (f64.const -1)))",
        "(i64.reinterpret_f64 (f64.add (f64.const nan:0x123) (f64.const nan:0x321)))",
        // What stands in memory that nobody wrote.
        "(i64.load (i32.const 130000))",
        "(i64.extend_i32_u (local.get $input_ptr))",
    ]
    .map(mix)
    .concat();
    // Sixteen letters, of which each is four bits.
    let say = format!(
        "(local.set $n (i32.const 0))
         (loop $digit
           (i32.store8 (i32.add (i32.const 2025) (local.get $n))
             (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (global.get $mix)) (i32.const 15))))
           (global.set $mix (i64.rotr (global.get $mix) (i64.const 4)))
           (br_if $digit (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 16))))
         {}",
        SAY.replace("(i32.const 12)", "(i32.const 27)")
    );
    let ask = "(i32.store (i32.const 3200) (i32.const 2000)) (i32.store (i32.const 3204) (i32.const 4))
               (call $ask (i32.const 3200) (i32.const 3000))";
    saying(&format!(
        "(local $n i32) {body} {say} {ask} {body} {say} (call $ok (i32.const 2016) (i32.const 27))"
    ))
    .import("pawl:plugin/clock@0.1.0", "now", "(result i64)")
    .import("pawl:plugin/random@0.1.0", "next", "(result i64)")
    .import("pawl:plugin/human@0.1.0", "ask", "(param i32 i32)")
    .items("(table $t 1 funcref) (global $mix (mut i64) (i64.const 7))")
    .items(&text_at(2016, "{\"text\":\"aaaaaaaaaaaaaaaa\"}"))
}

#[tokio::test]
async fn an_agent_that_looks_for_chance_finds_none() -> Result<()> {
    let ground = Ground::new().await?;
    let mut said = Vec::new();
    for _ in 0..2 {
        let run = ground.start(&looks_for_chance(), "agent: guest", AGENTS_GRANTS).await?;
        let approval = ground.scene.asked(run).await?;
        // The instance is gone. The next one begins later, and must come to the same.
        ground.scene.clock.advance(pawl_core::Duration(60_000));
        ground.goes_on().await?;
        ground.scene.answer(&approval, "approve", Value::Null).await?;
        let header = ground.scene.ended(run).await?;
        ensure!(header.status == Status::Completed, "{:?}", header.error);
        let events = ground.scene.events(run).await?;
        let calls = events.iter().filter(|event| matches!(event, Event::CallCompleted { .. }));
        assert_eq!(calls.count(), 2, "{events:?}");
        said.push(header.outputs.context("outputs")?);
    }
    // Chance there is, and it is another in each run.
    assert_ne!(said[0], said[1]);
    assert_ne!(said[0]["got"], json!({ "text": "aaaaaaaaaaaaaaaa" }));
    ground.scene.holds(0).await
}
