//! Components that are broken, far too large, or made to be compiled for ever.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_fuzz::{Corpus, Mutator, target};
use pawl_wat::raw::{MODULES, component, data, functions, section};
use pawl_wat::tool;
use serde_json::json;

use crate::attack::Ground;

const ECHO: &str = "(call $ok (local.get $args_ptr) (local.get $args_len))";
/// Cases of broken components; the program `fuzz` takes as many as wished.
const CASES: u64 = 40;

#[tokio::test]
async fn a_component_of_fifty_megabytes_is_refused_by_its_weight_or_is_as_good_as_any() -> Result<()> {
    let ground = Ground::new().await?;
    let begun = Instant::now();
    let many = component(MODULES, &[functions(1_000_000, 48)]);
    let refused = ground.refused(&many).await?;
    for said in ["guest.wasm", "component_max_weight (67108864)", "divide it into smaller functions"] {
        ensure!(refused.contains(said), "'{said}' is not in: {refused}");
    }
    let larger = component(MODULES, &[data(65 << 20)]);
    let refused = ground.refused(&larger).await?;
    ensure!(refused.contains("component_max_bytes") || refused.contains("67108864"), "{refused}");
    // Data is no work: beside a guest that is right it is taken, compiled and called.
    let whole = [tool(ECHO).build(), section(MODULES, &data(50 << 20))].concat();
    let text = ground.text(&whole, "tool: guest.go", "")?;
    let run = ground.scene.start(&text, serde_json::Value::Null).await?;
    let header = ground.scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?, json!({ "got": { "n": 1 } }));
    ensure!(begun.elapsed() < Duration::from_mins(2), "{:?}", begun.elapsed());
    ground.scene.holds(0).await
}

#[tokio::test]
async fn broken_components_are_refused_or_can_be_used() -> Result<()> {
    let ground = Ground::new().await?;
    let target = target("plugin").context("the target")?;
    let corpus = Corpus::of(target)?;
    let mutator = Mutator::new(target, &corpus, 3);
    let (mut refused, mut used) = (Vec::new(), 0);
    for number in 0..CASES {
        let text = ground.text(&mutator.case(number), "tool: guest.go", "")?;
        match ground.scene.workflow(&text).await {
            Err(error) => {
                let error = error.to_string();
                ensure!(error.contains("guest"), "case {number}: the plugin is not named: {error}");
                ensure!(error.len() < 20_000, "case {number}: {} bytes of error", error.len());
                refused.push(error);
            }
            Ok(workflow) => {
                let started =
                    ground.scene.engine.start(&workflow, json!({}), pawl_engine::StartOptions::default());
                let header = ground.scene.ended(started.await?).await?;
                ensure!(header.status.is_final(), "case {number}: {header:?}");
                used += 1;
            }
        }
    }
    ensure!(!refused.is_empty() && used > 0, "{used} used, {} refused: {refused:#?}", refused.len());
    ground.goes_on().await?;
    ground.scene.holds(0).await
}
