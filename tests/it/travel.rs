//! Going back in a run, with the real engine and real plugins: rerun, fork, retry, suspend, replay.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::call::CallRequest;
use pawl_core::event::{Actor, Event};
use pawl_core::fork::Change;
use pawl_core::travel::Ancestor;
use pawl_core::view::{RunHeader, Status, Waiting};
use pawl_core::{Duration, Refusal, RunId, StepId};
use pawl_engine::{EngineError, ManualClock, StartOptions};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, Blob, RunCommit, Store};
use pawl_tests::{BEGIN, Disk, Scene, person, workflow};
use serde_json::{Value, json};

fn ann() -> Actor {
    person("user:ann", &[], true)
}

/// A run of the refund up to its question.
async fn refund(scene: &Scene) -> Result<RunId> {
    let workflow = scene.engine.load_workflow(&workflow("refund.yaml")).await?;
    let inputs = json!({ "ticket": "My desk lamp from order A-1001 arrived broken, I want my money back.", "amount": 40 });
    let run = scene.engine.start(&workflow, inputs, StartOptions::default()).await?;
    scene.asked(run).await?;
    Ok(run)
}

async fn ancestor(scene: &Scene, run: RunId) -> Result<Option<Ancestor>> {
    match scene.events(run).await?.first() {
        Some(Event::RunStarted(started)) => Ok(started.ancestor),
        other => anyhow::bail!("no start: {other:?}"),
    }
}

/// The seq of the event that completed a visit.
async fn completed(scene: &Scene, run: RunId, visit: u32) -> Result<u64> {
    let envelope =
        scene.event(run, |event| matches!(event, Event::StepCompleted { visit: at, .. } if at.0 == visit));
    Ok(envelope.await?.seq)
}

#[tokio::test]
async fn a_rerun_starts_from_the_same_definition_with_inputs_that_fit_it() -> Result<()> {
    let scene = Scene::new().await?;
    let run = refund(&scene).await?;
    let again = scene.engine.rerun(run, None, None, ann()).await?;
    scene.asked(again).await?;
    assert_eq!(ancestor(&scene, again).await?, Some(Ancestor::Rerun { run }));
    let (old, new) = (scene.engine.history(run).await?.state, scene.engine.history(again).await?.state);
    assert_eq!(
        (old.definition(), old.plugins(), old.inputs()),
        (new.definition(), new.plugins(), new.inputs())
    );

    let refused = scene.engine.rerun(run, None, Some(json!({ "ticket": "x", "amount": -1 })), ann()).await;
    ensure!(matches!(refused, Err(EngineError::Inputs { .. })), "{refused:?}");
    scene.holds(0).await
}

