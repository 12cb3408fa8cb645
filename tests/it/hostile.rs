//! Guests that do their worst: a failure of their own step, and of nothing else.

use anyhow::{Context as _, Result, ensure};
use pawl_core::FailureKind;
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_tests::{Scene, TALLY_HOST};
use serde_json::{Value, json};

use crate::attack::BYSTANDER;

/// One step, of a guest that is named by its file.
fn one_step(guest: &str, tool: &str, more: &str) -> String {
    format!(
        "pawl: 1\nworkflow: hostile\nversion: 1.0.0\nplugins: {{ guest: ./tests/guests/{guest}.wasm }}\n\
         {more}steps:\n  - id: act\n    tool: guest.{tool}\n"
    )
}

struct Case {
    name: &'static str,
    workflow: String,
    hosts: &'static [&'static str],
    kind: FailureKind,
    says: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let http = format!("permissions: {{ http: ['{TALLY_HOST}'] }}\n");
    let lookup = |more: &str| {
        let id = "    with: { id: A-1001 }\n";
        format!("{}{id}", one_step("orders_tally", "lookup", more))
    };
    let not_granted = &["imports what was not granted", "wasi:http/outgoing-handler", "permissions.http"];
    vec![
        Case {
            name: "an endless loop",
            workflow: one_step("spin", "forever", ""),
            hosts: &[],
            kind: FailureKind::Limit,
            says: &["guest_time_max_ms (200)"],
        },
        Case {
            name: "memory without end",
            workflow: one_step("hog", "grow", ""),
            hosts: &[],
            kind: FailureKind::Limit,
            says: &["memory_max_bytes (8388608)"],
        },
        Case {
            name: "a panic",
            workflow: one_step("crash", "panic", ""),
            hosts: &[],
            kind: FailureKind::Trap,
            says: &["a panic", "this plugin panics on purpose"],
        },
        Case {
            name: "the network, which the workflow does not grant",
            workflow: lookup(""),
            hosts: &[TALLY_HOST],
            kind: FailureKind::Denied,
            says: not_granted,
        },
        Case {
            name: "the network, which the operator does not allow",
            workflow: lookup(&http),
            hosts: &[],
            kind: FailureKind::Denied,
            says: &["the operator did not allow it", "--allow-http"],
        },
        Case {
            name: "another host than the workflow's",
            workflow: lookup(&http),
            hosts: &["example.com"],
            kind: FailureKind::Denied,
            says: not_granted,
        },
    ]
}

#[tokio::test]
async fn a_hostile_guest_fails_its_own_step_and_harms_nobody() -> Result<()> {
    let scene = Scene::with(|config| {
        config.limits.guest_time_max_ms = 200;
        config.limits.memory_max_bytes = 8 << 20;
    })
    .await?;
    for case in cases() {
        attack(&scene, &case).await.context(case.name)?;
    }
    scene.holds(0).await
}

async fn attack(scene: &Scene, case: &Case) -> Result<()> {
    let bystander = scene.start(BYSTANDER, Value::Null).await?;
    let approval = scene.asked(bystander).await?;

    scene.accept(&case.workflow).await?;
    let run = scene.start_allowed(&case.workflow, Value::Null, case.hosts).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Failed);
    let failure = header.error.context("a failure")?;
    assert_eq!(failure.kind, case.kind, "{failure}");
    for said in case.says {
        ensure!(failure.message.contains(said), "'{said}' is not in: {failure}");
    }
    let events = scene.events(run).await?;
    let of_step = events
        .iter()
        .any(|event| matches!(event, Event::StepFailed { failure: of_step, .. } if *of_step == failure));
    ensure!(of_step, "the step has no failure of its own: {events:?}");

    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(bystander).await?.outputs, Some(json!({ "text": "one two" })));
    Ok(())
}

#[tokio::test]
async fn a_component_that_does_not_fit_its_manifest_is_refused_before_anything_runs() -> Result<()> {
    let scene = Scene::new().await?;
    let folder = tempfile::tempdir()?;
    let guests = pawl_tests::workflow("../tests/guests");
    std::fs::copy(guests.join("orders_tally.wasm"), folder.path().join("orders.wasm"))?;
    let manifest = "name = 'orders'\nversion = '0.1.0'\nkind = 'tool'\ncapabilities = ['log']\n";
    std::fs::write(folder.path().join("orders.toml"), manifest)?;
    let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\nplugins: { orders: ./orders.wasm }\nsteps:\n  - id: a\n    tool: orders.list\n    with: {}\n";
    let refused = scene.engine.prepare_workflow("w.yaml", text, folder.path()).await;
    let message = refused.err().context("a refusal")?.to_string();
    ensure!(message.contains("plugin.toml, line 4, column 16: it lists too few capabilities"), "{message}");
    ensure!(message.contains("wasi:http/outgoing-handler"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_manifest_that_asks_for_more_than_the_operator_allows_is_refused() -> Result<()> {
    let scene = Scene::with(|config| config.limits.memory_max_bytes = 8 << 20).await?;
    let folder = tempfile::tempdir()?;
    let guests = pawl_tests::workflow("../tests/guests");
    std::fs::copy(guests.join("spin.wasm"), folder.path().join("spin.wasm"))?;
    // The only component of its folder: the file needs no name of its own.
    let manifest = "name = 'spin'\nversion = '0.1.0'\nkind = 'tool'\ncapabilities = ['log']\n[limits]\nmemory_max_bytes = 8388609\n";
    std::fs::write(folder.path().join("plugin.toml"), manifest)?;
    let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\nplugins: { spin: ./spin.wasm }\nsteps:\n  - id: a\n    tool: spin.forever\n";
    let refused = scene.engine.prepare_workflow("w.yaml", text, folder.path()).await;
    let message = refused.err().context("a refusal")?.to_string();
    ensure!(
        message.contains("asks for memory_max_bytes = 8388609, and this pawl allows 8388608"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_calls_hold_too_much_fails_at_its_limit() -> Result<()> {
    let scene = Scene::with(|config| config.recorded_calls_max_bytes = 200).await?;
    let workflow = scene.engine.load_workflow(&pawl_tests::workflow("planner.yaml")).await?;
    let inputs = json!({ "customer": "ann" });
    let run = scene.engine.start(&workflow, inputs, pawl_engine::StartOptions::default()).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Limit);
    ensure!(failure.message.contains("recorded_calls_max_bytes (200)"), "{failure}");
    scene.holds(0).await
}

#[tokio::test]
async fn an_agent_whose_silent_calls_hold_too_much_fails_at_its_limit() -> Result<()> {
    let scene = Scene::with(|config| config.silent_calls_max_bytes = 20).await?;
    let workflow = scene.engine.load_workflow(&pawl_tests::workflow("planner.yaml")).await?;
    let inputs = json!({ "customer": "ann" });
    let run = scene.engine.start(&workflow, inputs, pawl_engine::StartOptions::default()).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Limit);
    ensure!(failure.message.contains("silent_calls_max_bytes (20)"), "{failure}");
    scene.holds(0).await
}
