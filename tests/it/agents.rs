//! Agents that call agents, and hand their tasks over, with real components and engines that end.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{FailureKind, RunId};
use pawl_engine::{EngineConfig, ManualClock, News};
use pawl_sandbox::SandboxConfig;
use pawl_testing::{Options, Suite};
use pawl_tests::{BEGIN, Disk, Scene, patiently};
use serde_json::{Value, json};

const TEXT: &str = "
pawl: 1
workflow: agents
version: 1.0.0
inputs: { steps: array }
plugins:
  script: ./tests/guests/script.wasm
  helper: ./tests/guests/script.wasm
  stranger: ./tests/guests/script.wasm
permissions: { tools: [orders.*, flaky.*], agents: [script, helper], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    with: { steps: '${{ inputs.steps }}' }
outputs: { results: '${{ steps.go.output }}' }
";

async fn start(scene: &Scene, steps: Value) -> Result<RunId> {
    scene.start(TEXT, json!({ "steps": steps })).await
}

fn order() -> Value {
    json!({ "tool": { "tool": "orders.lookup", "with": { "id": "A-1002" } } })
}

/// A task in which the helper calls a tool, asks, and lets another one finish the work.
fn nested() -> Value {
    let inner = json!({ "steps": [{ "sleep": 60_000 }, { "log": "inner" }] });
    let helper = json!({ "steps": [order(), { "ask": "Go on?" }, { "agent": ["helper", inner] }] });
    json!([{ "put": ["a", 1] }, { "agent": ["helper", helper] }, { "get": "a" }])
}

#[tokio::test]
async fn an_agent_gets_the_result_of_the_agent_that_it_calls() -> Result<()> {
    let scene = Scene::new().await?;
    let run = start(&scene, nested()).await?;
    let mut answers = VecDeque::from([("approve", Value::Null)]);
    scene.drive(run, 1, &mut answers, |_| false).await?;
    let results = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    assert_eq!(results[1][0]["id"], "A-1002", "{results}");
    assert_eq!((&results[1][1], &results[1][2]), (&json!("approve"), &json!([null, null])));
    assert_eq!(results[2], 1);
    scene.holds(0).await
}

#[tokio::test]
async fn agents_that_wait_for_agents_survive_the_end_of_their_engine_at_every_rest() -> Result<()> {
    let undisturbed = {
        let scene = Scene::new().await?;
        let run = start(&scene, nested()).await?;
        let mut answers = VecDeque::from([("approve", Value::Null)]);
        scene.drive(run, 1, &mut answers, |_| false).await?;
        names(&scene.events(run).await?)
    };
    let disk = Disk::new()?;
    let mut scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = start(&scene, nested()).await?;
    let mut answers = VecDeque::from([("approve", Value::Null)]);
    let pauses = |event: &Event| {
        matches!(event, Event::ApprovalOpened(_) | Event::AgentCalled { .. })
            || pawl_tests::waits_until(event).is_some()
    };
    let (mut seq, mut stops) = (0, 0);
    while let Some(stopped) = scene.drive(run, seq + 1, &mut answers, pauses).await? {
        (seq, stops) = (stopped, stops + 1);
        scene = disk.scene(scene.stop().await?).await?;
        scene.engine.recover().await?;
        let event = scene.events(run).await?.into_iter().nth(usize::try_from(seq)? - 1);
        scene.go_on(run, &event.context("the event")?, &mut answers).await?;
    }
    assert_eq!(stops, 4);
    assert_eq!(names(&scene.events(run).await?), undisturbed);
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_task_goes_on_with_the_agent_that_it_is_handed_to() -> Result<()> {
    let scene = Scene::new().await?;
    let steps = json!([order(), { "hand-over": ["helper", { "steps": [{ "get": "none" }, order()] }] }]);
    let run = start(&scene, steps).await?;
    let results = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    assert_eq!((&results[0], &results[1]["id"]), (&Value::Null, &json!("A-1002")));
    let handed = scene.named(run, "task-handed-over").await?;
    ensure!(matches!(&handed.event, Event::TaskHandedOver { to, attempt: 1, .. } if to == "helper"));
    Ok(())
}

#[tokio::test]
async fn agents_that_are_not_granted_are_neither_called_nor_handed_to() -> Result<()> {
    let scene = Scene::new().await?;
    let task = json!({ "steps": [] });
    let run = start(&scene, json!([{ "agent": ["stranger", task] }])).await?;
    let results = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    let said = "step 'go' may not call agent stranger; add it to `permissions: agents`";
    assert_eq!(results[0]["failed"], said);

    let run = start(&scene, json!([{ "hand-over": ["stranger", task] }])).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    let said = "step 'go' may not hand over to agent stranger; add it to `permissions: agents`";
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Denied, said));
    Ok(())
}

