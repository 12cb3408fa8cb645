//! `tools.call-all`: several tools at once, each recorded by itself.

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{FailureKind, RunId};
use pawl_engine::ManualClock;
use pawl_tests::{BEGIN, Disk, Scene, TALLY_HOST, TallyServer, patiently};
use serde_json::{Value, json};

const LOOK_UP: &str = "orders.lookup";
const REFUND: &str = "payments.refund";

fn text() -> String {
    format!(
        "
pawl: 1
workflow: together
version: 1.0.0
inputs: {{ steps: array }}
plugins:
  script: ./tests/guests/script.wasm
  orders: ./tests/guests/orders_tally.wasm
  payments: ./tests/guests/payments_tally.wasm
permissions: {{ tools: [orders.*, payments.refund], agents: [script], signals: [go], human: true, memory: true, timers: true, http: ['{TALLY_HOST}'] }}
steps:
  - id: go
    agent: script
    with: {{ steps: '${{{{ inputs.steps }}}}' }}
outputs: {{ results: '${{{{ steps.go.output }}}}' }}
"
    )
}

fn look_up(id: &str) -> Value {
    json!({ "tool": LOOK_UP, "with": { "id": id } })
}

fn refund() -> Value {
    json!({ "tool": REFUND, "with": { "order": "A-1002", "amount": 40 } })
}

fn all(calls: &[Value]) -> Value {
    json!({ "steps": [{ "all": calls }] })
}

async fn start(scene: &Scene, calls: &[Value]) -> Result<RunId> {
    scene.start_allowed(&text(), all(calls), &[TALLY_HOST]).await
}

fn recorded(events: &[Event]) -> usize {
    events.iter().filter(|event| event.name() == "call-completed").count()
}

#[tokio::test]
async fn tools_are_called_at_once_and_their_results_stand_in_order() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold(LOOK_UP);
    let scene = Scene::new().await?;
    let run = start(&scene, &[look_up("A-1002"), look_up("A-0000"), look_up("A-1001")]).await?;
    patiently("all three", server.reached(LOOK_UP, 3)).await?;
    server.release();
    let header = scene.ended(run).await?;
    let results = header.outputs.context("outputs")?["results"][0].clone();
    assert_eq!((&results[0]["id"], &results[2]["id"]), (&json!("A-1002"), &json!("A-1001")));
    ensure!(results[1]["failed"].is_string(), "a failure is the agent's to handle: {results}");
    let events = scene.events(run).await?;
    assert_eq!(recorded(&events), 3);
    Ok(())
}

#[tokio::test]
async fn no_more_are_called_at_once_than_the_limit_says() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold(LOOK_UP);
    let scene = Scene::with(|config| config.calls_at_once_max = 2).await?;
    let run = start(&scene, &vec![look_up("A-1001"); 5]).await?;
    patiently("two of them", server.reached(LOOK_UP, 2)).await?;
    // A third one would have had the time in which the engine answers a hundred times.
    for _ in 0..100 {
        scene.holds(1).await?;
        tokio::task::yield_now().await;
    }
    assert_eq!(server.calls()?.len(), 2);
    server.release();
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    assert_eq!(server.calls()?.len(), 5);
    Ok(())
}

#[tokio::test]
async fn more_calls_than_call_all_max_end_the_attempt() -> Result<()> {
    let scene = Scene::with(|config| config.limits.call_all_max = 2).await?;
    let run = scene.start(&text(), all(&vec![look_up("A-1001"); 3])).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Limit);
    ensure!(failure.message.contains("call_all_max (2)"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn after_a_crash_only_those_without_a_result_are_called_again() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    server.hold(REFUND);
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = start(&scene, &[look_up("A-1002"), refund(), look_up("A-1001")]).await?;
    patiently("the refund", server.reached(REFUND, 1)).await?;
    let mut answered = 0;
    let both = |event: &Event| {
        answered += usize::from(event.name() == "call-completed");
        answered == 2
    };
    patiently("both orders", find(&scene, run, both)).await??;

    let scene = disk.scene(scene.stop().await?).await?;
    assert_eq!(scene.engine.recover().await?, [run]);
    let approval = scene.asked(run).await?;
    server.release();
    scene.answer(&approval, "retry", Value::Null).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    let results = header.outputs.context("outputs")?["results"][0].clone();
    ensure!(results[1]["receipt"].is_string(), "{results}");
    let calls = server.calls()?;
    let of = |tool: &str| calls.iter().filter(|call| call.tool == tool).count();
    assert_eq!((of(LOOK_UP), of(REFUND)), (2, 2));
    let events = scene.events(run).await?;
    assert_eq!(recorded(&events), 3);
    scene.stop().await?;
    Ok(())
}

async fn find(scene: &Scene, run: RunId, mut is: impl FnMut(&Event) -> bool) -> Result<()> {
    let mut follower = scene.engine.follow(run, 1);
    while !is(&follower.next().await?.event) {}
    Ok(())
}
