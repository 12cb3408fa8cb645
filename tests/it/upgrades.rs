//! Runs that are moved to another version of their workflow, with the real engine: across its end, with agents in the
//! middle of their work, with slots, and by several at once.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::{Actor, Event};
use pawl_core::upgrade::ObstacleKind;
use pawl_core::view::Status;
use pawl_core::{Refusal, RunId};
use pawl_engine::upkeep::rebuild;
use pawl_engine::{EngineError, ManualClock, Retention, Workflow};
use pawl_store::{Page, Store};
use pawl_tests::{BEGIN, Disk, Scene, person};
use serde_json::{Value, json};

const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
plugins: { script: ./tests/guests/script.wasm }
permissions: { tools: [orders.*], agents: [script], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    with:
      steps:
        - tool: { tool: orders.lookup, with: { id: A-1002 } }
        - ask: Go on?
        - tool: { tool: orders.lookup, with: { id: A-1001 } }
outputs: { results: '${{ steps.go.output }}' }
";

/// How many runs are moved while the engine ends.
const RUNS: usize = 24;

fn ann() -> Actor {
    person("user:ann", &[], true)
}

/// The same with a step more, whose output is the run's.
fn longer(version: &str) -> String {
    ASKS.replace("1.0.0", version).replace(
        "outputs: { results: '${{ steps.go.output }}' }",
        "  - { id: more, set: '${{ steps.go.output[1] }}' }\noutputs: { results: '${{ steps.more.output }}' }",
    )
}

async fn version(scene: &Scene, run: RunId) -> Result<String> {
    let header = scene.engine.store().run(run).await?.context("a header")?;
    let history = scene.engine.history(run).await?;
    assert_eq!(header.version, history.state.version(), "header and journal say the same");
    assert_eq!(scene.engine.definition_of(run).await?.version, header.version);
    Ok(header.version)
}

#[tokio::test]
async fn an_agent_that_waits_goes_on_under_the_new_version_after_the_end_of_the_engine() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start(ASKS, json!({})).await?;
    let approval = scene.asked(run).await?;
    let new = scene.workflow(&longer("1.1.0")).await?;
    let verdict = scene.engine.check_upgrade(&new, None, 10).await?.runs;
    ensure!(verdict.len() == 1 && verdict[0].verdict.can_move(), "{verdict:?}");
    assert_eq!(version(&scene, run).await?, "1.0.0");
    scene.engine.upgrade(run, &new, ann(), Some("more".into())).await?;
    assert_eq!(version(&scene, run).await?, "1.1.0");
    assert!(scene.engine.check_upgrade_of(run, &new).await?.verdict.already);

    // What its agent may do is part of what it is replayed with.
    let other = longer("1.2.0").replace("signals: [go]", "signals: [go, stop]");
    let other = scene.workflow(&other).await?;
    let refused = scene.engine.upgrade(run, &other, ann(), None).await;
    let Err(EngineError::Refused(Refusal::CannotMove(why))) = refused else { panic!("{refused:?}") };
    assert_eq!(why.obstacles[0].kind, ObstacleKind::AgentChanged, "{why}");

    let clock = scene.stop().await?;
    let scene = disk.scene(clock).await?;
    scene.engine.recover().await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs, Some(json!({ "results": "approve" })), "{:?}", header.error);
    let report = scene.engine.replay(run).await?;
    ensure!(report.attempts.len() == 1 && report.first_difference().is_none(), "{report:?}");
    let names: Vec<_> = scene.events(run).await?.iter().map(Event::name).collect();
    assert_eq!(names.iter().filter(|name| **name == "definition-changed").count(), 1);
    // Both definitions stay, for who looks at what was.
    scene.engine.prune(Retention::default()).await?;
    for event in scene.events(run).await? {
        let digest = match event {
            Event::RunStarted(started) => started.definition,
            Event::DefinitionChanged(changed) => changed.to,
            _ => continue,
        };
        scene.engine.store().blob(&digest).await?.context("a definition")?;
    }
    scene.stop().await?;
    let store = disk.open().await?;
    let found = rebuild(store.maintain().context("rows")?, disk.folder(), &mut |_| ()).await?;
    assert_eq!(found.differences, [], "what follows from the journal is what was written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_engine_ends_each_run_is_on_one_version_whole() -> Result<()> {
    for ends_after in [0, 1, 7, 20] {
        let disk = Disk::new()?;
        let scene = disk.scene(ManualClock::new(BEGIN)).await?;
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let run = scene.start(&questions("1.0.0", ""), json!({})).await?;
            scene.asked(run).await?;
            runs.push(run);
        }
        let new = scene.workflow(&questions("1.1.0", "  - { id: more, set: 1 }\n")).await?;
        let moving: Vec<_> = runs
            .iter()
            .map(|run| {
                let (engine, new, run) = (scene.engine.clone(), new.clone(), *run);
                tokio::spawn(async move { engine.upgrade(run, &new, ann(), None).await })
            })
            .collect();
        let mut acknowledged = Vec::new();
        for (number, (moving, run)) in moving.into_iter().zip(&runs).enumerate() {
            if number == ends_after {
                scene.engine.cut_off().await?;
            }
            if moving.await?.is_ok() {
                acknowledged.push(*run);
            }
        }
        ensure!(acknowledged.len() >= ends_after, "those before the end were moved");
        drop(scene);
        let scene = disk.scene(ManualClock::new(BEGIN)).await?;
        let new = scene.workflow(&questions("1.1.0", "  - { id: more, set: 1 }\n")).await?;
        for run in &runs {
            let version = version(&scene, *run).await?;
            ensure!(["1.0.0", "1.1.0"].contains(&version.as_str()));
            ensure!(version == "1.1.0" || !acknowledged.contains(run), "what was acknowledged is there");
            if version == "1.0.0" {
                scene.engine.upgrade(*run, &new, ann(), None).await?;
            }
            let approval = scene.asked(*run).await?;
            scene.answer(&approval, "yes", Value::Null).await?;
            assert_eq!(scene.ended(*run).await?.outputs, Some(json!({})));
            let moves = scene.events(*run).await?;
            let moves = moves.iter().filter(|event| matches!(event, Event::DefinitionChanged(_))).count();
            assert_eq!(moves, 1, "a run is moved once");
        }
    }
    Ok(())
}

