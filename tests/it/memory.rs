//! Memories that runs share, with real components and stores.

use anyhow::{Context as _, Result, ensure};
use pawl_core::call::CallRequest;
use pawl_core::event::Event;
use pawl_core::{FailureKind, MEMORY_KEY_MAX_BYTES, MemoryScope, RunId};
use pawl_engine::ManualClock;
use pawl_tests::{BEGIN, Disk, Scene, person};
use serde_json::{Value, json};

/// A workflow whose agent does what its input says, in the memory of a step.
fn text(workflow: &str, memory: &str) -> String {
    format!(
        "
pawl: 1
workflow: {workflow}
version: 1.0.0
inputs: {{ steps: array, key: {{ type: string, default: '' }} }}
plugins: {{ script: ./tests/guests/script.wasm, helper: ./tests/guests/script.wasm }}
permissions: {{ tools: [orders.*], agents: [helper], signals: [go], human: true, memory: true, timers: true }}
steps:
  - id: go
    agent: script
    with: {{ steps: '${{{{ inputs.steps }}}}' }}
    memory: {memory}
outputs: {{ results: '${{{{ steps.go.output }}}}' }}
"
    )
}

const BY_KEY: &str = "{ key: 'customer/${{ inputs.key }}' }";

async fn results(scene: &Scene, text: &str, inputs: Value) -> Result<Value> {
    let run = scene.start(text, inputs).await?;
    let header = scene.ended(run).await?;
    Ok(header.outputs.with_context(|| format!("outputs, not {:?}", header.error))?["results"].clone())
}

fn get() -> Value {
    json!([{ "get": "a" }])
}

fn put(value: &Value) -> Value {
    json!([{ "put": ["a", value] }, { "get": "a" }])
}

