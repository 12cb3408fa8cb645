//! Rehearsals: forks that are answered from the journal of the run that they are made of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use pawl_core::Refusal;
use pawl_core::RunId;
use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Usage};
use pawl_core::event::{Actor, Event};
use pawl_core::fork::Change;
use pawl_core::view::Status;
use pawl_engine::{EngineError, ManualClock, Rehearse, Replacement};
use pawl_models::Models;
use pawl_tests::{BEGIN, Disk, Scene, TALLY_HOST, TallyServer, person, root};
use serde_json::{Value, json};

const LOOKUP: &str = "orders.lookup";
const REFUND: &str = "payments.refund";

fn ann() -> Actor {
    person("user:ann", &[], true)
}

fn dry() -> Rehearse {
    Rehearse { dry: true, ..Rehearse::default() }
}

/// A step that pays, and an agent that looks the same up twice, pays as well and asks about that.
fn pays() -> String {
    format!(
        "
pawl: 1
workflow: pays
version: 1.0.0
inputs: {{ amount: number }}
plugins:
  payments: ./tests/guests/payments_tally.wasm
  orders: ./tests/guests/orders_tally.wasm
  worker: ./tests/guests/script.wasm
permissions: {{ tools: [orders.*, payments.refund], agents: [triage], signals: [any], human: true, memory: true, timers: true, http: ['{TALLY_HOST}'] }}
steps:
  - id: pay
    tool: payments.refund
    with: {{ order: A-1002, amount: '${{{{ inputs.amount }}}}' }}
  - id: work
    agent: worker
    with:
      steps:
        - tool: {{ tool: orders.lookup, with: {{ id: A-1001 }} }}
        - tool: {{ tool: orders.lookup, with: {{ id: A-1001 }} }}
        - tool: {{ tool: payments.refund, with: {{ order: A-1003, amount: 7 }} }}
        - ask: Well?
        - tool: {{ tool: orders.lookup, with: {{ id: A-1003 }} }}
outputs: {{ receipt: '${{{{ steps.pay.output.receipt }}}}', found: '${{{{ steps.work.output }}}}' }}
"
    )
}

/// A run of it that is over.
async fn paid(scene: &Scene) -> Result<RunId> {
    let run = scene.start_allowed(&pays(), json!({ "amount": 40 }), &[TALLY_HOST]).await?;
    agreed(scene, run).await?;
    Ok(run)
}

/// Answers the question of a run, and gives what it came to.
async fn agreed(scene: &Scene, run: RunId) -> Result<Value> {
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(run).await?;
    ensure!(header.status == Status::Completed, "{header:?}");
    header.outputs.context("outputs")
}

fn counts(server: &TallyServer) -> (usize, usize) {
    (server.count(LOOKUP), server.count(REFUND))
}

#[tokio::test]
async fn what_a_run_was_answered_is_answered_again_and_nothing_is_done() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = paid(&scene).await?;
    let outputs = scene.ended(run).await?.outputs.context("outputs")?;
    assert_eq!(counts(&server), (3, 2));

    let fork = scene.engine.rehearse(run, 1, Vec::new(), dry(), ann()).await?;
    scene.asked(fork).await?;
    // What was taken of the answers is read from the journal again.
    let scene = disk.scene(scene.stop().await?).await?;
    assert_eq!(agreed(&scene, fork).await?, outputs);
    assert_eq!(counts(&server), (3, 2));
    let report = scene.engine.replay(fork).await?;
    assert_eq!(report.first_difference(), None);
    Ok(())
}

#[tokio::test]
async fn what_was_never_asked_is_refused_in_a_dry_rehearsal_and_done_in_another() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = paid(&scene).await?;
    let other = || vec![Change { step: None, path: vec!["amount".to_owned()], value: json!(41) }];

    let fork = scene.engine.rehearse(run, 1, other(), dry(), ann()).await?;
    let header = scene.ended(fork).await?;
    assert_eq!((header.status, counts(&server)), (Status::Failed, (3, 2)));
    let failure = header.error.context("a failure")?;
    assert_eq!(
        failure.message,
        format!(
            "this is a dry rehearsal: payments.refund was not called, \
             since run {run} did not ask the same of it so often"
        )
    );

    let fork = scene.engine.rehearse(run, 1, other(), Rehearse::default(), ann()).await?;
    agreed(&scene, fork).await?;
    assert_eq!(counts(&server), (3, 3), "only the refund of another amount was made");
    Ok(())
}

