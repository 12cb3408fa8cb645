//! How soon a guest is stopped that is not wanted any more, and how soon an agent is back.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_core::view::Status;
use pawl_core::{Duration as Span, RunId};
use pawl_tests::{Disk, Scene, TALLY_HOST, TallyServer, patiently, person};
use serde_json::{Value, json};

/// How soon an instance is stopped, and the requests of a tool are dropped.
const STOPPED_MAX: Duration = Duration::from_millis(100);
/// Each is tried so often, and the best time counts: the machine may be busy.
const TRIES: usize = 3;
const LOOK_UP: &str = "orders.lookup";

const GUESTS: &str = "
plugins:
  script: ./tests/guests/script.wasm
  orders: ./tests/guests/orders_tally.wasm
permissions: { tools: [orders.*], agents: [script], signals: [go], human: true, memory: true, timers: true, http: ['127.0.0.1:47917'] }
";
const TOOL: &str = "
  - id: go
    tool: orders.lookup
    with: { id: A-1002 }
    timeout: 1h
";
const AGENT: &str = "
  - id: go
    agent: script
    timeout: 1h
    with:
      steps: [{ all: [{ tool: orders.lookup, with: { id: A-1001 } }, { tool: orders.lookup, with: { id: A-1002 } }] }]
";
const CALLED: &str = "
  - id: go
    agent: script
    timeout: 1h
    with:
      steps: [{ agent: [script, { steps: [{ tool: { tool: orders.lookup, with: { id: A-1002 } } }] }] }]
";
const BRANCH: &str = "
  - id: race
    parallel:
      join: any
      branches:
        slow:
          - id: go
            tool: orders.lookup
            with: { id: A-1002 }
        quick:
          - id: pause
            wait: 1h
";

/// Prints what was measured, for who runs the test with `--nocapture`.
#[expect(clippy::print_stdout, reason = "figures are what these tests are for")]
pub(crate) fn figure(text: &str) {
    println!("{text}");
}

/// What makes it unwanted.
#[derive(Debug, Clone, Copy)]
enum End {
    Cancel,
    Time,
}

async fn stopped_in(server: &TallyServer, (steps, requests): (&str, usize), end: End) -> Result<Duration> {
    server.hold(LOOK_UP);
    let scene = Scene::new().await?;
    let text = format!("pawl: 1\nworkflow: prompt\nversion: 1.0.0{GUESTS}steps:{steps}");
    let (reached, dropped) = (server.count(LOOK_UP), server.dropped());
    let run: RunId = scene.start_allowed(&text, Value::Null, &[TALLY_HOST]).await?;
    patiently("the requests", server.reached(LOOK_UP, reached + requests)).await?;
    let since = Instant::now();
    match end {
        End::Cancel => scene.engine.cancel(run, person("user:ann", &[], true), None).await?,
        End::Time => scene.clock.advance(Span::from_secs(3_600)),
    }
    patiently("the end of the requests", server.drops(dropped + requests)).await?;
    let took = since.elapsed();
    scene.holds(0).await?;
    server.release();
    Ok(took)
}

#[tokio::test]
async fn requests_of_a_tool_are_dropped_at_once_when_nobody_wants_them_any_more() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let cases = [
        ("a tool step, cancelled", TOOL, 1, End::Cancel),
        ("a tool step, too late", TOOL, 1, End::Time),
        ("a branch that is cut off", BRANCH, 1, End::Time),
        ("calls of an agent, cancelled", AGENT, 2, End::Cancel),
        ("calls of an agent, too late", AGENT, 2, End::Time),
        ("an agent that is called, cancelled", CALLED, 1, End::Cancel),
    ];
    for (what, steps, requests, end) in cases {
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            best = best.min(stopped_in(&server, (steps, requests), end).await.context(what)?);
        }
        figure(&format!("{what}: stopped in {best:?}"));
        ensure!(best < STOPPED_MAX, "{what}: {best:?}");
    }
    Ok(())
}

const SPIN: &str = "
pawl: 1
workflow: spin
version: 1.0.0
plugins: { spin: ./tests/guests/spin.wasm }
steps: [{ id: go, tool: spin.forever, with: {} }]
";

#[tokio::test]
async fn a_guest_that_computes_is_stopped_at_once() -> Result<()> {
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let scene = Scene::with(|config| {
            config.sandbox.tools_max = 1;
            config.limits.guest_time_max_ms = 3_600_000;
        })
        .await?;
        let run = scene.start(SPIN, Value::Null).await?;
        scene.named(run, "attempt-started").await?;
        // The one turn is free again when the instance is gone.
        let next = scene.start(&SPIN.replace("workflow: spin", "workflow: next"), Value::Null).await?;
        scene.named(next, "attempt-started").await?;
        let since = Instant::now();
        scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
        scene.engine.cancel(next, person("user:ann", &[], true), None).await?;
        Box::pin(patiently("an idle engine", idle(&scene))).await??;
        best = best.min(since.elapsed());
    }
    figure(&format!("computing: stopped in {best:?}"));
    ensure!(best < STOPPED_MAX, "{best:?}");
    Ok(())
}

/// Whether a turn is to be had: a small tool runs to its end.
async fn idle(scene: &Scene) -> Result<()> {
    let text = "
pawl: 1
workflow: small
version: 1.0.0
steps: [{ id: go, tool: orders.lookup, with: { id: A-1002 } }]
";
    let run = scene.start(text, Value::Null).await?;
    ensure!(scene.ended(run).await?.status == Status::Completed);
    Ok(())
}

#[tokio::test]
async fn a_thousand_recorded_calls_are_replayed_and_none_is_made_again() -> Result<()> {
    let text = format!(
        "pawl: 1\nworkflow: long\nversion: 1.0.0\ninputs: {{ steps: array }}{GUESTS}steps:\n  \
         - {{ id: go, agent: script, with: {{ steps: '${{{{ inputs.steps }}}}' }} }}"
    );
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let scene = disk.scene(pawl_engine::ManualClock::new(pawl_tests::BEGIN)).await?;
    let look = json!({ "tool": LOOK_UP, "with": { "id": "A-1002" } });
    let mut steps: Vec<Value> = (0..10).map(|_| json!({ "all": vec![look.clone(); 100] })).collect();
    steps.push(json!({ "ask": "Go on?" }));
    let run = scene.start_allowed(&text, json!({ "steps": steps }), &[TALLY_HOST]).await?;
    let approval = scene.asked(run).await?;
    scene.holds(0).await?;
    assert_eq!(server.count(LOOK_UP), 1_000);
    let since = Instant::now();
    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    figure(&format!("1,000 recorded calls, not optimized: back and done in {:?}", since.elapsed()));
    let events = scene.events(run).await?;
    let calls = events.iter().filter(|event| event.name() == "call-completed").count();
    assert_eq!((server.count(LOOK_UP), calls), (1_000, 1_000));
    scene.stop().await?;
    Ok(())
}
