//! A thousand runs at once, under way and waiting.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use pawl_core::view::Status;
use pawl_core::{Duration, RunId};
use pawl_engine::{ManualClock, StartOptions};
use pawl_store::{Page, RunFilter};
use pawl_tests::{BEGIN, Disk, Scene};
use serde_json::{Value, json};

const RUNS: usize = 1_000;

const STEPS: &str = "
pawl: 1
workflow: three
version: 1.0.0
inputs: { text: string }
steps:
  - id: one
    tool: echo.say
    with: { text: '${{ inputs.text }}' }
  - id: two
    tool: echo.say
    with: { text: '${{ steps.one.output.text }}' }
  - id: three
    tool: echo.say
    with: { text: '${{ steps.two.output.text }}' }
outputs: { text: '${{ steps.three.output.text }}' }
";

const WAIT: &str = "
pawl: 1
workflow: wait
version: 1.0.0
steps:
  - id: pause
    wait: 1h
";

/// Starts a thousand runs side by side.
async fn start(scene: &Scene, text: &str, inputs: impl Fn(usize) -> Value) -> Result<Vec<RunId>> {
    let workflow = Arc::new(scene.workflow(text).await?);
    let starts: Vec<_> = (0..RUNS)
        .map(|number| {
            let (engine, workflow, inputs) = (scene.engine.clone(), Arc::clone(&workflow), inputs(number));
            tokio::spawn(async move { engine.start(&workflow, inputs, StartOptions::default()).await })
        })
        .collect();
    let mut runs = Vec::new();
    for start in starts {
        runs.push(start.await??);
    }
    Ok(runs)
}

async fn with_status(scene: &Scene, status: Status) -> Result<usize> {
    let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
    Ok(scene.engine.store().runs(&filter, &Page { after: None, limit: RUNS }).await?.runs.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_at_once_complete() -> Result<()> {
    let disk = Disk::new()?;
    let store = disk.open().await?;
    let scene = Scene::on(Arc::clone(&store) as Arc<_>, ManualClock::new(BEGIN), |_| {}).await?;
    let runs = start(&scene, STEPS, |number| json!({ "text": number.to_string() })).await?;
    for (number, run) in runs.iter().enumerate() {
        let header = scene.ended(*run).await?;
        assert_eq!(header.outputs, Some(json!({ "text": number.to_string() })));
    }
    assert_eq!(with_status(&scene, Status::Completed).await?, RUNS);
    for run in &runs {
        assert_eq!(scene.engine.history(*run).await?.head.seq, 11);
    }
    // Runs share their commits: far fewer transactions than batches.
    let stats = store.stats();
    assert_eq!(stats.commits, 4 * RUNS as u64);
    assert!(stats.transactions < stats.commits, "{stats:?}");
    scene.holds(0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiting_runs_cost_no_memory_and_wake_together() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let runs = start(&scene, WAIT, |_| Value::Null).await?;
    scene.holds(0).await?;
    assert_eq!(with_status(&scene, Status::Waiting).await?, RUNS);

    // An engine that has never seen them wakes them all.
    let scene = disk.scene(scene.stop().await?).await?;
    scene.engine.recover().await?;
    assert_eq!(scene.engine.in_memory().await?, 0);
    scene.clock.advance(Duration::from_secs(3_600));
    for run in &runs {
        scene.named(*run, "run-completed").await.context("a run that sleeps on")?;
    }
    scene.holds(0).await?;
    assert_eq!(scene.engine.store().next_due().await?, None);
    Ok(())
}