#[tokio::test]
async fn hosts_that_were_allowed_to_one_text_are_not_allowed_to_another_that_somebody_brings() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start_allowed(PAUSES, Value::Null, &["bank.example"]).await?;
    let other = scene.workflow(&PAUSES.replace("text: done", "text: other")).await?;
    let eve = || person("user:eve", &[], false);
    for (workflow, by, is_allowed) in
        [(None, eve(), true), (Some(&other), ann(), true), (Some(&other), eve(), false)]
    {
        let again = scene.engine.rerun(run, workflow, None, by).await?;
        let allowed = scene.engine.history(again).await?.state.allowed().http.clone();
        assert_eq!(allowed != pawl_core::plugin::Hosts::default(), is_allowed, "{allowed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_fork_decides_anew_what_the_run_decided_and_pays_under_a_key_of_its_own() -> Result<()> {
    let scene = Scene::new().await?;
    let run = refund(&scene).await?;
    let asked = scene.named(run, "approval-opened").await?.seq;
    let old = scene.asked(run).await?;
    scene.answer(&old, "reject", Value::Null).await?;
    let rejected = scene.ended(run).await?;
    assert_eq!(rejected.outputs.context("outputs")?["decision"], "reject");

    scene.clock.advance(Duration::from_secs(7 * 86_400));
    let fork = scene.engine.fork(run, asked, Vec::new(), ann()).await?;
    let approval = scene.asked(fork).await?;
    ensure!(approval != old, "an id stands for one question");
    let open = scene.engine.store().approval(&approval).await?.context("it is listed")?;
    assert_eq!(open.due, Some(pawl_engine::Clock::now(&scene.clock).after(Duration::from_secs(48 * 3_600))));
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(fork).await?;
    assert_eq!(header.outputs.context("outputs")?["decision"], "approve");
    assert_eq!(ancestor(&scene, fork).await?, Some(Ancestor::Forked { run, seq: asked }));
    // The other run is as it was.
    assert_eq!(scene.ended(run).await?.head, rejected.head);
    scene.holds(0).await
}

#[tokio::test]
async fn a_fork_goes_on_with_a_changed_output_and_is_read_after_a_restart() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = refund(&scene).await?;
    let order = completed(&scene, run, 2).await?;
    let change =
        Change { step: Some(StepId::new("order")), path: vec!["currency".to_owned()], value: json!("USD") };
    let fork = scene.engine.fork(run, order, vec![change], ann()).await?;
    scene.asked(fork).await?;
    let scene = disk.scene(scene.stop().await?).await?;
    let header = scene.settled(fork).await?;
    let Some(Waiting::Approval { approval, title, .. }) = header.waiting else { anyhow::bail!("{header:?}") };
    assert_eq!(title, "Refund 40 USD for order A-1001?");
    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(fork).await?.status, Status::Completed);

    let refused = scene.engine.fork(run, order - 2, Vec::new(), ann()).await;
    let Err(EngineError::Refused(Refusal::CannotFork(said))) = refused else { anyhow::bail!("{refused:?}") };
    ensure!(said.contains(&format!("at event {}", order - 2)), "{said}");
    scene.holds(0).await
}

#[tokio::test]
async fn a_fork_in_the_middle_of_an_agent_replays_what_was_recorded() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("planner.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({ "customer": "ann" }), StartOptions::default()).await?;
    let asked = scene.asked(run).await?;
    let seq = scene.named(run, "approval-opened").await?.seq;
    scene.answer(&asked, "reject", Value::Null).await?;
    assert_eq!(scene.ended(run).await?.outputs.context("outputs")?["refunded"], json!([]));

    let fork = scene.engine.fork(run, seq, Vec::new(), ann()).await?;
    let calls = |events: &[Event]| events.iter().filter(|event| event.name() == "call-completed").count();
    let before = calls(&scene.events(fork).await?);
    let approval = scene.asked(fork).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(fork).await?;
    ensure!(header.outputs.context("outputs")?["refunded"] != json!([]), "it paid");
    ensure!(calls(&scene.events(fork).await?) > before, "it called more");
    for run in [run, fork] {
        let report = scene.engine.replay(run).await?;
        assert_eq!((report.attempts.len(), report.first_difference()), (1, None));
        ensure!(report.attempts[0].calls > 5, "{report:?}");
    }
    scene.holds(0).await
}

#[tokio::test]
async fn a_fork_that_begins_with_a_payment_makes_it_and_asks_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let run = refund(&scene).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.ended(run).await?;
    let decided = scene.named(run, "approval-decided").await?.seq;
    let approved =
        scene.event(run, |event| matches!(event, Event::StepCompleted { visit, .. } if visit.0 == 3));
    let fork = scene.engine.fork(run, approved.await?.seq.max(decided), Vec::new(), ann()).await?;
    assert_eq!(scene.ended(fork).await?.status, Status::Completed);
    let paid = scene.event(fork, |event| matches!(event, Event::StepCompleted { visit, .. } if visit.0 == 4));
    paid.await.map(|_| ())
}

const FAILS_ONCE: &str = "
pawl: 1
workflow: fails
version: 1.0.0
steps:
  - { id: first, tool: echo.say, with: { text: once } }
  - id: both
    parallel:
      branches:
        bad: [{ id: fetch, tool: flaky.fetch, with: { key: k, fail_times: 1 } }]
        ask: [{ id: ask, human: { title: Go on?, actions: [go] } }]