#[tokio::test]
async fn another_input_changes_what_it_reaches_and_nothing_that_was_asked_the_same() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = pays()
        .replace("inputs: { amount: number }", "inputs: { amount: number, note: string }")
        .replace("outputs: {", "outputs: { note: '${{ inputs.note }}',");
    let inputs = json!({ "amount": 40, "note": "first" });
    let run = scene.start_allowed(&text, inputs, &[TALLY_HOST]).await?;
    let outputs = agreed(&scene, run).await?;
    let before = counts(&server);

    let other = vec![Change { step: None, path: vec!["note".to_owned()], value: json!("second") }];
    let fork = scene.engine.rehearse(run, 1, other, dry(), ann()).await?;
    let forked = agreed(&scene, fork).await?;
    assert_eq!((&outputs["note"], &forked["note"]), (&json!("first"), &json!("second")));
    assert_eq!((&outputs["receipt"], &outputs["found"]), (&forked["receipt"], &forked["found"]));
    assert_eq!(counts(&server), before, "nothing was done again");
    Ok(())
}

#[tokio::test]
async fn another_agent_begins_anew_in_the_middle_and_is_given_what_the_first_one_was() -> Result<()> {
    let disk = Disk::new()?;
    let server = TallyServer::start(disk.folder())?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = paid(&scene).await?;
    let outputs = scene.ended(run).await?.outputs.context("outputs")?;
    let asked = scene.named(run, "approval-opened").await?.seq;

    let script = Replacement::File(root().join("tests/guests/script.wasm"));
    let agents = BTreeMap::from([("worker".to_owned(), script)]);
    let how = Rehearse { agents, dry: true, ..Rehearse::default() };
    let fork = scene.engine.rehearse(run, asked, Vec::new(), how, ann()).await?;
    assert_eq!(agreed(&scene, fork).await?, outputs);
    assert_eq!(counts(&server), (3, 2));
    let events = scene.events(fork).await?;
    let behind: Vec<_> = events[usize::try_from(asked)?..].iter().map(Event::name).take(3).collect();
    assert_eq!(behind, ["run-forked", "attempt-failed", "attempt-started"]);
    let calls = |event: &&Event| matches!(event, Event::CallCompleted { visit, .. } if visit.0 == 2);
    assert_eq!(
        events[usize::try_from(asked)?..].iter().filter(calls).count(),
        4,
        "from the top, beside what was asked of a person"
    );

    let refused = |agents: [(&str, Replacement); 1]| {
        let agents = agents.map(|(name, replacement)| (name.to_owned(), replacement)).into();
        let how = Rehearse { agents, ..Rehearse::default() };
        scene.engine.rehearse(run, asked, Vec::new(), how, ann())
    };
    for (agents, wanted) in [
        (
            [("nobody", Replacement::File(root().join("tests/guests/script.wasm")))],
            "its agents: triage, worker",
        ),
        (
            [("worker", Replacement::File(root().join("tests/guests/orders_tally.wasm")))],
            "is a plugin of tools",
        ),
    ] {
        let Err(EngineError::Refused(Refusal::CannotFork(said))) = refused(agents).await else {
            anyhow::bail!("it was taken")
        };
        ensure!(said.contains(wanted), "{said}");
    }
    Ok(())
}

const THINKS: &str = "
pawl: 1
workflow: thinks
version: 1.0.0
permissions: { models: [default] }
steps:
  - id: think
    agent: assistant
    with: { task: Where is A-1001? }
outputs: { answer: '${{ steps.think.output.answer }}' }
";

/// Models that say their own name, and count who was asked.
#[derive(Debug, Default)]
struct Named(Mutex<Vec<String>>);