fn questions(version: &str, more: &str) -> String {
    format!(
        "pawl: 1\nworkflow: questions\nversion: {version}\nsteps:\n  - {{ id: ask, human: {{ title: Go on?, actions: [yes] }} }}\n{more}"
    )
}

#[tokio::test]
async fn a_slot_is_held_until_its_run_ends_though_the_new_version_takes_none() -> Result<()> {
    let scene = Scene::new().await?;
    let one_at_once = questions("1.0.0", "concurrency: { limit: 1 }\n");
    let first = scene.start(&one_at_once, json!({})).await?;
    let approval = scene.asked(first).await?;
    let second = scene.start(&one_at_once, json!({})).await?;
    scene.engine.quiet().await?;
    let new = scene.workflow(&questions("1.1.0", "")).await?;
    let page = scene.engine.check_upgrade(&new, None, 10).await?;
    ensure!(page.runs.iter().all(|run| run.verdict.can_move()), "{page:?}");
    ensure!(page.runs[0].verdict.notes.iter().any(|note| note.contains("concurrency")), "{page:?}");
    scene.engine.upgrade(first, &new, ann(), None).await?;
    let taken = |tickets: Vec<pawl_core::Ticket>| tickets.iter().filter(|ticket| ticket.taken).count();
    assert_eq!(taken(scene.engine.store().tickets(None, 10).await?), 1);
    let waits = scene.engine.store().run(second).await?.context("a header")?;
    assert_eq!(waits.status, Status::Pending);
    scene.answer(&approval, "yes", Value::Null).await?;
    scene.ended(first).await?;
    // Then it is the other's turn.
    scene.asked(second).await?;
    Ok(())
}

async fn registered(scene: &Scene, text: &str) -> Result<Workflow> {
    let workflow = scene.workflow(text).await?;
    scene.engine.register(&workflow, "questions.yaml", ann()).await?;
    Ok(workflow)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_activate_at_once_one_does_and_the_others_are_told() -> Result<()> {
    let scene = Arc::new(Scene::new().await?);
    let first = registered(&scene, &questions("1.0.0", "")).await?;
    let versions: Vec<String> = (1..9).map(|minor| format!("1.{minor}.0")).collect();
    let mut registering = Vec::new();
    for version in versions.clone() {
        let scene = Arc::clone(&scene);
        registering.push(tokio::spawn(async move {
            registered(&scene, &questions(&version, "")).await.map(|_| ())
        }));
    }
    for registering in registering {
        registering.await??;
    }
    let head = scene.engine.registered(None, &Page { after: None, limit: 10 }).await?;
    assert_eq!((head.len(), head[0].versions), (1, 9), "none of them is forgotten");
    scene.engine.activate("questions", "1.0.0", None, ann()).await?;
    let mut activating = Vec::new();
    for version in versions {
        let (scene, expected) = (Arc::clone(&scene), Some(first.definition.digest));
        activating.push(tokio::spawn(async move {
            scene.engine.activate("questions", &version, expected, ann()).await
        }));
    }
    let (mut won, mut told) = (Vec::new(), 0);
    for activating in activating {
        match activating.await? {
            Ok(active) => won.push(active),
            Err(EngineError::ActiveChanged { .. }) => told += 1,
            Err(error) => return Err(error.into()),
        }
    }
    assert_eq!((won.len(), told), (1, 7));
    assert_eq!(won[0].before.as_deref(), Some("1.0.0"));
    let active = scene.engine.registered_workflow("questions", None).await?;
    assert_eq!(active.definition.version, won[0].version);
    let elsewhere = pawl_engine::WorkflowName { namespace: Some("other"), name: "questions" };
    ensure!(scene.engine.registered_name(elsewhere).await?.is_none(), "another namespace has its own");
    Ok(())
}
