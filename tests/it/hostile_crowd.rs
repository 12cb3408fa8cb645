//! Others go on while guests rage. How fast, `cargo bench --bench hostile` measures.

use std::sync::Arc;

use anyhow::{Result, ensure};
use pawl_core::view::Status;
use pawl_engine::StartOptions;
use pawl_sandbox::Limits;
use pawl_tests::{Scene, patiently};
use pawl_wat::{Guest, agent, tool};
use serde_json::Value;

use crate::attack::{AGENTS_GRANTS, Ground};

/// Raging guests: two for each of the two threads that there are.
const GUESTS: usize = 4;
/// How much time of its own each takes. All of them together keep both threads busy for twice as long, on
/// any machine, and longer on one that is busy with something else.
const RAGE_MS: u64 = 4_000;
/// Runs of three steps, one after the other, that must have ended long before.
const GOOD_RUNS: usize = 5;

const GOOD: &str = "pawl: 1\nworkflow: good\nversion: 1.0.0\nsteps:\n\
    \x20 - { id: a, tool: echo.say, with: { text: hi } }\n\
    \x20 - { id: b, tool: echo.say, with: { text: hi } }\n\
    \x20 - { id: c, tool: echo.say, with: { text: hi } }\n";

/// Runs that are well-behaved begin and end while all of these go on.
async fn others_go_on(guest: &Guest, step: &str, grants: &str) -> Result<()> {
    let ground = Ground::with(|config| {
        config.limits = Limits { guest_time_max_ms: RAGE_MS, ..Limits::default() };
    })
    .await?;
    let ground = Arc::new(ground);
    let scene = &ground.scene;
    let workflow = scene.workflow(GOOD).await?;
    let hostile = scene.workflow(&ground.text(&guest.build(), step, grants)?).await?;
    // Once before, so that everything is compiled and warm.
    one(scene, &workflow).await?;
    let mut raging = tokio::task::JoinSet::new();
    for _ in 0..GUESTS {
        let run = scene.engine.start(&hostile, Value::Null, StartOptions::default()).await?;
        scene.named(run, "attempt-started").await?;
        let ground = Arc::clone(&ground);
        raging.spawn(async move { ground.scene.ended(run).await });
    }
    for number in 0..GOOD_RUNS {
        one(scene, &workflow).await?;
        ensure!(raging.try_join_next().is_none(), "a guest had its time before run {number} had ended");
    }
    while let Some(ended) = raging.join_next().await {
        let error = ended??.error.map(|failure| failure.message).unwrap_or_default();
        ensure!(error.contains("guest_time_max_ms"), "{error}");
    }
    scene.holds(0).await
}

async fn one(scene: &Scene, workflow: &pawl_engine::Workflow) -> Result<()> {
    let run = scene.engine.start(workflow, Value::Null, StartOptions::default()).await?;
    let header = patiently("the end of a good run", scene.engine.settled(run)).await??;
    ensure!(header.status == Status::Completed, "{:?}", header.error);
    Ok(())
}

const LOOP: &str = "(loop $again (br $again)) unreachable";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_end_while_loops_of_tools_go_on() -> Result<()> {
    others_go_on(&tool(LOOP), "tool: guest.go", "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_end_while_agents_read_the_clock_for_ever() -> Result<()> {
    let guest = agent("(loop $again (drop (call $now)) (br $again)) unreachable").import(
        "pawl:plugin/clock@0.1.0",
        "now",
        "(result i64)",
    );
    others_go_on(&guest, "agent: guest", AGENTS_GRANTS).await
}