impl Named {
    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Models for Named {
    fn names(&self) -> Vec<String> {
        vec!["default".to_owned(), "other".to_owned()]
    }

    async fn chat(&self, _: &str, profile: &str, _: ChatRequest) -> CallResponse {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(profile.to_owned());
        let usage = Usage { input_tokens: 1, output_tokens: 1 };
        let text = format!("{profile} says so");
        let (tool_calls, finish, model) = (Vec::new(), Finish::Stop, "m".to_owned());
        Ok(ChatAnswer { text, tool_calls, finish, usage, model }.to_json(profile))
    }
}

#[tokio::test]
async fn another_model_is_asked_in_place_of_all_and_without_one_nobody_is() -> Result<()> {
    let models = Arc::new(Named::default());
    let scene = Scene::with(|config| config.models = Some(Arc::clone(&models) as Arc<dyn Models>)).await?;
    let run = scene.start(THINKS, Value::Null).await?;
    scene.ended(run).await?;
    for (model, answer, asked) in [
        (None, "default says so", vec!["default"]),
        (Some("other"), "other says so", vec!["default", "other"]),
    ] {
        let how = Rehearse { model: model.map(str::to_owned), dry: true, ..Rehearse::default() };
        let fork = scene.engine.rehearse(run, 1, Vec::new(), how, ann()).await?;
        let header = scene.ended(fork).await?;
        assert_eq!(header.outputs, Some(json!({ "answer": answer })));
        assert_eq!(models.asked(), asked);
        // The journal holds what the agent asked for, so that its replay asks the same.
        let events = scene.events(fork).await?;
        let asked = events.iter().any(|event| {
            matches!(event, Event::CallCompleted { request: Some(CallRequest::Model { profile, .. }), .. } if profile == "default")
        });
        ensure!(asked, "{events:?}");
    }
    let how = Rehearse { model: Some("nobody".to_owned()), ..Rehearse::default() };
    let refused = scene.engine.rehearse(run, 1, Vec::new(), how, ann()).await;
    let Err(EngineError::Refused(Refusal::CannotFork(said))) = refused else { anyhow::bail!("{refused:?}") };
    assert_eq!(said, "there is no model 'nobody' in pawl.yaml to ask in place of the others");
    Ok(())
}

#[tokio::test]
async fn a_model_that_is_withheld_is_not_asked_in_place_of_others_either() -> Result<()> {
    let models = Arc::new(Named::default());
    let scene = Scene::with(|config| {
        config.models = Some(Arc::clone(&models) as Arc<dyn Models>);
        config.policy.grants.models = Some(["default".to_owned()].into());
    })
    .await?;
    let run = scene.start(THINKS, Value::Null).await?;
    scene.ended(run).await?;
    let how = Rehearse { model: Some("other".to_owned()), ..Rehearse::default() };
    let refused = scene.engine.rehearse(run, 1, Vec::new(), how, ann()).await;
    let Err(EngineError::Refused(Refusal::CannotFork(said))) = refused else { anyhow::bail!("{refused:?}") };
    assert_eq!(
        said,
        "the run may not be granted the model 'other': pawl.yaml, or a step that led to it, withholds it"
    );
    assert_eq!(models.asked(), ["default"]);
    Ok(())
}

const TELLS: &str = "
pawl: 1
workflow: tells
version: 1.0.0
workflows: { lookup: ./workflows/parts/lookup.yaml }
steps:
  - id: told
    emit: { topic: a/b, data: {} }
  - id: part
    workflow: lookup
    with: { order: A-1001 }
    catch:
      - { id: caught, set: {}, vars: { why: '${{ error.message }}' } }
vars: { why: '' }
outputs: { why: '${{ vars.why }}' }
";

#[tokio::test]
async fn a_dry_rehearsal_tells_nobody_and_starts_no_runs() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(TELLS, Value::Null).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "why": "" })));
    let fork = scene.engine.rehearse(run, 1, Vec::new(), dry(), ann()).await?;
    let header = scene.ended(fork).await?;
    let why = "a dry rehearsal starts no runs: 'lookup' was not started";
    assert_eq!(header.outputs, Some(json!({ "why": why })));
    let names: Vec<_> = scene.events(fork).await?.iter().map(Event::name).collect();
    ensure!(!names.contains(&"emitted") && !names.contains(&"child-started"), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn time_takes_none_and_a_dry_rehearsal_finds_what_it_would_have_remembered() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = "
pawl: 1
workflow: remembers
version: 1.0.0
plugins: { script: ./tests/guests/script.wasm, helper: ./tests/guests/script.wasm }
permissions: { tools: [orders.*], agents: [helper], signals: [go], human: true, memory: true, timers: true }
steps:
  - { id: pause, wait: 2h }
  - id: until
    wait: { until: '2099-01-01T00:00:00Z' }
  - id: put
    agent: script
    memory: { key: shared }
    with: { steps: [{ put: [a, 1] }, { get: a }, { sleep: 3600000 }, { get: a }] }
  - id: look
    agent: script
    memory: { key: shared }
    with: { steps: [{ get: a }] }
outputs: { put: '${{ steps.put.output }}', seen: '${{ steps.look.output }}' }
";
    // The run itself still waits, and the clock stands still.
    let run = scene.start(text, json!({})).await?;
    let waits = scene.named(run, "wait-started").await?.seq;
    for at in [1, waits] {
        let fork = scene.engine.rehearse(run, at, Vec::new(), dry(), ann()).await?;
        let header = scene.ended(fork).await?;
        let outputs = header.outputs.with_context(|| format!("outputs, not {:?}", header.error))?;
        assert_eq!(outputs["seen"], json!([1]), "at {at}: {outputs}");
        assert_eq!((&outputs["put"][1], &outputs["put"][3]), (&json!(1), &json!(1)), "{outputs}");
        assert_eq!(scene.engine.replay(fork).await?.first_difference(), None);
        assert_eq!(scene.engine.store().memories(None, 10).await?, [], "nothing goes into the memory itself");
    }
    let header = scene.engine.store().run(run).await?.context("the run")?;
    assert_eq!(header.status, Status::Waiting);
    Ok(())
}
