//! Large values: beside the journal, and back; too large ones are refused by name.

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::{Event, Payload};
use pawl_core::journal::{Head, decode};
use pawl_core::{Digest, FailureKind};
use pawl_engine::ManualClock;
use pawl_tests::{BEGIN, Disk, Scene};
use serde_json::{Value, json};

const ECHO: &str = "
pawl: 1
workflow: echo
version: 1.0.0
inputs: { text: string }
steps:
  - id: first
    tool: echo.say
    with: { text: '${{ inputs.text }}' }
  - id: ask
    human: { title: Go on? }
  - id: second
    tool: echo.say
    with: { text: '${{ steps.first.output.text }}' }
outputs: { text: '${{ steps.second.output.text }}' }
";

const DRAFT: &str = "
pawl: 1
workflow: draft
version: 1.0.0
inputs: { topic: string }
steps:
  - id: draft
    tool: drafts.write
    with: { topic: '${{ inputs.topic }}', round: 1 }
";

#[tokio::test]
async fn a_large_value_stands_in_the_blob_store_and_comes_back_after_a_restart() -> Result<()> {
    // Characters of one, two and three bytes, and some that are escaped.
    let text = "pawl \"é\" ✓\n".repeat(8_000);
    ensure!(text.len() > 100_000);
    let disk = Disk::new()?;
    let scene = disk.scene(ManualClock::new(BEGIN)).await?;
    let run = scene.start(ECHO, json!({ "text": text })).await?;
    scene.asked(run).await?;

    let records = scene.engine.store().journal(run, 1).await?;
    ensure!(records.iter().all(|record| record.len() < 8_192), "a record holds the value itself");
    let stored = decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice))?;
    let digest = stored.into_iter().find_map(|envelope| match envelope.event {
        Event::StepCompleted { output: Payload::Blob(digest), .. } => Some(digest),
        _ => None,
    });
    let digest = digest.context("an output that was moved out")?;
    let bytes = scene.engine.store().blob(&digest).await?.context("the blob")?;
    assert_eq!(Digest::of(&bytes), digest);
    assert_eq!(serde_json::from_slice::<Value>(&bytes)?, json!({ "text": text }));

    let scene = disk.scene(scene.stop().await?).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "text": text })));
    // What is read back is what was decided, in place.
    let inline = scene
        .events(run)
        .await?
        .into_iter()
        .all(|mut event| !matches!(event.payload_mut(), Some(Payload::Blob(_))));
    ensure!(inline, "the history has values that were not brought back");
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_value_at_the_limit_stays_in_place_and_one_byte_more_moves_out() -> Result<()> {
    for (length, moved) in [(1_000, false), (1_001, true)] {
        let frame = json!({ "text": "" }).to_string().len();
        let scene = Scene::with(|config| config.payload_inline_max_bytes = 1_000).await?;
        let run = scene.start(ECHO, json!({ "text": "x".repeat(length - frame) })).await?;
        scene.asked(run).await?;
        let records = scene.engine.store().journal(run, 1).await?;
        let stored = decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice))?;
        let blobs = stored.into_iter().filter(|envelope| {
            matches!(envelope.event, Event::StepCompleted { output: Payload::Blob(_), .. })
        });
        assert_eq!(blobs.count(), usize::from(moved), "{length}");
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_too_large_to_cross_fails_its_step_by_name() -> Result<()> {
    let scene = Scene::with(|config| config.limits.payload_max_bytes = 10_000).await?;
    let cases = [
        (ECHO, json!({ "text": "x".repeat(10_000) }), "", "its input", FailureKind::InvalidInput),
        // The input fits, the draft about it does not.
        (
            DRAFT,
            json!({ "topic": "x".repeat(9_970) }),
            "drafts.write: ",
            "the tool's result",
            FailureKind::Limit,
        ),
    ];
    for (text, inputs, who, what, kind) in cases {
        let run = scene.start(text, inputs).await?;
        let failure = scene.ended(run).await?.error.context("a failure")?;
        assert_eq!(failure.kind, kind);
        let expected = format!(
            "{who}the plugin went beyond payload_max_bytes (10000): {what}; \
             correct the plugin, or raise this limit where it was set: in its plugin.toml as far as pawl's \
             own limit, which only a program that embeds pawl can raise"
        );
        assert_eq!(failure.message, expected);
    }
    Ok(())
}
