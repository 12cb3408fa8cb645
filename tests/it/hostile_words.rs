//! Guests whose words are wrong, huge or many: results, failures, lines of a log.

use anyhow::{Context as _, Result, ensure};
use pawl_core::FailureKind::{InvalidOutput, Limit, Permanent, Trap};
use pawl_core::event::Event;
use pawl_core::json_bytes;
use pawl_wat::{Guest, agent, text_at, tool};
use serde_json::json;

use crate::attack::{AGENTS_GRANTS, Attack, Ground, failure_of};

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
/// Behind all that the guest itself stands in.
const AT: usize = 131_072;

/// Gives this text as its result.
fn gives(text: &str) -> Guest {
    tool(&giving(text)).pages(pages(text)).items(&text_at(AT, text))
}

fn agent_gives(text: &str) -> Guest {
    agent(&giving(text)).pages(pages(text)).items(&text_at(AT, text))
}

fn giving(text: &str) -> String {
    format!("(call $ok (i32.const {AT}) (i32.const {}))", text.len())
}

fn pages(text: &str) -> u32 {
    u32::try_from((AT + text.len()) / 65_536 + 1).unwrap_or(u32::MAX)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// A JSON text of so many bytes.
fn of_bytes(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn results_that_are_no_json_or_too_much_of_it_fail_their_step() -> Result<()> {
    let fault = &["this is the plugin's fault, correct it there"];
    let garbage = |text| Attack::tool("garbage", gives(text), InvalidOutput, fault);
    let bytes = &["payload_max_bytes (1048576)", "correct the plugin, or raise this limit"];
    let attacks = vec![
        garbage(""),
        garbage("{,}"),
        garbage("{\"a\":1}}"),
        garbage("{\"a\""),
        garbage("\"\\ud800\""),
        garbage("\"\u{1}\""),
        garbage("1e999"),
        garbage("NaN"),
        garbage("\u{feff}1"),
        Attack::agent("an agent's garbage", agent_gives("{,}"), InvalidOutput, fault),
        Attack::tool(
            "deeper than JSON may be",
            gives(&nested(65)),
            InvalidOutput,
            &["JSON_MAX_DEPTH is 64", "correct it there"],
        ),
        Attack::tool("deep enough for a stack", gives(&nested(400_000)), InvalidOutput, fault),
        Attack::agent("an agent's depth", agent_gives(&nested(400_000)), InvalidOutput, fault),
        Attack::tool("a byte too much", gives(&of_bytes((1 << 20) + 1)), Limit, bytes),
        Attack::agent("an agent's byte too much", agent_gives(&of_bytes((1 << 20) + 1)), Limit, bytes),
        Attack::tool("more than the host copies", gives(&of_bytes(3 << 20)), Limit, bytes),
        Attack::tool(
            "no text at all",
            gives("x").body(&format!("(i32.store8 (i32.const {AT}) (i32.const 255)) {}", giving("x"))),
            Trap,
            &["the plugin stopped", "utf-8"],
        ),
        Attack::tool(
            "beyond its memory",
            tool("(call $ok (i32.const -8) (i32.const 100))"),
            Trap,
            &["the plugin stopped"],
        ),
        Attack::tool(
            "a length beyond its memory",
            tool("(call $ok (i32.const 8) (i32.const -1))"),
            Trap,
            &["the plugin stopped"],
        ),
        Attack::tool("no result at all", tool("(i32.const -4)"), Trap, &["the plugin stopped"]),
        Attack::tool(
            "neither a result nor a failure",
            tool("(i32.store8 (i32.const 1024) (i32.const 9)) (i32.const 1024)"),
            Trap,
            &["the plugin stopped"],
        ),
    ];
    Ground::new().await?.stands(attacks).await
}

#[tokio::test]
async fn results_that_are_large_and_right_are_taken() -> Result<()> {
    let ground = Ground::new().await?;
    let keys: Vec<_> = (0..60_000).map(|number| format!("\"{number}\":{number}")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let numbers = format!("[{}0]", "0,".repeat(500_000));
    let twice = format!("{{{}\"a\":2}}", "\"a\":1,".repeat(100_000));
    for text in [of_bytes(1 << 20), nested(64), keys, numbers, twice] {
        let (run, got) = ground.completed(&gives(&text), "tool: guest.go", "").await?;
        ensure!(got == serde_json::from_str::<serde_json::Value>(&text)?, "it is another value");
        // What is large is kept apart, and the journal stays readable.
        let events = ground.scene.events(run).await?;
        ensure!(events.iter().any(|event| matches!(event, Event::StepCompleted { .. })), "{}", events.len());
    }
    ground.goes_on().await?;
    ground.scene.holds(0).await
}

#[tokio::test]
async fn a_failure_in_too_many_words_is_cut() -> Result<()> {
    // A failure: kind at 1032, message at 1036, details at 1044.
    let body = format!(
        "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const 2))
         (i32.store (i32.const 1036) (i32.const {AT})) (i32.store (i32.const 1040) (i32.const 1000000))
         (i32.store8 (i32.const 1044) (i32.const 0)) (i32.store8 (i32.const 1056) (i32.const 0)) (i32.const 1024)"
    );
    let guest = tool(&body).pages(20);
    let ground = Ground::new().await?;
    let run = ground.start(&guest, "tool: guest.go", "").await?;
    let failure = failure_of(ground.scene.ended(run).await?)?;
    ensure!(
        failure.kind == Permanent && failure.message.contains("FAILURE_MESSAGE_MAX_BYTES"),
        "{}",
        failure.kind.name()
    );
    ensure!(failure.message.len() < 17_000, "{}", failure.message.len());
    ground.goes_on().await
}

#[tokio::test]
async fn names_that_are_too_long_are_cut_in_what_is_said_of_it() -> Result<()> {
    let long = "a".repeat(50_000);
    let guest = tool(&format!("(call ${long}) unreachable")).items(&format!("(func ${long} unreachable)"));
    let ground = Ground::new().await?;
    let run = ground.start(&guest, "tool: guest.go", "").await?;
    let failure = failure_of(ground.scene.ended(run).await?)?;
    ensure!(failure.kind == Trap && failure.message.contains("guest!aaaa"), "{failure}");
    ensure!(failure.message.len() < 2_000, "{}", failure.message.len());
    ground.goes_on().await
}

#[tokio::test]
async fn a_schema_that_makes_endless_work_of_a_result_fails_its_step() -> Result<()> {
    let parts: Vec<_> = (0..500).map(|number| json!({ "minimum": number })).collect();
    let schema = json!({ "items": { "allOf": parts } }).to_string();
    let numbers = format!("[{}0]", "0,".repeat(500_000));
    let says = &["schema_work_max (50000000)", "make it smaller, or the schema simpler"];
    let attack =
        Attack::tool("five hundred rules", gives(&numbers).output_schema(&schema), InvalidOutput, says);
    Ground::new().await?.stands(vec![attack]).await
}

/// What all log lines of a run hold in its journal.
async fn logged(ground: &Ground, run: pawl_core::RunId) -> Result<(usize, String)> {
    let journal = ground.scene.engine.history(run).await?.envelopes;
    let events: Vec<_> = journal.into_iter().map(|envelope| envelope.event).collect();
    let bytes = events.iter().map(json_bytes).sum();
    Ok((bytes, serde_json::to_string(&events)?))
}

#[tokio::test]
async fn floods_of_lines_are_cut_and_noted_once() -> Result<()> {
    const NOTED: &str = "further log lines are dropped: log_max_bytes (1000) is used up";
    let flood = |echo: &str| {
        format!(
            "(local $n i32) (loop $again (call $write (i32.const 1) (i32.const 2000) (i32.const 84))
             (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000)))) {echo}"
        )
    };
    let logging = |guest: Guest| {
        guest
            .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
            .items(&text_at(2000, &"x".repeat(84)))
    };
    let ground = Ground::with(|config| config.limits.log_max_bytes = 1_000).await?;
    let of_tool = logging(tool(&flood(ECHO)));
    let of_agent = logging(agent(&flood("(call $ok (local.get $input_ptr) (local.get $input_len))")));
    for (guest, step, grants) in [(of_tool, "tool: guest.go", ""), (of_agent, "agent: guest", AGENTS_GRANTS)]
    {
        let (run, got) = ground.completed(&guest, step, grants).await?;
        assert_eq!(got, json!({ "n": 1 }));
        let (bytes, text) = logged(&ground, run).await?;
        ensure!(text.matches(NOTED).count() == 1, "{step}: {}", text.matches(NOTED).count());
        ensure!(bytes < 40_000, "{step}: the journal holds {bytes} bytes");
        text.find("xxxx").context("some lines are kept")?;
    }
    ground.goes_on().await?;
    ground.scene.holds(0).await
}
