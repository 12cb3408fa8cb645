//! Engines that end while a run waits: the next one on the same folder goes on as if nothing had been.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{RunId, call::CallRequest};
use pawl_engine::{ManualClock, StartOptions};
use pawl_tests::{BEGIN, Disk, Scene, TALLY_HOST, TallyServer, plugins_under_test, waits_until, workflow};
use serde_json::{Value, json};

struct Case {
    file: &'static str,
    inputs: Value,
    answers: Vec<(&'static str, Value)>,
    /// How often the run waits, and the engine ends.
    stops: usize,
}

fn cases() -> Vec<Case> {
    let case = |file, inputs, actions: &[&'static str], stops| Case {
        file,
        inputs,
        answers: actions.iter().map(|action| (*action, Value::Null)).collect(),
        stops,
    };
    vec![
        case("refund.yaml", json!({ "ticket": "A-1002 never came", "amount": 40 }), &["approve"], 1),
        case("planner.yaml", json!({ "customer": "ann", "cool_down_ms": 60_000 }), &["approve"], 2),
        case("review.yaml", json!({ "topic": "tides" }), &["revise", "publish"], 2),
        case("retry.yaml", json!({ "key": "k", "fail_times": 3 }), &[], 3),
        case("wait.yaml", json!({}), &[], 2),
    ]
}

fn waits(event: &Event) -> bool {
    matches!(event, Event::ApprovalOpened(_)) || waits_until(event).is_some()
}

#[tokio::test]
async fn a_run_survives_the_end_of_its_engine_wherever_it_waits() -> Result<()> {
    for case in cases() {
        survive(&case).await.context(case.file)?;
    }
    Ok(())
}

async fn survive(case: &Case) -> Result<()> {
    let undisturbed = undisturbed(case).await?;
    let disk = Disk::new()?;
    let mut scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = start(&scene, case).await?;
    let mut answers: VecDeque<_> = case.answers.iter().cloned().collect();
    let (mut seq, mut stops) = (0, 0);
    while let Some(stopped) = scene.drive(run, seq + 1, &mut answers, waits).await? {
        (seq, stops) = (stopped, stops + 1);
        let clock = scene.stop().await?;
        scene = disk.scene(clock).await?;
        scene.engine.recover().await?;
        let event = scene.events(run).await?.into_iter().nth(usize::try_from(seq)? - 1);
        scene.go_on(run, &event.context("the event")?, &mut answers).await?;
    }
    assert_eq!(stops, case.stops);
    // `history` checks the chain from the first event to the last.
    let events = scene.events(run).await?;
    assert_eq!(names(&events), undisturbed);
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    Ok(())
}

async fn undisturbed(case: &Case) -> Result<Vec<&'static str>> {
    let scene = Scene::new().await?;
    let run = start(&scene, case).await?;
    let mut answers: VecDeque<_> = case.answers.iter().cloned().collect();
    scene.drive(run, 1, &mut answers, |_| false).await?;
    Ok(names(&scene.events(run).await?))
}

async fn start(scene: &Scene, case: &Case) -> Result<RunId> {
    let workflow = scene.engine.load_workflow(&workflow(case.file)).await?;
    Ok(scene.engine.start(&workflow, case.inputs.clone(), StartOptions::default()).await?)
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::name).collect()
}

/// The workflow of the project, with tools that report what they do to a server outside.
fn counted(plugins: &Path) -> Result<String> {
    let text = std::fs::read_to_string(workflow("planner.yaml"))?;
    for (guest, name) in [("orders_tally", "orders"), ("payments_tally", "payments")] {
        let guest = workflow("../tests/guests").join(format!("{guest}.wasm"));
        std::fs::copy(guest, plugins.join(format!("{name}.wasm")))?;
    }
    // The agent may be of another language.
    for file in ["planner.wasm", "planner.toml"] {
        if let Some(folder) = plugins_under_test() {
            std::fs::copy(folder.join(file), plugins.join(file))?;
        }
    }
    Ok(text.replace("permissions:\n", &format!("permissions:\n  http: ['{TALLY_HOST}']\n")))
}

#[tokio::test]
async fn a_replayed_agent_calls_no_tool_twice() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let plugins = disk.folder().to_owned();
    let text = counted(&plugins)?;
    let open = async |clock| {
        let store = disk.open().await?;
        Scene::on(store, clock, |config| config.plugin_folder = Some(plugins.clone())).await
    };

    let scene = open(ManualClock::new(BEGIN)).await?;
    let inputs = json!({ "customer": "ann", "cool_down_ms": 60_000 });
    let run = scene.start_allowed(&text, inputs, &[TALLY_HOST]).await?;
    scene.asked(run).await?;
    let scene = open(scene.stop().await?).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let asleep = scene.event(run, |event| waits_until(event).is_some()).await?;
    let scene = open(scene.stop().await?).await?;
    scene.engine.recover().await?;
    scene.move_to(waits_until(&asleep.event).context("an instant")?);
    scene.named(run, "run-completed").await?;

    let mut called: Vec<String> = Vec::new();
    for call in server.calls()? {
        called.push(format!("{} {}", call.tool, call.arguments));
    }
    let expected = [
        r#"orders.list {"customer":"ann"}"#,
        r#"orders.lookup {"id":"A-1001"}"#,
        r#"orders.lookup {"id":"A-1003"}"#,
        r#"orders.lookup {"id":"A-1005"}"#,
        r#"payments.refund {"amount":420.0,"order":"A-1003"}"#,
        r#"payments.refund {"amount":95.0,"order":"A-1005"}"#,
    ];
    assert_eq!(called, expected);
    let mut answered = BTreeSet::new();
    let mut tools = BTreeSet::new();
    for event in scene.events(run).await? {
        if let Event::CallStarted { call, request, .. }
        | Event::CallCompleted { call, request: Some(request), .. } = &event
            && matches!(request, CallRequest::Tool { .. })
        {
            tools.insert(*call);
        }
        if let Event::CallCompleted { call, .. } = event {
            ensure!(answered.insert(call), "call {call} has two answers");
        }
    }
    assert_eq!(answered.intersection(&tools).count(), expected.len());
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_run_keeps_the_components_it_started_with() -> Result<()> {
    let disk = Disk::new()?;
    let plugin = disk.folder().join("echo.wasm");
    let shipped = workflow("../plugins/dist");
    std::fs::copy(shipped.join("echo.wasm"), &plugin)?;
    let text = "
pawl: 1
workflow: pinned
version: 1.0.0
plugins: { voice: ./echo.wasm }
steps:
  - id: ask
    human: { title: Go on? }
  - id: say
    tool: voice.say
    with: { text: as before }
outputs: { text: '${{ steps.say.output.text }}' }
";
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let workflow = scene.engine.prepare_workflow("pinned.yaml", text, disk.folder()).await?;
    let run = scene.engine.start(&workflow, Value::Null, StartOptions::default()).await?;
    scene.asked(run).await?;
    let clock = scene.stop().await?;

    std::fs::write(&plugin, "something else")?;
    let scene = disk.scene(clock).await?;
    let refused = scene.engine.prepare_workflow("pinned.yaml", text, disk.folder()).await;
    ensure!(refused.is_err(), "a new run would take the new file");
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "text": "as before" })));
    Ok(())
}
