//! Plugins that the operator's file gives to every workflow.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use pawl_core::event::Event;
use pawl_core::operator::PluginSource;
use pawl_core::plugin::PluginOrigin;
use pawl_core::view::Status;
use pawl_engine::{EngineError, OperatorSays, SHIPPED};
use pawl_tests::Scene;
use serde_json::json;

/// No registry is there.
const FAR: &str =
    "oci://127.0.0.1:1/team/far@sha256:0000000000000000000000000000000000000000000000000000000000000000";

type Sources = Arc<BTreeMap<String, PluginSource>>;

fn sources(named: &[(&str, &str)]) -> Result<Sources> {
    let source = |text: &str| -> Result<PluginSource> {
        let is_far = text.starts_with("oci://");
        Ok(if is_far { PluginSource::Registry(text.parse()?) } else { PluginSource::File(text.to_owned()) })
    };
    let named = named.iter().map(|(name, text)| Ok(((*name).to_owned(), source(text)?)));
    named.collect::<Result<BTreeMap<_, _>>>().map(Arc::new)
}

/// A copy of a plugin that ships with pawl, with a manifest that has this name and this label.
fn copied(folder: &Path, shipped: &str, name: &str, label: &str) -> Result<String> {
    let plugin = SHIPPED.iter().find(|plugin| plugin.name == shipped).context("it ships")?;
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, plugin.bytes)?;
    let manifest = plugin.manifest.replacen(&format!("\"{shipped}\""), &format!("\"{name}\""), 1);
    let manifest = manifest.replacen("labels = { ", &format!("labels = {{ {label}"), 1);
    std::fs::write(folder.join(format!("{name}.toml")), manifest)?;
    Ok(path.display().to_string())
}

fn says(plugin: &str) -> String {
    format!(
        "pawl: 1\nworkflow: says\nversion: 1.0.0\nsteps:\n  - {{ id: say, tool: {plugin}.say, with: {{ text: hello }} }}\n\
         outputs: {{ said: '${{{{ steps.say.output.text }}}}' }}\n"
    )
}

const ROUTED: &str = "
pawl: 1
workflow: routed
version: 1.0.0
steps:
  - id: sort
    agent: { match: { capability: classify, labels: { tier: gold } } }
    with: { ticket: My lamp (A-1001) is broken. }
";

#[tokio::test]
async fn a_plugin_of_the_operators_file_is_used_by_name_before_the_folder_and_what_ships() -> Result<()> {
    let (own, folder) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let given = copied(own.path(), "echo", "given", "")?;
    copied(folder.path(), "echo", "echo", "")?;
    let named = sources(&[("given", &given), ("echo", &given)])?;
    let scene = Scene::with(|config| {
        config.plugin_folder = Some(folder.path().to_owned());
        config.sources = named;
    })
    .await?;
    for name in ["given", "echo"] {
        let workflow = scene.workflow(&says(name)).await?;
        let pin = workflow.plugins.get(name).context("it is pinned")?;
        assert_eq!(pin.origin, PluginOrigin::Operator(given.clone()), "{name}");
        let run = scene.start(&says(name), json!({})).await?;
        assert_eq!(scene.ended(run).await?.outputs, Some(json!({ "said": "hello" })), "{name}");
    }
    // What a workflow names itself comes first.
    let own_path = says("echo").replace("steps:", &format!("plugins: {{ echo: '{given}' }}\nsteps:"));
    let workflow = scene.workflow(&own_path).await?;
    ensure!(matches!(workflow.plugins["echo"].origin, PluginOrigin::Workflow(_)));
    Ok(())
}

#[tokio::test]
async fn routes_find_what_the_operators_file_gives_with_the_labels_of_its_manifest() -> Result<()> {
    let own = tempfile::tempdir()?;
    let given = copied(own.path(), "triage", "sorter", "tier = 'gold', ")?;
    let named = sources(&[("sorter", &given), ("far", FAR)])?;
    let scene = Scene::with(|config| config.sources = named).await?;
    let run = scene.start(ROUTED, json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    let chosen = scene.events(run).await?.into_iter().find_map(|event| match event {
        Event::RouteChosen(chosen) => Some(*chosen),
        _ => None,
    });
    let chosen = chosen.context("one was chosen")?;
    assert_eq!(chosen.chosen, "sorter");
    let far = chosen.candidates.iter().find(|candidate| candidate.name == "far").context("it is told")?;
    let why = far.left_out.as_deref().unwrap_or_default();
    ensure!(why.contains("cannot be had from oci://127.0.0.1:1/team/far"), "{why}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_had_is_told_and_keeps_nothing_else_from_going_on() -> Result<()> {
    let named = sources(&[("far", FAR), ("gone", "/nowhere/gone.wasm")])?;
    let scene = Scene::with(|config| {
        config.sources = named;
        config.policy_file = "etc/pawl.yaml".to_owned();
    })
    .await?;
    let run = scene.start(&says("echo"), json!({})).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    for (name, is_far) in [("far", true), ("gone", false)] {
        let Err(error) = scene.workflow(&says(name)).await else { bail!("'{name}' cannot be had") };
        ensure!(matches!(&error, EngineError::Supply { is_far: far, .. } if *far == is_far), "{error}");
        let text = error.to_string();
        for part in [format!("plugin '{name}'"), "etc/pawl.yaml".to_owned(), "change `from`".to_owned()] {
            ensure!(text.contains(&part), "{text}");
        }
    }
    let listed = scene.engine.listed_plugins().await?;
    let broken: Vec<_> =
        listed.iter().filter(|plugin| plugin.entry.is_err()).map(|plugin| &plugin.name).collect();
    assert_eq!(broken, ["far", "gone"]);
    ensure!(scene.engine.plugins().await?.iter().any(|plugin| plugin.name == "echo"));
    Ok(())
}

#[tokio::test]
async fn what_the_operators_file_gives_is_given_anew_when_it_is_read_again() -> Result<()> {
    let own = tempfile::tempdir()?;
    let given = copied(own.path(), "echo", "given", "")?;
    let scene = Scene::new().await?;
    let missing = scene.workflow(&says("given")).await;
    ensure!(matches!(missing, Err(EngineError::Definition(_))));
    let reloaded = |sources: Sources| OperatorSays {
        sources,
        ..OperatorSays::of(&pawl_engine::EngineConfig::default())
    };
    scene.engine.reload(reloaded(sources(&[("given", &given)])?)).await;
    let run = scene.start(&says("given"), json!({})).await?;
    assert_eq!(scene.ended(run).await?.status, Status::Completed);
    scene.engine.reload(reloaded(Arc::default())).await;
    ensure!(scene.workflow(&says("given")).await.is_err());
    Ok(())
}
