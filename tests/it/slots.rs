//! What may go on at once only so often: never more than that, nobody forgotten, whatever dies and whoever waits.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::{RunHeader, Status, Waiting};
use pawl_core::{Duration, FailureKind, RunId};
use pawl_engine::ManualClock;
use pawl_store::memory::MemoryStore;
use pawl_store::{Page, RunFilter, Store};
use pawl_tests::{BEGIN, Scene, person};
use serde_json::{Value, json};

use crate::failing::Failing;

const HOUR: Duration = Duration::from_secs(3_600);

fn text(name: &str, rest: &str) -> String {
    format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\n{rest}")
}

/// Runs that hold one of `limit` slots for an hour.
fn hour(limit: u32, more: &str) -> String {
    text(
        "hour",
        &format!(
            "inputs: {{ priority: {{ type: integer, default: 50 }} }}\n\
             priority: '${{{{ inputs.priority }}}}'\n\
             concurrency: {{ limit: {limit}{more} }}\n\
             steps: [{{ id: a, wait: 1h }}]"
        ),
    )
}

async fn statuses(scene: &Scene, runs: &[RunId]) -> Result<Vec<Status>> {
    let mut statuses = Vec::new();
    for run in runs {
        statuses.push(scene.engine.store().run(*run).await?.context("a run")?.status);
    }
    Ok(statuses)
}

/// Returns when a run has begun.
async fn begun(scene: &Scene, run: RunId) -> Result<()> {
    scene.event(run, |event| matches!(event, Event::SlotTaken { visit: None })).await?;
    scene.holds(0).await
}