#[tokio::test]
async fn a_memory_is_seen_by_those_who_name_it_and_by_nobody_else() -> Result<()> {
    let scene = Scene::new().await?;
    let (one, other) = (text("one", "workflow"), text("other", "workflow"));
    let (key, key_of_other, own) = (text("one", BY_KEY), text("other", BY_KEY), text("one", "run"));

    assert_eq!(results(&scene, &one, json!({ "steps": put(&json!(1)) })).await?[1], 1);
    assert_eq!(results(&scene, &one, json!({ "steps": get() })).await?, json!([1]));
    assert_eq!(results(&scene, &other, json!({ "steps": get() })).await?, json!([null]));
    assert_eq!(results(&scene, &own, json!({ "steps": get() })).await?, json!([null]));

    assert_eq!(results(&scene, &key, json!({ "steps": put(&json!(2)), "key": "ann" })).await?[1], 2);
    assert_eq!(results(&scene, &key_of_other, json!({ "steps": get(), "key": "ann" })).await?, json!([2]));
    assert_eq!(results(&scene, &key, json!({ "steps": get(), "key": "ben" })).await?, json!([null]));
    assert_eq!(results(&scene, &one, json!({ "steps": get() })).await?, json!([1]));

    // Null takes the value away, and with the last one the memory.
    assert_eq!(results(&scene, &one, json!({ "steps": put(&Value::Null) })).await?[1], Value::Null);
    let memories = scene.engine.store().memories(None, 10).await?;
    assert_eq!(memories, [MemoryScope::Key("customer/ann".to_owned())]);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_called_or_takes_over_has_the_memory_of_the_step() -> Result<()> {
    let scene = Scene::new().await?;
    let text = text("one", "workflow");
    let called = json!([{ "agent": ["helper", { "steps": put(&json!("called")) }] }, { "get": "a" }]);
    assert_eq!(results(&scene, &text, json!({ "steps": called })).await?[1], "called");
    let handed = json!([{ "hand-over": ["helper", { "steps": get() }] }]);
    assert_eq!(results(&scene, &text, json!({ "steps": handed })).await?, json!(["called"]));
    Ok(())
}

#[tokio::test]
async fn what_was_read_is_recorded_and_what_is_read_next_is_what_others_put() -> Result<()> {
    let disk = Disk::new()?;
    let mut scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let text = text("one", "workflow");
    results(&scene, &text, json!({ "steps": put(&json!(1)) })).await?;

    let steps =
        json!([{ "get": "a" }, { "put": ["b", 1] }, { "ask": "Go on?" }, { "get": "a" }, { "get": "b" }]);
    let run = scene.start(&text, json!({ "steps": steps })).await?;
    let approval = scene.asked(run).await?;
    results(&scene, &text, json!({ "steps": put(&json!(2)) })).await?;
    scene = disk.scene(scene.stop().await?).await?;
    scene.engine.recover().await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    let found = scene.ended(run).await?.outputs.context("outputs")?["results"].clone();
    assert_eq!(found, json!([1, null, "approve", 2, 1]));
    assert_eq!(differences(&scene, run).await?, 0);
    scene.stop().await?;
    Ok(())
}

/// How many attempts of a run differ from the journal when they are run again.
async fn differences(scene: &Scene, run: RunId) -> Result<usize> {
    let report = scene.engine.replay(run).await?;
    ensure!(!report.attempts.is_empty());
    Ok(report.attempts.iter().filter(|attempt| attempt.difference.is_some()).count())
}

#[tokio::test]
async fn what_a_call_put_is_there_with_the_call_and_not_before() -> Result<()> {
    let scene = Scene::new().await?;
    let text = text("one", "workflow");
    let steps = json!([{ "put": ["a", 1] }, { "ask": "Go on?" }, { "put": ["a", 2] }, { "fail": "no more" }]);
    let run = scene.start(&text, json!({ "steps": steps })).await?;
    let approval = scene.asked(run).await?;
    let memory = MemoryScope::Workflow("one".to_owned());
    let held = async || anyhow::Ok(scene.engine.store().memory(&memory).await?.remove("a"));
    assert_eq!(held().await?, Some(json!(1)));
    let put = |event: &Event| {
        matches!(event, Event::CallCompleted { request: Some(CallRequest::MemoryPut { scope, .. }), .. }
            if scope.as_ref() == Some(&memory))
    };
    ensure!(scene.event(run, put).await?.seq < scene.named(run, "approval-opened").await?.seq);
    // What a failed attempt has put stays, as all that it has done.
    scene.answer(&approval, "approve", Value::Null).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.message, "no more");
    assert_eq!(held().await?, Some(json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_fork_puts_nothing_again_that_its_ancestor_has_put() -> Result<()> {
    let scene = Scene::new().await?;
    let text = text("one", "workflow");
    let run = scene.start(&text, json!({ "steps": [{ "put": ["a", 1] }, { "ask": "Go on?" }] })).await?;
    scene.asked(run).await?;
    results(&scene, &text, json!({ "steps": put(&json!(2)) })).await?;
    let seq = scene.named(run, "approval-opened").await?.seq;
    let fork = scene.engine.fork(run, seq, Vec::new(), person("user:ann", &[], true)).await?;
    let approval = scene.asked(fork).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.ended(fork).await?;
    let memory = scene.engine.store().memory(&MemoryScope::Workflow("one".to_owned())).await?;
    assert_eq!(memory.get("a"), Some(&json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_memory_that_runs_share_has_limits() -> Result<()> {
    let scene = Scene::with(|config| config.shared_memory_max_bytes = 100).await?;
    let text = text("one", BY_KEY);
    let failure = async |steps: Value, key: String| {
        let run = scene.start(&text, json!({ "steps": steps, "key": key })).await?;
        scene.ended(run).await?.error.context("a failure")
    };
    let half = "x".repeat(50);
    results(&scene, &text, json!({ "steps": put(&json!(half)), "key": "k" })).await?;
    let beyond = failure(json!([{ "put": ["b", half] }]), "k".to_owned()).await?;
    let said = "the memory of key customer/k would hold more than shared_memory_max_bytes (100)";
    assert_eq!((beyond.kind, beyond.message.as_str()), (FailureKind::Permanent, said));

    let long = "k".repeat(MEMORY_KEY_MAX_BYTES + 1);
    let beyond = failure(json!([{ "put": [long, 1] }]), "k".to_owned()).await?;
    let said = "a key of memory.put has 201 bytes; at most memory_key_max_bytes (200) where runs share it";
    assert_eq!((beyond.kind, beyond.message.as_str()), (FailureKind::InvalidInput, said));

    let longest = "k".repeat(MEMORY_KEY_MAX_BYTES - "customer/".len());
    let found = results(&scene, &text, json!({ "steps": put(&json!(1)), "key": longest })).await?;
    assert_eq!(found[1], 1);
    for (key, said) in [
        (
            format!("{longest}k"),
            "the key of memory has 201 bytes; at least 1, and at most memory_key_max_bytes (200)",
        ),
        ("\0".to_owned(), "the key of memory has a zero byte in it"),
    ] {
        let beyond = failure(get(), key).await?;
        assert_eq!((beyond.kind, beyond.message.as_str()), (FailureKind::InvalidInput, said));
    }
    Ok(())
}
