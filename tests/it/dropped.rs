//! Components that come into the plugin folder while the engine runs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use pawl_engine::StartOptions;
use pawl_tests::{Scene, workflow};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Uses the plugin `mine` before and after a question.
const ASKS: &str = r#"
pawl: 1
workflow: asks
version: 1.0.0
steps:
  - id: before
    tool: mine.say
    with: { text: one }
  - id: ask
    human: { title: Go on? }
  - id: after
    tool: mine.say
    with: { text: "${{ steps.before.output.text }} two" }
outputs:
  text: ${{ steps.after.output.text }}
"#;

/// Uses a tool that another component of the same name has.
const FETCHES: &str = r"
pawl: 1
workflow: fetches
version: 1.0.0
steps:
  - id: fetch
    tool: mine.fetch
    with: { key: k, fail_times: 0 }
outputs:
  key: ${{ steps.fetch.output.key }}
";

fn shipped(name: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(workflow("../plugins/dist").join(format!("{name}.wasm")))?)
}

async fn scene() -> Result<(Scene, TempDir)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    Ok((Scene::with(|config| config.plugin_folder = Some(path)).await?, folder))
}

async fn gives(scene: &Scene, text: &str, outputs: Value) -> Result<()> {
    let run = scene.start(text, Value::Null).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(outputs));
    Ok(())
}

async fn refused(scene: &Scene, text: &str) -> Result<String> {
    Ok(scene.workflow(text).await.err().context("a refusal")?.to_string())
}

#[tokio::test]
async fn a_component_is_there_when_it_is_dropped_and_another_takes_its_place_for_new_runs_only() -> Result<()>
{
    let (scene, folder) = scene().await?;
    let file = folder.path().join("mine.wasm");
    refused(&scene, ASKS).await?;
    std::fs::write(&file, shipped("echo")?)?;
    let under_way = scene.start(ASKS, Value::Null).await?;
    let approval = scene.asked(under_way).await?;

    // Written over in place, as `cp` does it.
    std::fs::write(&file, shipped("flaky")?)?;
    gives(&scene, FETCHES, json!({ "key": "k" })).await?;
    let message = refused(&scene, ASKS).await?;
    ensure!(message.contains("say"), "the new component has no such tool: {message}");
    scene.answer(&approval, "approve", Value::Null).await?;
    assert_eq!(scene.ended(under_way).await?.outputs, Some(json!({ "text": "one two" })));

    std::fs::remove_file(&file)?;
    refused(&scene, FETCHES).await?;
    Ok(())
}

#[tokio::test]
async fn a_replaced_manifest_counts_from_the_next_run_on() -> Result<()> {
    let (scene, folder) = scene().await?;
    std::fs::write(folder.path().join("mine.wasm"), shipped("flaky")?)?;
    let manifest = |more: &str| {
        let text = format!("name = 'mine'\nversion = '1.0.0'\nkind = 'tool'\ncapabilities = ['log']\n{more}");
        std::fs::write(folder.path().join("mine.toml"), text)
    };
    manifest("")?;
    gives(&scene, FETCHES, json!({ "key": "k" })).await?;
    manifest("colour = 'red'\n")?;
    let message = refused(&scene, FETCHES).await?;
    ensure!(message.contains("plugin.toml, line 5, column 1: unknown field `colour`"), "{message}");
    manifest("[limits]\npayload_max_bytes = 10\n")?;
    let run = scene.start(FETCHES, Value::Null).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    ensure!(failure.message.contains("payload_max_bytes (10)"), "{failure}");
    Ok(())
}

/// Writes a component in two halves with a pause between them.
async fn copy_slowly(file: &Path, bytes: &[u8]) -> Result<()> {
    let half = bytes.len() / 2;
    std::fs::write(file, &bytes[..half])?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(std::fs::write(file, bytes)?)
}

#[tokio::test]
async fn a_component_that_is_being_copied_is_waited_for() -> Result<()> {
    let (scene, folder) = scene().await?;
    let (file, bytes) = (folder.path().join("mine.wasm"), shipped("flaky")?);
    let whole = tokio::spawn({
        let file = file.clone();
        async move { copy_slowly(&file, &bytes).await }
    });
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    let prepared = scene.workflow(FETCHES).await?;
    whole.await??;
    let run = scene.engine.start(&prepared, Value::Null, StartOptions::default()).await?;
    assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "key": "k" })));
    Ok(())
}

#[tokio::test]
async fn a_component_that_was_cut_off_is_refused_until_the_rest_is_there() -> Result<()> {
    let (scene, folder) = scene().await?;
    let (file, bytes) = (folder.path().join("mine.wasm"), shipped("flaky")?);
    std::fs::write(&file, &bytes[..bytes.len() / 2])?;
    let message = refused(&scene, FETCHES).await?;
    ensure!(message.contains("the component is truncated"), "{message}");
    std::fs::write(&file, &bytes)?;
    gives(&scene, FETCHES, json!({ "key": "k" })).await
}