#[tokio::test]
async fn a_failure_of_the_called_agent_is_the_callers_to_handle() -> Result<()> {
    let scene = Scene::new().await?;
    let steps = json!([{ "agent": ["helper", { "steps": [{ "fail": "no paper" }] }] }, order()]);
    let run = start(&scene, steps).await?;
    let results = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    assert_eq!((&results[0]["failed"], &results[1]["id"]), (&json!("no paper"), &json!("A-1002")));
    Ok(())
}

#[tokio::test]
async fn progress_is_heard_while_it_is_made_and_never_recorded() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.workflow(TEXT).await?;
    let steps = json!([{ "note": ["begun", 0.25] }, { "ask": "Go on?" }, { "note": ["half", 0.5] }, order()]);
    let options = pawl_engine::StartOptions::default();
    // Nothing is under way before the question is answered, so nothing is missed after it.
    let run = scene.engine.start(&workflow, json!({ "steps": steps }), options).await?;
    let approval = scene.asked(run).await?;
    let mut follower = scene.engine.follow(run, 1);
    follower.available().await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let mut notes = Vec::new();
    loop {
        match patiently("news", follower.news()).await?? {
            News::Progress(note) => notes.push((note.step.to_string(), note.note, note.fraction)),
            News::Event(envelope) if envelope.event.name() == "run-completed" => break,
            News::Event(_) | News::Said(_) => {}
        }
    }
    assert_eq!(notes, [("go".to_owned(), "half".to_owned(), Some(0.5))], "a replay says nothing again");
    Ok(())
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::name).collect()
}

/// Both kinds in one run: an agent that is called and asks, and one that the task is handed to.
fn called_and_handed() -> Value {
    let last = json!({ "steps": [{ "log": "closing" }, order()] });
    let mut steps = nested();
    if let Value::Array(steps) = &mut steps {
        steps.push(json!({ "hand-over": ["helper", last] }));
    }
    steps
}

#[tokio::test]
async fn a_replay_knows_agents_that_are_called_and_tasks_that_are_handed_over() -> Result<()> {
    let scene = Scene::new().await?;
    let run = start(&scene, called_and_handed()).await?;
    let mut answers = VecDeque::from([("approve", Value::Null)]);
    scene.drive(run, 1, &mut answers, |_| false).await?;
    let report = scene.engine.replay(run).await?;
    assert_eq!(report.first_difference(), None);
    let attempts = report.attempts.iter().map(|attempt| (attempt.visit.0, attempt.attempt, attempt.calls));
    // The step's own, the helper that it calls, the one that this one calls, and the one that closes.
    assert_eq!(attempts.collect::<Vec<_>>(), [(1, 1, 3), (2, 1, 3), (3, 1, 2), (1, 2, 2)]);
    Ok(())
}

#[tokio::test]
async fn a_replay_of_agents_under_way_and_of_stopped_ones_finds_no_difference() -> Result<()> {
    let scene = Scene::new().await?;
    let run = start(&scene, nested()).await?;
    scene.asked(run).await?;
    assert_eq!(scene.engine.replay(run).await?.first_difference(), None);
    scene.engine.cancel(run, pawl_tests::person("user:ann", &[], true), None).await?;
    let report = scene.engine.replay(run).await?;
    assert_eq!((report.attempts.len(), report.first_difference()), (2, None));
    Ok(())
}

