//! Runs that tell each other something: signals, events on topics, runs that steps start. Nothing that was
//! told is lost or heard twice, wherever the process dies.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::{RunHeader, Status, Waiting};
use pawl_core::{Duration, FailureKind, Refusal, RunId};
use pawl_engine::{EngineError, ManualClock, StartOptions};
use pawl_store::memory::MemoryStore;
use pawl_store::{Page, RunFilter, Store};
use pawl_tests::{BEGIN, Scene, patiently, person, workflow};
use serde_json::{Value, json};

use crate::failing::Failing;

const LISTENS: &str = r"
pawl: 1
workflow: listens
version: 1.0.0
steps:
  - { id: a, wait: { topic: 'orders/*/created' } }
  - { id: b, wait: { topic: 'orders/>', due: 1h }, catch: [{ id: c, set: { data: { n: 0 } } }] }
outputs: { heard: '${{ [steps.a.output.data.n, steps.b.output.data.n] }}' }
";

fn emits(n: u32) -> String {
    format!(
        "pawl: 1\nworkflow: emits\nversion: 1.0.0\nsteps: [{{ id: e, emit: {{ topic: orders/eu/created, data: {{ n: {n} }} }} }}]"
    )
}

/// A folder with a workflow that starts another one: `child` are the steps of the other.
fn family(parent: &str, child: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let head = |name: &str| format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\n");
    let parent = format!("{}workflows: {{ child: ./child.yaml }}\n{parent}", head("parent"));
    std::fs::write(folder.path().join("parent.yaml"), parent)?;
    std::fs::write(folder.path().join("child.yaml"), format!("{}{child}", head("child")))?;
    Ok(folder)
}

async fn start(scene: &Scene, folder: &tempfile::TempDir, inputs: Value) -> Result<RunId> {
    let workflow = scene.engine.load_workflow(&folder.path().join("parent.yaml")).await?;
    Ok(scene.engine.start(&workflow, inputs, StartOptions::default()).await?)
}

