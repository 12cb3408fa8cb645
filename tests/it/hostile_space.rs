//! Guests that want room without an end: memories, tables, instances, stacks.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use pawl_core::FailureKind::{Limit, Trap};
use pawl_wat::{agent, text_at, tool};
use serde_json::json;

use crate::attack::{AGENTS_GRANTS, Attack, Ground};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
const AGENTS_ECHO: &str = "(call $ok (local.get $input_ptr) (local.get $input_len))";

/// Grows a memory by 16 pages again and again, and stops itself when it gets no more.
const GROW: &str = "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) \
                    (br $again)) unreachable";
const GROW_TABLE: &str = "(loop $again (if (i32.eq (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)) \
                          (then unreachable)) (br $again)) unreachable";
const DEEP: &str = "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";

#[tokio::test]
async fn memories_and_tables_stop_at_their_limits() -> Result<()> {
    let memory = &["memory_max_bytes (8388608)", "correct the plugin, or raise this limit"];
    let table = &["table_elements_max (20000)", "correct the plugin, or raise this limit"];
    let attacks = vec![
        Attack::tool("a tool's memory", tool(GROW), Limit, memory),
        Attack::agent("an agent's memory", agent(GROW), Limit, memory),
        Attack::tool("memory where the host asks for some", tool(ECHO).allocating(GROW), Limit, memory),
        Attack::tool("a tool's table", tool(GROW_TABLE).items("(table $t 1 funcref)"), Limit, table),
        Attack::agent("an agent's table", agent(GROW_TABLE).items("(table $t 1 funcref)"), Limit, table),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn stacks_end_in_a_trap() -> Result<()> {
    let says = &["stack overflow", "stack_max_bytes is 524288", "recursion"];
    let attacks = vec![
        Attack::tool("a tool", tool("(call $deep (i32.const 0))").items(DEEP), Trap, says),
        Attack::agent("an agent", agent("(call $deep (i32.const 0))").items(DEEP), Trap, says),
        Attack::tool(
            "where the host asks for memory",
            tool(ECHO).items(DEEP).allocating("(drop (call $deep (i32.const 0)))"),
            Trap,
            says,
        ),
        Attack::tool(
            "in its start, once it is called",
            tool(ECHO)
                .import("pawl:plugin/clock@0.1.0", "now", "(result i64)")
                .items(DEEP)
                .items("(func $begin (if (i64.ne (call $now) (i64.const 0)) (then (drop (call $deep (i32.const 0)))))) (start $begin)"),
            Trap,
            says,
        ),
    ];
    Ground::new().await?.stands(attacks).await
}

/// A component whose core modules are instantiated as the text says.
fn of_modules(text: &str) -> Result<Vec<u8>> {
    Ok(wat::parse_str(format!("(component {text})"))?)
}

#[tokio::test]
async fn what_begins_too_large_is_refused_when_it_is_loaded() -> Result<()> {
    let ground = Ground::new().await?;
    let many = |item: &str, times: usize| {
        (0..times).fold(String::new(), |mut text, number| {
            let _ = write!(text, "(core module $m{number} {item}) (core instance (instantiate $m{number}))");
            text
        })
    };
    let cases = [
        (tool(ECHO).pages(2_000).build(), "memory_max_bytes (67108864)"),
        (tool(ECHO).items("(table $t 30000 funcref)").build(), "table_elements_max (20000)"),
        (tool(ECHO).items("(table $t 4000000000 funcref)").build(), "table"),
        (of_modules(&many("", 65))?, "maximum of 64"),
        (of_modules(&many("(memory 1)", 5))?, "maximum of 4"),
        (of_modules(&many("(table 1 funcref)", 17))?, "maximum of 16"),
        (of_modules("(core module (memory 65536)) ")?, "memory"),
    ];
    for (bytes, said) in cases {
        let refused = ground.refused(&bytes).await?;
        ensure!(refused.contains(said), "'{said}' is not in: {refused}");
    }
    ground.scene.holds(0).await
}

#[tokio::test]
async fn what_one_guest_left_in_memory_the_next_does_not_see() -> Result<()> {
    // One instance at a time, so that each gets the room of the one before.
    let ground = Ground::with(|config| {
        (config.sandbox.tools_max, config.sandbox.agents_max) = (1, 1);
    })
    .await?;
    // All but what it stands in itself, from the first page that its texts do not reach.
    let writes =
        tool(&format!("(memory.fill (i32.const 131072) (i32.const 7) (i32.const 3932160)) {ECHO}")).pages(62);
    let reads = tool(&format!(
        "(local $at i32) (local.set $at (i32.const 131072))
         (loop $again (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
           (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 4063232)))) {ECHO}"
    ))
    .pages(62);
    for _ in 0..2 {
        for guest in [&writes, &reads] {
            let (_, got) = ground.completed(guest, "tool: guest.go", "").await?;
            assert_eq!(got, json!({ "n": 1 }));
        }
    }
    ground.scene.holds(0).await
}

#[tokio::test]
async fn a_guest_that_takes_a_refusal_of_room_goes_on() -> Result<()> {
    let ground = Ground::new().await?;
    let polite = tool(&format!("(drop (memory.grow (i32.const 30000))) (drop (table.grow $t (ref.null func) (i32.const 30000))) {ECHO}"))
        .items("(table $t 1 funcref)");
    let (_, got) = ground.completed(&polite, "tool: guest.go", "").await?;
    assert_eq!(got, json!({ "n": 1 }));
    let polite =
        agent(&format!("(drop (memory.grow (i32.const 30000))) {AGENTS_ECHO}")).items(&text_at(2000, "x"));
    let (_, got) = ground.completed(&polite, "agent: guest", AGENTS_GRANTS).await?;
    assert_eq!(got, json!({ "n": 1 }));
    ground.scene.holds(0).await
}
