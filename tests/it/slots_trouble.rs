//! Slots where something is in the way: lists that come late or are damaged, runs that cannot be read, and
//! those that are suspended the moment that their turn comes.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Duration, RunId};
use pawl_engine::{EngineError, ManualClock};
use pawl_tests::{BEGIN, Scene, person};
use serde_json::{Value, json};

use crate::failing::{Failing, List};

/// Runs that hold the one slot until somebody says that they may end.
const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
inputs: { priority: { type: integer, default: 50 } }
priority: '${{ inputs.priority }}'
concurrency: { limit: 1 }
steps: [{ id: a, human: { title: Well? } }]
";

async fn scene(store: &Arc<Failing>, clock: ManualClock) -> Result<Scene> {
    Scene::on(Arc::clone(store) as _, clock, |_| {}).await
}

/// A process in which one run has the slot and others wait for it.
async fn line(store: &Arc<Failing>, others: usize) -> Result<(Scene, RunId, ApprovalId, Vec<RunId>)> {
    let scene = scene(store, ManualClock::new(BEGIN)).await?;
    let first = scene.start(ASKS, json!({})).await?;
    let approval = scene.asked(first).await?;
    let mut waiting = Vec::new();
    for _ in 0..others {
        // The next one is who came before.
        scene.clock.advance(Duration(1));
        waiting.push(scene.start(ASKS, json!({})).await?);
    }
    scene.holds(0).await?;
    Ok((scene, first, approval, waiting))
}

/// The question of a run that has got its slot.
async fn has_slot(scene: &Scene, run: RunId) -> Result<ApprovalId> {
    scene.event(run, |event| matches!(event, Event::SlotTaken { visit: None })).await?;
    scene.asked(run).await
}

async fn ends(scene: &Scene, run: RunId, approval: &ApprovalId) -> Result<()> {
    scene.answer(approval, "approve", Value::Null).await?;
    ensure!(scene.ended(run).await?.status == Status::Completed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_while_the_list_is_on_its_way_holds_nothing() -> Result<()> {
    let store = Failing::new();
    let (scene, first, approval, _) = line(&store, 0).await?;
    // The next process knows of nobody, and learns late of what was so when it asked.
    let scene = self::scene(&store, scene.stop().await?).await?;
    let read = store.lists();
    store.list(List::Late);
    let second = scene.start(ASKS, json!({})).await?;
    store.listed(read + 1).await?;
    ends(&scene, first, &approval).await?;
    store.list(List::Told);
    has_slot(&scene, second).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_read_keeps_nobody_waiting() -> Result<()> {
    let store = Failing::new();
    let (scene, first, approval, waiting) = line(&store, 3).await?;
    let &[second, third, fourth] = waiting.as_slice() else { bail!("three runs") };
    // It is the next one, and nobody can tell it so.
    store.damage(Some(second));
    ends(&scene, first, &approval).await?;
    let approval = has_slot(&scene, third).await?;
    scene.holds(0).await?;
    // It holds the slot, and nobody can tell what it does with it.
    store.damage(Some(third));
    match scene.answer(&approval, "approve", Value::Null).await {
        Err(EngineError::Store(error)) => ensure!(error.to_string().contains("damaged"), "{error}"),
        other => bail!("{other:?}"),
    }
    has_slot(&scene, fourth).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_a_run_could_not_take_goes_to_the_next_one_and_it_is_not_forgotten() -> Result<()> {
    let store = Failing::new();
    let (scene, first, approval, waiting) = line(&store, 1).await?;
    let by = || person("user:ann", &[], true);
    let suspended = waiting[0];
    // It is about to be suspended, which is not durable yet, when its turn comes.
    let commits = store.commits();
    store.halt(Some(suspended));
    let engine = scene.engine.clone();
    let suspending = tokio::spawn(async move { engine.suspend(suspended, by(), None).await });
    store.committing(commits + 1).await?;
    ends(&scene, first, &approval).await?;
    // Meanwhile comes one that goes before it, and somebody resumes it; both is decided in one go.
    let urgent = scene.start(ASKS, json!({ "priority": 90 })).await?;
    let resumed = scene.engine.resume(suspended, by());
    let (resumed, told) = tokio::join!(biased; resumed, async {
        // An answer to this comes when the engine has the command in hand.
        let told = scene.engine.in_memory().await;
        store.halt(None);
        told
    });
    resumed?;
    told?;
    suspending.await??;
    let approval = has_slot(&scene, urgent).await?;
    let header = scene.settled(suspended).await?;
    ensure!(header.status == Status::Pending, "{header:?}");
    ends(&scene, urgent, &approval).await?;
    has_slot(&scene, suspended).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_goes_on_though_the_list_is_damaged() -> Result<()> {
    let store = Failing::new();
    let (scene, first, approval, waiting) = line(&store, 1).await?;
    let scene = self::scene(&store, scene.stop().await?).await?;
    store.list(List::Damaged);
    // Nobody knows of the two before it: more than the limit go on, and none waits for ever.
    let third = scene.start(ASKS, json!({})).await?;
    let third_asks = has_slot(&scene, third).await?;
    ends(&scene, first, &approval).await?;
    // One that is asked for is known by its journal.
    scene.engine.take_up(waiting[0]).await?;
    ends(&scene, third, &third_asks).await?;
    has_slot(&scene, waiting[0]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_run_whose_row_is_damaged_its_journal_tells() -> Result<()> {
    for holder_is_damaged in [true, false] {
        let store = Failing::new();
        let (scene, first, approval, waiting) = line(&store, 2).await?;
        let scene = self::scene(&store, scene.stop().await?).await?;
        store.list(List::Row(if holder_is_damaged { first } else { waiting[0] }));
        let taken_up = scene.engine.recover().await?;
        ensure!(waiting.iter().all(|run| taken_up.contains(run)), "{taken_up:?}");
        let mut pending = scene.settled(waiting[0]).await?;
        ensure!(pending.status == Status::Pending, "{pending:?}");
        pending = scene.settled(waiting[1]).await?;
        ensure!(pending.status == Status::Pending, "{pending:?}");
        ends(&scene, first, &approval).await?;
        let approval = has_slot(&scene, waiting[0]).await?;
        ends(&scene, waiting[0], &approval).await?;
        has_slot(&scene, waiting[1]).await?;
    }
    Ok(())
}
