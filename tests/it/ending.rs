//! The end of an engine: what the store has in hand is waited for, and told.

use std::pin::pin;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use pawl_core::view::Status;
use pawl_engine::{AgentPart, AgentWork, Component, ManualClock, StandIn, ToolWork};
use pawl_sandbox::{AgentHost, ToolEnd};
use pawl_store::memory::MemoryStore;
use pawl_tests::{BEGIN, Scene, patiently};
use serde_json::json;
use tokio::sync::watch;

use crate::failing::Failing;
use crate::trouble::PAY;

/// So often everything else of the test's one thread gets its turn: far more often than the engine needs
/// to end.
const TURNS: usize = 100;

#[tokio::test]
async fn whoever_waits_for_a_commit_is_told_of_it_before_the_engine_ends() -> Result<()> {
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    store.halt(Some(run));
    let commits = store.commits();
    let ending = async {
        store.committing(commits + 1).await?;
        let mut ended = pin!(scene.engine.shut_down());
        for _ in 0..TURNS {
            tokio::select! {
                biased;
                ended = &mut ended => bail!("it ended while the store had a commit in hand: {ended:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        store.halt(None);
        Ok(patiently("the engine's end", ended).await??)
    };
    let (answered, ended) = tokio::join!(scene.answer(&approval, "approve", json!({})), ending);
    ended?;
    ensure!(answered.is_ok(), "the decision is durable, and whoever made it hears so: {answered:?}");

    let next = Scene::on(store, scene.clock.clone(), |_| {}).await?;
    // The payment that the decision allowed had begun; how it ended, nobody heard.
    let asked = next.asked(run).await?;
    ensure!(asked != approval, "another engine goes on from the decision");
    Ok(())
}

const TWO_STEPS: &str = "
pawl: 1
workflow: two
version: 1.0.0
steps:
  - { id: first, tool: echo.say, with: { text: one } }
  - { id: second, tool: echo.say, with: { text: two } }
outputs: { text: '${{ steps.second.output.text }}' }
";

/// Lets tools begin, and end when the test says so.
#[derive(Debug)]
struct Held {
    begun: watch::Sender<u32>,
    held: watch::Sender<bool>,
}

#[async_trait]
impl StandIn for Held {
    async fn tool(&self, _: ToolWork<'_>, component: Component<'_, ToolEnd>) -> ToolEnd {
        self.begun.send_modify(|begun| *begun += 1);
        // The sender is this one's own.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        component.await
    }

    async fn agent(&self, _: AgentWork<'_>, host: Box<dyn AgentHost>) -> AgentPart {
        AgentPart::Component(host)
    }
}

#[tokio::test]
async fn an_engine_that_is_drained_ends_what_is_under_way_and_begins_nothing() -> Result<()> {
    let store = Arc::new(MemoryStore::new());
    let tools = Arc::new(Held { begun: watch::Sender::new(0), held: watch::Sender::new(true) });
    let stand_in = Arc::clone(&tools);
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |config| {
        config.stand_in = Some(stand_in);
    })
    .await?;
    let run = scene.start(TWO_STEPS, json!({})).await?;
    let mut begun = tools.begun.subscribe();
    patiently("the first step", begun.wait_for(|begun| *begun == 1)).await??;
    let mut drained = pin!(scene.engine.drain());
    for _ in 0..TURNS {
        tokio::select! {
            biased;
            drained = &mut drained => bail!("a step is under way: {drained:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    // What comes meanwhile is accepted, and waits.
    let other = scene.start(TWO_STEPS, json!({})).await?;
    tools.held.send_replace(false);
    patiently("the end of the first step", drained).await??;
    ensure!(*begun.borrow() == 1, "the second step does not begin, nor the other run");
    let events = scene.events(run).await?;
    ensure!(events.iter().any(|event| event.name() == "step-completed"), "{events:?}");
    scene.engine.shut_down().await?;

    let next = Scene::on(store, scene.clock.clone(), |config| config.stand_in = Some(tools)).await?;
    next.engine.recover().await?;
    for run in [run, other] {
        ensure!(next.ended(run).await?.status == Status::Completed);
    }
    ensure!(*begun.borrow() == 4, "the first step is not done again");
    Ok(())
}
