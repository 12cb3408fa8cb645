//! A replay that asks for something else than its journal holds.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::call::CallRequest;
use pawl_core::event::Event;
use pawl_core::journal::{Envelope, Head, encode};
use pawl_core::view::Status;
use pawl_core::{ApprovalId, Failure, FailureKind, RunId, RunState, Timestamp};
use pawl_engine::{ManualClock, StartOptions};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, Blob, RunCommit, Store};
use pawl_tests::{BEGIN, Scene, workflow};
use serde_json::{Value, json};

/// A run of the planner up to its question.
async fn asked() -> Result<(Scene, RunId, ApprovalId)> {
    let scene = Scene::new().await?;
    let workflow = scene.engine.load_workflow(&workflow("planner.yaml")).await?;
    let run = scene.engine.start(&workflow, json!({ "customer": "ann" }), StartOptions::default()).await?;
    let approval = scene.asked(run).await?;
    Ok((scene, run, approval))
}

/// Writes a journal by hand into a store of its own, with everything that the run needs beside it.
async fn written(from: &Scene, run: RunId, envelopes: &[Envelope]) -> Result<Arc<MemoryStore>> {
    let mut head = Head::empty(run);
    let mut state = RunState::new(run);
    let mut events = Vec::new();
    for envelope in envelopes {
        events.extend(encode(&mut head, envelope.time, std::slice::from_ref(&envelope.event)));
        state.apply(envelope.time, &envelope.event);
    }
    let components = state.plugins().values().map(|pin| pin.component);
    let mut blobs = Vec::new();
    for digest in components.chain([state.definition()]) {
        let bytes = from.engine.store().blob(&digest).await?.context("a pinned blob")?;
        blobs.push(Blob { digest, bytes });
    }
    let opened = state.approvals().filter_map(|(id, _)| state.open_approval(id)).collect();
    let header = Some(state.header(head));
    let commit = RunCommit { header, opened, ..RunCommit::new(run, 0, events) };
    let store = Arc::new(MemoryStore::new());
    store.commit(&Batch { runs: vec![commit], blobs, ..Batch::default() }).await?;
    Ok(store)
}

#[tokio::test]
async fn a_replay_that_asks_for_something_else_fails_and_shows_both() -> Result<()> {
    let (scene, run, approval) = asked().await?;
    let mut envelopes = scene.engine.history(run).await?.envelopes;
    let recorded = envelopes.iter_mut().find_map(|envelope| match &mut envelope.event {
        Event::CallCompleted { call: 3, request: Some(request), digest, .. } => Some((request, digest)),
        _ => None,
    });
    let (request, digest) = recorded.context("the third call")?;
    let CallRequest::Tool { name, arguments } = request else { unreachable!("the planner looks orders up") };
    assert_eq!((name.as_str(), &*arguments), ("orders.lookup", &json!({ "id": "A-1003" })));
    *arguments = json!({ "id": "A-9999" });
    *digest = request.digest();

    let store = written(&scene, run, &envelopes).await?;
    let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Failed);
    let failure = header.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Diverged);
    assert_eq!(
        failure.message,
        "planner: call 3 of the agent differs from the journal: \
         recorded {\"tool\":{\"arguments\":{\"id\":\"A-9999\"},\"name\":\"orders.lookup\"}}, \
         now {\"tool\":{\"arguments\":{\"id\":\"A-1003\"},\"name\":\"orders.lookup\"}}; \
         the agent's code must be deterministic between its calls"
    );
    // Nothing was called after it.
    let events = scene.events(run).await?;
    assert_eq!(events.iter().filter(|event| event.name() == "call-started").count(), 1);
    scene.holds(0).await
}

#[tokio::test]
async fn a_replay_that_ends_before_its_recorded_calls_do_fails() -> Result<()> {
    let (scene, run, approval) = asked().await?;
    let mut envelopes = scene.engine.history(run).await?.envelopes;
    // With these orders there is nothing to refund, and so nothing to ask.
    for envelope in &mut envelopes {
        if let Event::CallCompleted { request: Some(CallRequest::Tool { .. }), response, .. } =
            &mut envelope.event
            && let Ok(payload) = response
        {
            let mut value = payload.clone().into_value();
            if let Some(delivered) = value.get_mut("delivered") {
                *delivered = json!(true);
            }
            *payload = value.into();
        }
    }
    // The log line that the agent writes then takes the place of the plan.
    let at = envelopes.iter().position(|envelope| {
        matches!(&envelope.event, Event::CallCompleted { request: Some(CallRequest::MemoryPut { .. }), .. })
    });
    let at = at.context("the plan is kept in memory")?;
    let message = "ann has nothing to refund".to_owned();
    let request = CallRequest::Log { level: pawl_core::call::LogLevel::Info, message };
    let Event::CallCompleted { visit, call, .. } = envelopes[at].event else { unreachable!("found above") };
    envelopes[at].event = Event::CallCompleted {
        visit,
        call,
        digest: request.digest(),
        request: Some(request),
        response: Ok(Value::Null.into()),
    };

    let store = written(&scene, run, &envelopes).await?;
    let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let header = scene.ended(run).await?;
    let failure = header.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Diverged, "{failure}");
    let said = "planner: the agent ended after call 5, and the journal goes on: recorded {\"human\":";
    ensure!(failure.message.starts_with(said), "{failure}");
    ensure!(failure.message.contains("Refund 515.00 EUR to ann for A-1003, A-1005?"), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_replay_that_fails_before_its_recorded_calls_were_made_is_no_plain_failure() -> Result<()> {
    let (scene, run, approval) = asked().await?;
    let mut envelopes = scene.engine.history(run).await?.envelopes;
    // The agent gives up when its first call fails, and yet it has made more.
    let first = envelopes.iter_mut().find_map(|envelope| match &mut envelope.event {
        Event::CallCompleted { call: 1, response, .. } => Some(response),
        _ => None,
    });
    *first.context("the first call")? = Err(Failure::new(FailureKind::Transient, "busy"));

    let store = written(&scene, run, &envelopes).await?;
    let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Diverged, "{failure}");
    ensure!(
        failure.message.starts_with("planner: the agent ended after call 1, and the journal goes on"),
        "{failure}"
    );
    Ok(())
}

#[tokio::test]
async fn a_journal_that_was_altered_is_not_gone_on_with() -> Result<()> {
    let (scene, run, _) = asked().await?;
    let mut records = scene.engine.store().journal(run, 1).await?;
    let place = records[0].windows(3).position(|bytes| bytes == b"ann").context("the customer")?;
    records[0][place..place + 3].copy_from_slice(b"bob");
    let header = scene.engine.store().run(run).await?;
    let store = Arc::new(MemoryStore::new());
    let (opened, closed) = (Vec::new(), Vec::new());
    let commit = RunCommit { header, opened, closed, ..RunCommit::new(run, 0, records) };
    store.commit(&Batch { runs: vec![commit], ..Batch::default() }).await?;
    let scene = Scene::on(store, ManualClock::new(Timestamp(BEGIN.0)), |_| {}).await?;
    let by = pawl_tests::person("user:ann", &[], true);
    let refused = scene.engine.cancel(run, by, None).await;
    let message = refused.err().context("a refusal")?.to_string();
    let expected =
        format!("event 2 of run {run} does not follow from the one before; the journal was altered");
    assert_eq!(message, expected);
    scene.holds(0).await
}