outputs: { attempt: '${{ steps.both.output.bad.attempt }}' }
";

#[tokio::test]
async fn a_failed_run_is_retried_where_it_failed_after_a_restart() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start(FAILS_ONCE, Value::Null).await?;
    let failed = scene.event(run, |event| matches!(event, Event::RunFailed { .. })).await?.seq;
    let asked = scene.event(run, |event| matches!(event, Event::ApprovalOpened(_))).await?;
    let Event::ApprovalOpened(opened) = asked.event else { unreachable!("found above") };
    let scene = disk.scene(scene.stop().await?).await?;
    let late = scene.answer(&opened.approval, "go", Value::Null).await;
    ensure!(matches!(late, Err(EngineError::Refused(Refusal::AlreadyDecided { .. }))), "{late:?}");

    scene.engine.retry(run, None, ann()).await?;
    // The question that the failure closed is open again.
    assert_eq!(scene.asked(run).await?, opened.approval);
    scene.answer(&opened.approval, "go", Value::Null).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs, Some(json!({ "attempt": 2 })));
    let events = scene.events(run).await?;
    let later = events.get(usize::try_from(failed)?..).context("later events")?;
    ensure!(later.iter().all(|event| event.name() != "step-started"), "what was completed is not done again");
    let refused = scene.engine.retry(run, None, ann()).await;
    ensure!(matches!(refused, Err(EngineError::Refused(Refusal::Ended("completed")))), "{refused:?}");
    scene.holds(0).await
}

const PAUSES: &str = "
pawl: 1
workflow: pauses
version: 1.0.0
steps:
  - { id: ask, human: { title: Go on?, actions: [go], due: 1h, on_timeout: go } }
  - { id: say, tool: echo.say, with: { text: done } }
outputs: { text: '${{ steps.say.output.text }}' }
";

#[tokio::test]
async fn a_suspended_run_waits_for_whoever_resumes_it_and_nothing_else() -> Result<()> {
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start(PAUSES, Value::Null).await?;
    let asked = scene.asked(run).await?;
    scene.engine.suspend(run, ann(), Some("a look".into())).await?;
    let by = Waiting::Resume { by: "user:ann".into(), reason: Some("a look".into()) };
    let header = scene.settled(run).await?;
    assert_eq!((header.status, header.waiting), (Status::Suspended, Some(by)));

    let scene = disk.scene(scene.stop().await?).await?;
    // Neither recovery nor time lifts it.
    assert_eq!(scene.engine.recover().await?, []);
    scene.clock.advance(Duration::from_secs(7_200));
    scene.holds(0).await?;
    scene.answer(&asked, "go", Value::Null).await?;
    assert_eq!(scene.settled(run).await?.status, Status::Suspended);
    let held = scene.named(run, "step-held").await?;
    ensure!(matches!(held.event, Event::StepHeld(held) if held.step.as_str() == "say"), "it is the next one");
    scene.engine.resume(run, ann()).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "text": "done" })));
    scene.holds(0).await
}

#[tokio::test]
async fn a_resumed_question_is_due_later_by_the_time_the_run_stood_still() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(PAUSES, Value::Null).await?;
    let asked = scene.asked(run).await?;
    scene.engine.suspend(run, ann(), None).await?;
    scene.clock.advance(Duration::from_secs(7_200));
    scene.engine.resume(run, ann()).await?;
    let open = scene.engine.store().approval(&asked).await?.context("it is listed")?;
    assert_eq!(open.due, Some(BEGIN.after(Duration::from_secs(10_800))));
    scene.clock.advance(Duration::from_secs(3_600));
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    scene.holds(0).await
}

