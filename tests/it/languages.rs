//! Guests of other languages, which `tests/authors.sh` builds: `PAWL_TEST_PLUGINS` names their folder.
//!
//! With it, all tests of this crate run on them instead of the Rust ones. What stands here is about the
//! JavaScript SDK alone.

use anyhow::{Context as _, Result, ensure};
use pawl_core::FailureKind;
use pawl_core::plugin::PluginOrigin;
use pawl_tests::{BEGIN, Scene, plugins_under_test};
use serde_json::{Value, json};

fn one_step(tool: &str) -> String {
    format!(
        "pawl: 1\nworkflow: one\nversion: 1.0.0\nsteps:\n  - id: act\n    tool: flaky.{tool}\n\
         outputs:\n  it: ${{{{ steps.act.output }}}}\n"
    )
}

#[tokio::test]
#[ignore = "needs PAWL_TEST_PLUGINS; tests/authors.sh runs it"]
async fn the_plugins_of_another_language_come_before_those_that_ship() -> Result<()> {
    let folder = plugins_under_test().context("PAWL_TEST_PLUGINS names no folder")?;
    let scene = Scene::new().await?;
    let entries = scene.engine.plugins().await?;
    for name in ["drafts", "flaky", "planner", "triage"] {
        let entry = entries.iter().find(|entry| entry.name == name).context(name)?;
        let from = PluginOrigin::Folder(folder.join(format!("{name}.wasm")).display().to_string());
        assert_eq!(entry.origin, from);
        scene.engine.describe_plugin(entry).await.context(name)?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs PAWL_TEST_PLUGINS; tests/authors.sh runs it"]
async fn a_bug_in_javascript_is_told_with_its_place() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(&one_step("crash"), Value::Null).await?;
    let failure = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(failure.kind, FailureKind::Trap);
    for told in ["flaky.crash", "a panic at src/plugin.js:", "TypeError"] {
        ensure!(failure.message.contains(told), "'{told}' is not in: {failure}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs PAWL_TEST_PLUGINS; tests/authors.sh runs it"]
async fn time_and_chance_follow_the_journal_in_javascript() -> Result<()> {
    let scene = Scene::new().await?;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let run = scene.start(&one_step("chance"), Value::Null).await?;
        let outputs = scene.ended(run).await?.outputs.context("outputs")?;
        let it = &outputs["it"];
        assert_eq!((&it["now"], &it["later"]), (&json!(BEGIN.0), &json!(BEGIN.0)), "{it}");
        drawn.extend(it["chance"].as_array().context("numbers")?.iter().map(ToString::to_string));
    }
    let (drawn_of_all, all) = (drawn.len(), drawn.iter().collect::<std::collections::BTreeSet<_>>());
    assert_eq!((drawn_of_all, all.len()), (4, 4), "no number twice: {drawn:?}");
    Ok(())
}
