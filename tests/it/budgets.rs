//! Budgets, from the workflow's text to the question whether there shall be more, with the shipped assistant.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::budget::Dimension;
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{Failure, RunId};
use pawl_engine::{EngineError, ManualClock};
use pawl_models::{Models, Profiles};
use pawl_tests::{BEGIN, Disk, Scene};
use serde_json::json;

/// A model that looks three orders up, one after the other, and then answers.
const SCRIPT: &str = "
rules:
  - { when: { turn: 0 }, calls: [{ tool: orders.lookup, arguments: { id: A-1001 } }], usage: { input: 100, output: 50 } }
  - { when: { turn: 1 }, calls: [{ tool: orders.lookup, arguments: { id: A-1002 } }], usage: { input: 200, output: 50 } }
  - { when: { turn: 2 }, calls: [{ tool: orders.lookup, arguments: { id: A-1003 } }], usage: { input: 300, output: 50 } }
  - { when: { turn: 3 }, reply: All three are there., usage: { input: 400, output: 50 } }
";
const PRICED: &str =
    "models: { default: { provider: scripted, script: s.yaml, price: { input: 1000, output: 2000 } } }";
const UNPRICED: &str = "models: { default: { provider: scripted, script: s.yaml } }";

fn models(operator: &str) -> Result<Arc<dyn Models>> {
    let operator = pawl_core::source::operator::load("pawl.yaml", operator)?;
    let read = |_: &std::path::Path| Ok(SCRIPT.to_owned());
    Ok(Arc::new(Profiles::new(&operator, std::path::Path::new("."), read)?))
}

/// A workflow with the assistant, and the budget of its step.
fn text(budget: &str) -> String {
    format!(
        "
pawl: 1
workflow: spends
version: 1.0.0
permissions: {{ models: [default], tools: [orders.lookup] }}
steps:
  - id: think
    agent: assistant
    with: {{ task: Where are they? }}
    budget: {budget}
outputs: {{ answer: '${{{{ steps.think.output.answer }}}}' }}
"
    )
}

async fn used(scene: &Scene, run: RunId, dimension: Dimension) -> Result<u64> {
    let history = scene.engine.history(run).await?;
    let meter = history.state.budgets().next().context("a budget")?.1;
    Ok(meter.used.used(dimension))
}

async fn scene(operator: &str) -> Result<Scene> {
    let models = models(operator)?;
    Scene::with(|config| config.models = Some(models)).await
}

#[tokio::test]
async fn an_agent_that_has_used_up_its_calls_goes_on_when_it_gets_more() -> Result<()> {
    let scene = scene(UNPRICED).await?;
    let run = scene.start(&text("{ tokens: 100000, tool_calls: 2 }"), json!({})).await?;
    let approval = scene.asked(run).await?;
    let waits = scene.settled(run).await?;
    ensure!(waits.status == Status::Waiting, "{waits:?}");
    assert_eq!(used(&scene, run, Dimension::ToolCalls).await?, 2);
    assert_eq!(used(&scene, run, Dimension::Tokens).await?, 150 + 250 + 350);
    let refused = scene.answer(&approval, "raise", json!({})).await;
    ensure!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
    scene.answer(&approval, "raise", json!({ "tool_calls": 1 })).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.outputs.context("outputs")?["answer"], "All three are there.");
    assert_eq!(used(&scene, run, Dimension::ModelCalls).await?, 4, "what was asked is not asked again");
    assert_eq!(used(&scene, run, Dimension::Tokens).await?, 150 + 250 + 350 + 450);
    let events = scene.events(run).await?;
    let warned = events.iter().filter(|event| matches!(event, Event::BudgetWarned(_))).count();
    assert_eq!(warned, 1);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_gets_no_more_fails_with_its_own_kind() -> Result<()> {
    let scene = scene(UNPRICED).await?;
    let run = scene.start(&text("{ model_calls: 2 }"), json!({})).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "end", json!({})).await?;
    let Failure { kind, message, .. } = scene.ended(run).await?.error.context("a failure")?;
    assert_eq!(kind.name(), "budget");
    ensure!(message.contains("model_calls: step 'think' has used 2 of 2"), "{message}");
    Ok(())
}

#[tokio::test]
async fn money_is_counted_with_the_price_of_the_day_and_a_model_without_one_is_refused() -> Result<()> {
    let scene_without = scene(UNPRICED).await?;
    let Err(EngineError::Definition(problems)) = scene_without.workflow(&text("{ money: 1 }")).await else {
        anyhow::bail!("a model without a price was taken")
    };
    let shown = problems.to_string();
    ensure!(shown.contains("P0507") && shown.contains("'default'"), "{shown}");

    let scene = scene(PRICED).await?;
    let run = scene.start(&text("{ money: 0.5 }"), json!({})).await?;
    let header = scene.settled(run).await?;
    ensure!(header.status == Status::Waiting, "{:?}: {:?}", header.status, header.error);
    // A thousandth for each token that is read, two for each that is written.
    let spent = used(&scene, run, Dimension::Money).await?;
    ensure!(spent <= 500_000, "{spent}");
    assert_eq!(spent % 100_000, 0, "{spent}");
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "raise", json!({ "money": 20.5 })).await?;
    scene.ended(run).await?;
    assert_eq!(used(&scene, run, Dimension::Money).await?, (1_000 + 2 * 200) * 1_000);
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_for_more_survives_its_process() -> Result<()> {
    let disk = Disk::new()?;
    let given = models(UNPRICED)?;
    let first =
        Scene::on(disk.open().await?, ManualClock::new(BEGIN), |config| config.models = Some(given)).await?;
    let run = first.start(&text("{ calls: 3 }"), json!({})).await?;
    let approval = first.asked(run).await?;
    let clock = first.stop().await?;
    let given = models(UNPRICED)?;
    let second = Scene::on(disk.open().await?, clock, |config| config.models = Some(given)).await?;
    second.engine.recover().await?;
    second.answer(&approval, "raise", json!({ "calls": 10 })).await?;
    let header = second.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    assert_eq!(used(&second, run, Dimension::Calls).await?, 4 + 3);
    second.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_run_that_a_step_starts_spends_what_its_parent_has() -> Result<()> {
    let scene = scene(UNPRICED).await?;
    let outer = "
pawl: 1
workflow: outer
version: 1.0.0
workflows: { part: ./workflows/parts/budget-part.yaml }
permissions: { tools: [orders.lookup] }
budget: { tool_calls: 3 }
steps:
  - { id: own, tool: orders.lookup, with: { id: A-1001 } }
  - { id: part, workflow: part }
";
    let run = scene.start(outer, json!({})).await?;
    let header = scene.ended(run).await?;
    assert_eq!(header.status, Status::Completed, "{:?}", header.error);
    assert_eq!(used(&scene, run, Dimension::ToolCalls).await?, 3);
    let events = scene.events(run).await?;
    let child = events.iter().find_map(|event| match event {
        Event::ChildStarted { child, allowance, .. } => Some((*child, allowance.clone())),
        _ => None,
    });
    let (child, allowance) = child.context("a child")?;
    assert_eq!(allowance.get(Dimension::ToolCalls), Some(2));
    assert_eq!(used(&scene, child, Dimension::ToolCalls).await?, 2);
    Ok(())
}