#[tokio::test]
async fn a_suspended_agent_is_put_away_at_its_next_call_and_goes_on_when_resumed() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("planner.yaml")).await?;
    let inputs = json!({ "customer": "ann", "cool_down_ms": 60_000 });
    let run = scene.engine.start(&workflow, inputs, StartOptions::default()).await?;
    let asked = scene.asked(run).await?;
    scene.engine.suspend(run, ann(), None).await?;
    scene.answer(&asked, "approve", Value::Null).await?;
    scene.holds(0).await?;
    let before = scene.events(run).await?.len();
    scene.engine.resume(run, ann()).await?;
    scene.drive(run, before as u64, &mut VecDeque::new(), |_| false).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    assert_eq!(scene.engine.replay(run).await?.first_difference(), None);
    scene.holds(0).await
}

#[tokio::test]
async fn a_replay_names_the_first_call_that_is_not_the_recorded_one() -> Result<()> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("planner.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({ "customer": "ann" }), StartOptions::default()).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.ended(run).await?;
    let mut history = scene.engine.history(run).await?;
    for envelope in &mut history.envelopes {
        if let Event::CallCompleted { call: 3, request: Some(request), digest, .. } = &mut envelope.event {
            let CallRequest::Tool { arguments, .. } = request else { anyhow::bail!("{request:?}") };
            *arguments = json!({ "id": "A-9999" });
            *digest = request.digest();
        }
    }
    let store = rewritten(&scene, run, &history).await?;
    let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
    let report = scene.engine.replay(run).await?;
    let (attempt, difference) = report.first_difference().context("a difference")?;
    assert_eq!((attempt.step.as_str(), attempt.attempt, difference.call), ("plan", 1, Some(3)));
    assert_eq!(difference.expected["tool"]["arguments"]["id"], "A-9999");
    assert_eq!(difference.found["tool"]["arguments"]["id"], "A-1003");

    // What it ended with is compared as well.
    let output = json!({ "refunded": 1.0, "receipts": [], "decision": "approve" });
    let mut history = scene.engine.history(run).await?;
    history.envelopes = original(&history.envelopes);
    for envelope in &mut history.envelopes {
        if let Event::StepCompleted { output: given, .. } = &mut envelope.event {
            *given = output.clone().into();
        }
    }
    let store = rewritten(&scene, run, &history).await?;
    let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
    let report = scene.engine.replay(run).await?;
    let (_, difference) = report.first_difference().context("a difference")?;
    assert_eq!((difference.call, &difference.expected), (None, &json!({ "completed": output })));
    Ok(())
}

/// The events with the third call as it was.
fn original(envelopes: &[pawl_core::journal::Envelope]) -> Vec<pawl_core::journal::Envelope> {
    let mut envelopes = envelopes.to_vec();
    for envelope in &mut envelopes {
        if let Event::CallCompleted { call: 3, request: Some(request), digest, .. } = &mut envelope.event
            && let CallRequest::Tool { arguments, .. } = request
        {
            *arguments = json!({ "id": "A-1003" });
            *digest = request.digest();
        }
    }
    envelopes
}

/// A store of its own with a journal written by hand.
async fn rewritten(from: &Scene, run: RunId, history: &pawl_engine::RunHistory) -> Result<Arc<MemoryStore>> {
    let mut head = pawl_core::journal::Head::empty(run);
    let mut state = pawl_core::RunState::new(run);
    let mut events = Vec::new();
    for envelope in &history.envelopes {
        let one = std::slice::from_ref(&envelope.event);
        events.extend(pawl_core::journal::encode(&mut head, envelope.time, one));
        state.apply(envelope.time, &envelope.event);
    }
    let mut blobs = Vec::new();
    for digest in state.plugins().values().map(|pin| pin.component).chain([state.definition()]) {
        let bytes = from.engine.store().blob(&digest).await?.context("a pinned blob")?;
        blobs.push(Blob { digest, bytes });
    }
    let header: Option<RunHeader> = Some(state.header(head));
    let (opened, closed) = (Vec::new(), Vec::new());
    let commit = RunCommit { header, opened, closed, ..RunCommit::new(run, 0, events) };
    let store = Arc::new(MemoryStore::new());
    store.commit(&Batch { runs: vec![commit], blobs, ..Batch::default() }).await?;
    Ok(store)
}