const TESTED: &str = "
pawl: 1
workflow: agents
version: 1.0.0
plugins: { script: GUEST, helper: GUEST, mocked: GUEST }
permissions: { tools: [orders.*, payments.*], agents: [helper, mocked], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    undo: [{ id: back, set: undone }]
    with:
      steps:
        - agent: [mocked, { steps: [] }]
        - agent:
            - helper
            - steps:
                - tool: { tool: orders.lookup, with: { id: A-1002 } }
                - ask: Go on?
                - tool: { tool: payments.refund, with: { order: A-1002, amount: 40 } }
                - agent: [mocked, { steps: [] }]
        - hand-over: [helper, { steps: [{ sleep: 60000 }, { agent: [mocked, { steps: [] }] }] }]
outputs: { last: '${{ steps.go.output[1] }}' }
";
const TESTS: &str = "
tests:
  - name: agents call each other
    people: [{ step: go, action: approve, after: 1h }]
    agents: { mocked: { result: [7], delay: 3s } }
    expect:
      path: [go]
      calls: { mocked: 3, orders.lookup: 1, payments.refund: 1 }
      outputs: { last: [7] }
      events: [agent-called go, task-handed-over go, step-completed go]
";

#[tokio::test]
async fn tests_of_workflows_have_agents_that_call_agents_and_crash_them_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let guest = pawl_tests::root().join("tests/guests/script.wasm");
    std::fs::write(folder.path().join("w.yaml"), TESTED.replace("GUEST", &guest.display().to_string()))?;
    std::fs::write(folder.path().join("w.test.yaml"), TESTS)?;
    let sandbox = SandboxConfig { cache_dir: Some(pawl_tests::cache_dir()?), ..SandboxConfig::default() };
    let suite = Suite::open(EngineConfig { sandbox, ..EngineConfig::default() }).await?;
    let options = Options { crash_at_every_event: true, ..Options::default() };
    let file = folder.path().join("w.test.yaml");
    let report = suite.run(&file, &options, Arc::new(|_, _, _| {})).await?;
    let test = report.tests.first().context("a test")?;
    ensure!(test.passed(), "{}", test.lines(&report.file).join("\n"));
    let crashes = test.crashes.as_ref().context("crashes")?;
    crate::prompt::figure(&format!("{} crashes, no difference", crashes.tried));
    ensure!(crashes.tried > 30, "only {} crashes", crashes.tried);
    Ok(())
}

#[tokio::test]
async fn an_agent_waits_for_signals_across_restarts_and_gets_those_that_came_early() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let steps = json!([{ "ask": "Ready?" }, { "signal": ["go", null] }, { "signal": ["go", 5_000] }, { "signal": ["go", 5_000] }]);
    let run = start(&scene, steps).await?;
    let approval = scene.asked(run).await?;
    let by = || pawl_tests::person("user:ann", &[], true);
    scene.engine.signal(run, "go".to_owned(), json!({ "n": 1 }), by(), None).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    // The first was there; the second call waits.
    scene.named(run, "call-started").await?;
    let waits = |event: &Event| matches!(event, Event::CallStarted { call: 3, .. });
    scene.event(run, waits).await?;
    scene.holds(0).await?;
    let scene = disk.scene(scene.stop().await?).await?;
    scene.engine.recover().await?;
    scene.engine.signal(run, "go".to_owned(), json!({ "n": 2 }), by(), None).await?;
    let fourth = scene.event(run, |event| matches!(event, Event::CallStarted { call: 4, .. })).await?;
    scene.move_to(pawl_tests::waits_until(&fourth.event).context("an instant")?);
    let results = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    let said = results[3]["failed"].as_str().context("a failure")?;
    assert_eq!((&results[1]["n"], &results[2]["n"]), (&json!(1), &json!(2)));
    ensure!(said.starts_with("no signal 'go' came until"), "{said}");
    assert_eq!(scene.engine.replay(run).await?.first_difference(), None);
    scene.stop().await?;
    Ok(())
}