async fn holders(store: &dyn Store) -> Result<usize> {
    Ok(store.tickets(None, 1_000).await?.iter().filter(|ticket| ticket.taken).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_runs_go_on_at_once_than_there_are_slots() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = hour(2, "");
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(scene.start(&workflow, json!({})).await?);
    }
    let (w, p, c) = (Status::Waiting, Status::Pending, Status::Completed);
    for now in [[w, w, p, p, p], [c, c, w, w, p], [c, c, c, c, w]] {
        for (run, status) in runs.iter().zip(now) {
            if status == w {
                begun(&scene, *run).await?;
            }
        }
        ensure!(statuses(&scene, &runs).await? == now);
        // Who waits costs no memory.
        scene.holds(0).await?;
        scene.clock.advance(HOUR);
        for (run, status) in runs.iter().zip(now) {
            if status == w {
                scene.ended(*run).await?;
            }
        }
    }
    ensure!(scene.engine.store().tickets(None, 10).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_free_goes_to_the_highest_priority() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = hour(1, "");
    let mut runs = Vec::new();
    for priority in [50, 10, 90, 50] {
        runs.push(scene.start(&workflow, json!({ "priority": priority })).await?);
    }
    for next in [0, 2, 3, 1] {
        begun(&scene, runs[next]).await?;
        let waiting = statuses(&scene, &runs).await?.iter().filter(|at| **at == Status::Waiting).count();
        ensure!(waiting == 1);
        scene.clock.advance(HOUR);
        scene.ended(runs[next]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_any_workflow_share_the_slots_of_a_key() -> Result<()> {
    let scene = Scene::new().await?;
    let step = "concurrency: { limit: 1, key: 'printer/${{ inputs.n }}' }";
    let of = |name: &str, verb: &str| {
        text(name, &format!("inputs: {{ n: integer }}\nsteps:\n  - id: a\n    {verb}\n    {step}"))
    };
    let first = scene.start(&of("one", "human: { title: Well? }"), json!({ "n": 1 })).await?;
    let approval = scene.asked(first).await?;
    let other_key =
        scene.start(&of("two", "set: 1").replace("set: 1", "wait: 0s"), json!({ "n": 2 })).await?;
    scene.ended(other_key).await?;
    let second = scene.start(&of("two", "wait: 0s"), json!({ "n": 1 })).await?;
    // Its rest is that of the run whose slot it waits for.
    let header = scene.settled(second).await?;
    ensure!(header.status == Status::Waiting);
    let Some(Waiting::Slot { step, key, .. }) = &header.waiting else { anyhow::bail!("{header:?}") };
    ensure!((step.as_ref().map(pawl_core::StepId::as_str), key.as_str()) == (Some("a"), "printer/1"));
    scene.answer(&approval, "approve", Value::Null).await?;
    ensure!(scene.ended(second).await?.status == Status::Completed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_to_wait_fails_and_the_newest_replaces_the_oldest() -> Result<()> {
    let scene = Scene::new().await?;
    let fails = hour(1, ", overflow: fail");
    let first = scene.start(&fails, json!({})).await?;
    begun(&scene, first).await?;
    let second = scene.ended(scene.start(&fails, json!({})).await?).await?;
    ensure!(second.error.is_some_and(|failure| failure.kind == FailureKind::Limit));
    // The same slots, wanted in another way.
    let replaces = hour(1, ", overflow: replace");
    let third = scene.start(&replaces, json!({})).await?;
    begun(&scene, third).await?;
    ensure!(scene.ended(first).await?.status == Status::Cancelled);
    let fourth = scene.start(&replaces, json!({})).await?;
    begun(&scene, fourth).await?;
    ensure!(scene.ended(third).await?.status == Status::Cancelled);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_before_its_slot_comes_leaves_the_line() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = hour(1, "");
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(scene.start(&workflow, json!({})).await?);
    }
    begun(&scene, runs[0]).await?;
    let by = || person("user:ann", &[], true);
    scene.engine.cancel(runs[1], by(), None).await?;
    scene.engine.suspend(runs[2], by(), None).await?;
    scene.clock.advance(HOUR);
    begun(&scene, runs[3]).await?;
    ensure!(statuses(&scene, &runs).await?[2] == Status::Suspended);
    scene.engine.resume(runs[2], by()).await?;
    scene.clock.advance(HOUR);
    begun(&scene, runs[2]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_itself_around_a_corner_is_at_rest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let head = "concurrency: { limit: 1, key: same }\n";
    let parent = format!("{head}workflows: {{ child: ./child.yaml }}\nsteps: [{{ id: c, workflow: child }}]");
    std::fs::write(folder.path().join("parent.yaml"), text("parent", &parent))?;
    std::fs::write(
        folder.path().join("child.yaml"),
        text("child", &format!("{head}steps: [{{ id: a, set: 1 }}]")),
    )?;
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&folder.path().join("parent.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({}), pawl_engine::StartOptions::default()).await?;
    let header = scene.settled(run).await?;
    let Some(Waiting::Run { run: child, .. }) = header.waiting else { anyhow::bail!("{header:?}") };
    let child = scene.settled(child).await?;
    ensure!(child.status == Status::Pending && matches!(child.waiting, Some(Waiting::Slot { .. })));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_held_across_processes_and_given_on_by_the_next() -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let scene = Scene::on(Arc::clone(&store), ManualClock::new(BEGIN), |_| {}).await?;
    let workflow = hour(1, "");
    let [first, second] =
        [scene.start(&workflow, json!({})).await?, scene.start(&workflow, json!({})).await?];
    begun(&scene, first).await?;
    let clock = scene.stop().await?;
    // Another one comes in a process that has taken nothing up: it knows who was there before it.
    let scene = Scene::on(Arc::clone(&store), clock, |_| {}).await?;
    let third = scene.start(&workflow, json!({})).await?;
    scene.holds(0).await?;
    ensure!(statuses(&scene, &[first, second, third]).await?[1..] == [Status::Pending; 2]);
    let clock = scene.stop().await?;
    clock.advance(HOUR);
    let scene = Scene::on(Arc::clone(&store), clock, |_| {}).await?;
    let taken_up = scene.engine.recover().await?;
    ensure!(taken_up.contains(&second) && taken_up.contains(&third), "{taken_up:?}");
    for run in [first, second, third] {
        if run != first {
            begun(&scene, run).await?;
        }
        scene.clock.advance(HOUR);
        scene.ended(run).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_commit_is_the_last_of_a_process_everybody_gets_a_slot_once() -> Result<()> {
    let workflow = text(
        "counted",
        "concurrency: { limit: 2 }\n\
         steps:\n\
         \x20 - { id: a, tool: echo.say, with: { text: hi }, concurrency: { limit: 1 } }\n\
         \x20 - id: m\n\
         \x20   map:\n\
         \x20     items: '[1, 2]'\n\
         \x20     steps: [{ id: b, tool: echo.say, with: { text: hi }, concurrency: { limit: 1 } }]",
    );
    for takes in 0.. {
        let store = Failing::new();
        let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
        store.take(Some(takes));
        let (mut runs, mut through) = (Vec::new(), true);
        for _ in 0..3 {
            match scene.start(&workflow, json!({})).await {
                Ok(run) => runs.push(run),
                Err(_) => through = false,
            }
        }
        for run in &runs {
            through &= tokio::select! {
                ended = scene.ended(*run) => ended.is_ok(),
                refused = store.refused(1) => { refused?; false }
            };
        }
        let clock = scene.stop().await?;
        ensure!(within_limits(store.as_ref()).await?, "after {takes} commits");
        let store = store.of_another_process();
        let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
        scene.engine.recover().await?;
        for run in &runs {
            let header = scene.ended(*run).await?;
            ensure!(header.status == Status::Completed, "after {takes} commits: {header:?}");
            let taken = scene.events(*run).await?;
            let taken = taken.iter().filter(|event| matches!(event, Event::SlotTaken { .. })).count();
            ensure!(taken == 4, "after {takes} commits {taken} slots were taken");
        }
        ensure!(holders(scene.engine.store().as_ref()).await? == 0, "after {takes} commits");
        scene.stop().await?;
        if through {
            ensure!(takes > 15, "only {takes} commits");
            return Ok(());
        }
    }
    Ok(())
}

/// Whether no key has more holders than its limit.
async fn within_limits(store: &dyn Store) -> Result<bool> {
    let tickets = store.tickets(None, 1_000).await?;
    Ok(tickets.iter().all(|ticket| {
        let holders = tickets.iter().filter(|other| other.taken && other.key == ticket.key).count();
        holders <= ticket.limit as usize
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_run_has_its_slot_again_and_is_counted() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = text(
        "frail",
        "concurrency: { limit: 1 }\nsteps:\n  - { id: ask, human: { title: Well? }, then: [{ when: \"steps.ask.output.action == 'approve'\", to: end }] }\n  - { id: no, fail: no }",
    );
    let [first, second] =
        [scene.start(&workflow, json!({})).await?, scene.start(&workflow, json!({})).await?];
    scene.answer(&scene.asked(first).await?, "reject", Value::Null).await?;
    ensure!(scene.ended(first).await?.status == Status::Failed);
    let approval = scene.asked(second).await?;
    scene.engine.retry(first, None, person("user:ann", &[], true)).await?;
    ensure!(scene.ended(first).await?.status == Status::Failed, "it fails again, beside the other");
    let third = scene.start(&workflow, json!({})).await?;
    ensure!(scene.settled(third).await?.status == Status::Pending);
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.asked(third).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_a_step_have_its_priority() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let parent = "workflows: { child: ./child.yaml }\nsteps: [{ id: c, workflow: child, priority: 80 }]";
    std::fs::write(folder.path().join("parent.yaml"), text("parent", parent))?;
    let child = "steps: [{ id: a, human: { title: Well? } }]";
    std::fs::write(folder.path().join("child.yaml"), text("child", child))?;
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&folder.path().join("parent.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({}), pawl_engine::StartOptions::default()).await?;
    scene.settled(run).await?;
    let page = Page { after: None, limit: 10 };
    let runs: Vec<RunHeader> = scene.engine.store().runs(&RunFilter::default(), &page).await?.runs;
    let child = runs.iter().find(|header| header.parent == Some(run)).context("a child")?;
    ensure!(scene.engine.history(child.id).await?.state.priority(None) == 80);
    ensure!(scene.engine.history(run).await?.state.priority(None) == 50);
    Ok(())
}