async fn all(store: &dyn Store) -> Result<Vec<RunHeader>> {
    let (mut runs, mut page) = (Vec::new(), Page { after: None, limit: 1_000 });
    loop {
        let found = store.runs(&RunFilter::default(), &page).await?;
        runs.extend(found.runs);
        match found.next {
            Some(next) => page.after = Some(next),
            None => return Ok(runs),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_run_gets_its_signal_in_another_process() -> Result<()> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let scene = Scene::on(Arc::clone(&store), ManualClock::new(BEGIN), |_| {}).await?;
    let workflow = scene.engine.load_workflow(&workflow("signal.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({}), StartOptions::default()).await?;
    let waiting = scene.settled(run).await?.waiting;
    ensure!(matches!(waiting, Some(Waiting::Signal { ref name, .. }) if name == "paid"), "{waiting:?}");
    let by = || person("user:ann", &[], true);
    // Early, and kept through the crash.
    scene.engine.signal(run, "delivered".into(), json!({ "carrier": "bike" }), by(), None).await?;
    let clock = scene.stop().await?;
    let scene = Scene::on(store, clock, |_| {}).await?;
    let refused = scene.engine.signal(run, "paid".into(), json!({ "amount": -1 }), by(), None).await;
    ensure!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
    scene.engine.signal(run, "paid".into(), json!({ "amount": 5 }), by(), Some("p1".into())).await?;
    let outputs = scene.ended(run).await?.outputs.context("outputs")?;
    ensure!(outputs == json!({ "order": "A-1001", "amount": 5, "delivered_by": "bike" }), "{outputs}");
    let late = scene.engine.signal(run, "paid".into(), json!({}), by(), None).await;
    ensure!(late.is_err_and(|error| error.to_string().contains("has ended (completed)")));
    scene.holds(0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_every_run_that_waits_for_it_and_no_other() -> Result<()> {
    let scene = Scene::new().await?;
    // More than hear of it at once.
    let mut listening = Vec::new();
    for _ in 0..70 {
        listening.push(scene.start(LISTENS, json!({})).await?);
    }
    let other = scene.start(&LISTENS.replace("orders/", "parcels/"), json!({})).await?;
    for run in listening.iter().copied().chain([other]) {
        scene.settled(run).await?;
    }
    scene.holds(0).await?;
    for n in [7, 8] {
        scene.start(&emits(n), json!({})).await?;
        patiently("the hearing", scene.engine.quiet()).await??;
    }
    for run in listening {
        ensure!(scene.ended(run).await?.outputs == Some(json!({ "heard": [7, 8] })));
    }
    ensure!(scene.settled(other).await?.status == Status::Waiting);
    ensure!(scene.engine.store().outgoing(None, 10).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_does_not_take_its_inputs_fails_its_step() -> Result<()> {
    let folder = family(
        "inputs: { n: { type: [integer, string] } }\nsteps: [{ id: s, workflow: child, with: { n: '${{ inputs.n }}' } }]\noutputs: { m: '${{ steps.s.output.m }}' }",
        "inputs: { n: integer }\nsteps: [{ id: a, set: '${{ inputs.n + 1 }}' }]\noutputs: { m: '${{ steps.a.output }}' }",
    )?;
    let scene = Scene::new().await?;
    let good = start(&scene, &folder, json!({ "n": 1 })).await?;
    ensure!(scene.ended(good).await?.outputs == Some(json!({ "m": 2 })));
    let bad = start(&scene, &folder, json!({ "n": "x" })).await?;
    let failure = scene.ended(bad).await?.error.context("a failure")?;
    ensure!(failure.kind == FailureKind::InvalidInput, "{failure}");
    ensure!(failure.message.contains("workflow 'child' does not accept its inputs: "), "{failure}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_in_a_circle_or_too_deep_are_refused_before_anything_runs() -> Result<()> {
    let scene = Scene::new().await?;
    let folder = tempfile::tempdir()?;
    let write = |name: &str, next: &str| {
        let text = format!(
            "pawl: 1\nworkflow: {name}\nversion: 1.0.0\nworkflows: {{ next: ./{next}.yaml }}\nsteps: [{{ id: s, workflow: next }}]"
        );
        std::fs::write(folder.path().join(format!("{name}.yaml")), text)
    };
    write("a", "b")?;
    write("b", "a")?;
    let circle = scene.engine.load_workflow(&folder.path().join("a.yaml")).await;
    ensure!(matches!(circle, Err(EngineError::WorkflowCircle { .. })), "{circle:?}");
    for depth in 0..=pawl_engine::WORKFLOWS_MAX_DEPTH {
        write(&format!("w{depth}"), &format!("w{}", depth + 1))?;
    }
    let last = format!("w{}.yaml", pawl_engine::WORKFLOWS_MAX_DEPTH + 1);
    let text = "pawl: 1\nworkflow: last\nversion: 1.0.0\nsteps: [{ id: s, set: 1 }]";
    std::fs::write(folder.path().join(last), text)?;
    let deep = scene.engine.load_workflow(&folder.path().join("w0.yaml")).await;
    ensure!(matches!(deep, Err(EngineError::WorkflowsTooDeep { .. })), "{deep:?}");
    scene.engine.load_workflow(&folder.path().join("w1.yaml")).await?;
    let missing = scene.engine.load_workflow(&workflow("none.yaml")).await;
    ensure!(matches!(missing, Err(EngineError::Unreadable { .. })), "{missing:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_through_the_tree() -> Result<()> {
    let folder = family(
        "steps: [{ id: s, workflow: child }]\noutputs: { a: '${{ steps.s.output.a }}' }",
        "steps: [{ id: ask, human: { title: Go on? } }]\noutputs: { a: '${{ steps.ask.output.action }}' }",
    )?;
    let scene = Scene::new().await?;
    let run = start(&scene, &folder, json!({})).await?;
    let Some(Waiting::Run { run: child, .. }) = scene.settled(run).await?.waiting else {
        anyhow::bail!("the run does not wait for its child")
    };
    ensure!(scene.engine.store().run(child).await?.context("the child")?.parent == Some(run));
    scene.holds(0).await?;
    let approval = scene.asked(child).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    ensure!(scene.ended(run).await?.outputs == Some(json!({ "a": "approve" })));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_a_thousand_runs_is_cancelled_as_a_whole() -> Result<()> {
    let folder = family(
        "steps: [{ id: each, map: { items: range(999), max_parallel: 256, steps: [{ id: s, workflow: child }] } }]",
        "steps: [{ id: nap, wait: 1h }]",
    )?;
    // All at once: the limit of a map is 256, so four of them.
    let text = std::fs::read_to_string(folder.path().join("parent.yaml"))?;
    let branch = |n: u32| {
        format!(
            "b{n}: [{{ id: e{n}, map: {{ items: range(250), max_parallel: 250, steps: [{{ id: s{n}, workflow: child }}] }} }}]"
        )
    };
    let branches: Vec<String> = (0..4).map(branch).collect();
    let head = text.split("steps:").next().context("a head")?;
    let text = format!("{head}steps: [{{ id: p, parallel: {{ branches: {{ {} }} }} }}]", branches.join(", "));
    std::fs::write(folder.path().join("parent.yaml"), text)?;
    let data = tempfile::tempdir()?;
    let store = pawl_store::lmdb::LmdbStore::open(data.path(), pawl_store::lmdb::LmdbOptions::default())?;
    let scene = Scene::on(Arc::new(store), ManualClock::new(BEGIN), |_| {}).await?;
    let run = start(&scene, &folder, json!({})).await?;
    patiently("the children", scene.engine.quiet()).await??;
    scene.holds(0).await?;
    let waiting = all(scene.engine.store().as_ref()).await?;
    ensure!(waiting.iter().filter(|run| run.status == Status::Waiting).count() == 1_001);
    scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
    patiently("the cancelling", scene.engine.quiet()).await??;
    let runs = all(scene.engine.store().as_ref()).await?;
    ensure!(runs.iter().all(|run| run.status == Status::Cancelled));
    Ok(())
}

/// A parent that starts two children, a listener and a teller, all that runs can tell each other.
fn everything() -> Result<tempfile::TempDir> {
    family(
        "steps:\n\
         \x20 - id: p\n\
         \x20   parallel:\n\
         \x20     branches:\n\
         \x20       one: [{ id: one, workflow: child, with: { n: 1 } }]\n\
         \x20       two: [{ id: two, workflow: child, with: { n: 2 } }, { id: after, emit: { topic: a/b, data: 3 } }]\n\
         \x20       ear: [{ id: ear, wait: { topic: 'a/*' } }]\n\
         outputs: { one: '${{ steps.p.output.one.n }}', ear: '${{ steps.p.output.ear.data }}' }",
        "inputs: { n: integer }\nsteps: [{ id: t, tool: echo.say, with: { text: hi } }]\noutputs: { n: '${{ inputs.n }}' }",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_commit_is_the_last_of_a_process_the_tree_comes_to_the_same_end() -> Result<()> {
    let folder = everything()?;
    for takes in 0.. {
        let store = Failing::new();
        let clock = ManualClock::new(BEGIN);
        let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
        store.take(Some(takes));
        let started = start(&scene, &folder, json!({})).await;
        let through = match &started {
            // It is through when the end came with fewer commits than it may make.
            Ok(run) => {
                let run = *run;
                tokio::select! {
                    ended = scene.ended(run) => ended.is_ok(),
                    refused = store.refused(1) => { refused?; false }
                }
            }
            Err(_) => false,
        };
        // The process dies; another one finds what was committed.
        let clock = scene.stop().await?;
        let store = store.of_another_process();
        let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
        scene.engine.recover().await?;
        let Ok(run) = started else { continue };
        let header = patiently("the end", settled_with_time(&scene, run)).await??;
        let outputs = header.outputs.context(format!("after {takes} commits: {:?}", header.error))?;
        ensure!(outputs == json!({ "one": 1, "ear": 3 }), "after {takes} commits: {outputs}");
        let runs = all(scene.engine.store().as_ref()).await?;
        ensure!(runs.len() == 3, "after {takes} commits there are {} runs", runs.len());
        for run in &runs {
            ensure!(run.status == Status::Completed, "after {takes} commits: {run:?}");
            let events = scene.events(run.id).await?;
            let ended = events.iter().filter(|event| matches!(event, Event::StepCompleted { .. })).count();
            ensure!(ended == if run.parent.is_some() { 1 } else { 5 }, "after {takes} commits: {events:#?}");
        }
        patiently("the letters", scene.engine.quiet()).await??;
        while !scene.engine.store().outgoing(None, 10).await?.is_empty() {
            tokio::task::yield_now().await;
        }
        scene.stop().await?;
        if through {
            ensure!(takes > 5, "only {takes} commits");
            return Ok(());
        }
    }
    Ok(())
}

/// The run's end, while seconds pass: what could not be told is told again after one.
async fn settled_with_time(scene: &Scene, run: RunId) -> Result<RunHeader> {
    let ended = async {
        loop {
            let header = scene.engine.settled(run).await?;
            if header.status.is_final() {
                return Ok::<_, EngineError>(header);
            }
            tokio::task::yield_now().await;
        }
    };
    let mut ended = std::pin::pin!(ended);
    loop {
        tokio::select! {
            biased;
            header = &mut ended => return Ok(header?),
            () = tokio::task::yield_now() => scene.clock.advance(Duration::from_secs(1)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_a_dead_process_left_unstarted_is_started_for_whoever_waits_for_its_parent() -> Result<()>
{
    let folder =
        family("steps: [{ id: s, workflow: child }]", "steps: [{ id: ask, human: { title: Go on? } }]")?;
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    store.take(Some(1));
    let run = start(&scene, &folder, json!({})).await?;
    store.refused(1).await?;
    let clock = scene.stop().await?;
    store.take(None);
    // Nobody takes up all runs: only this one is asked for.
    let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
    let Some(Waiting::Run { run: child, .. }) = scene.settled(run).await?.waiting else {
        anyhow::bail!("the run does not wait for its child")
    };
    scene.asked(child).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_a_run_that_waits_for_an_event_hears_it_as_well() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(LISTENS, json!({})).await?;
    let seq = scene.settled(run).await?.head.seq;
    let by = person("user:ann", &[], true);
    let fork = scene.engine.fork(run, seq, Vec::new(), by).await?;
    scene.settled(fork).await?;
    for n in [7, 8] {
        scene.start(&emits(n), json!({})).await?;
        patiently("the hearing", scene.engine.quiet()).await??;
    }
    for run in [run, fork] {
        ensure!(scene.ended(run).await?.outputs == Some(json!({ "heard": [7, 8] })));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_a_run_that_a_step_started_is_gone_on_with_only_for_who_could_have_given_it()
-> Result<()> {
    let parent = "steps: [{ id: s, workflow: child }, { id: after, set: done }]";
    let folder = family(parent, "steps: [{ id: ask, human: { title: Go on?, to: group:finance } }]")?;
    let scene = Scene::new().await?;
    let run = start(&scene, &folder, json!({})).await?;
    let Some(Waiting::Run { run: child, .. }) = scene.settled(run).await?.waiting else {
        anyhow::bail!("the run does not wait for its child")
    };
    let approval = scene.asked(child).await?;
    let fay = || person("user:fay", &["group:finance"], false);
    scene.answer_as(&approval, "approve", Value::Null, fay()).await?;
    scene.ended(run).await?;
    let behind = scene.named(run, "step-completed").await?.seq;
    let refused = scene.engine.fork(run, behind, Vec::new(), person("user:eve", &[], false)).await;
    let Err(EngineError::Refused(Refusal::AnswerOfOthers(said))) = refused else {
        anyhow::bail!("{refused:?}")
    };
    ensure!(said.contains(&format!("of run {child} is the answer 'approve' of user:fay")), "{said}");
    for by in [fay(), person("user:ann", &[], true)] {
        let fork = scene.engine.fork(run, behind, Vec::new(), by).await?;
        ensure!(scene.ended(fork).await?.status == Status::Completed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_read_keeps_no_other_from_hearing_an_event() -> Result<()> {
    let store = MemoryStore::new();
    let scene = Scene::on(Arc::new(store.clone()), ManualClock::new(BEGIN), |_| {}).await?;
    // It waits, as the index says, and its journal is nonsense.
    let broken = RunId::from_bytes([0; 16]);
    let wait = pawl_store::Subscription { pattern: "orders/>".into(), visit: pawl_core::VisitId(1) };
    let commit = pawl_store::RunCommit {
        subscribed: vec![wait],
        ..pawl_store::RunCommit::new(broken, 0, vec![b"nonsense".to_vec()])
    };
    store.commit(&pawl_store::Batch { runs: vec![commit], ..pawl_store::Batch::default() }).await?;
    let run = scene.start(LISTENS, json!({})).await?;
    scene.settled(run).await?;
    for n in [7, 8] {
        scene.start(&emits(n), json!({})).await?;
        patiently("the hearing", scene.engine.quiet()).await??;
    }
    ensure!(scene.ended(run).await?.outputs == Some(json!({ "heard": [7, 8] })));
    while !store.outgoing(None, 10).await?.is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
