//! The end of an engine: what the store has in hand is waited for, and told.

use std::pin::pin;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use pawl_engine::ManualClock;
use pawl_tests::{BEGIN, Scene, patiently};
use serde_json::json;

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
