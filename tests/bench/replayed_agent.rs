//! How long an agent takes to be back where it was, with 1,000 recorded calls.
//!
//! `cargo bench --workspace --bench replayed_agent [-- ROUNDS]`
//!
//! In each round an agent calls a tool again and again, and the engine is stopped as a crash would stop
//! it once so many calls are recorded. Another engine takes the run up on the same store, the default one in
//! a temporary folder. Measured is the time until the next call is recorded: the journal is read and
//! folded, a new instance goes through the recorded calls, a tool is called, and its answer is committed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pawl_core::event::Event;
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::Store;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use serde_json::json;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKFLOW: &str = "
pawl: 1
workflow: long
version: 1.0.0
inputs: { times: integer }
plugins: { script: ./guests/script.wasm }
permissions: { tools: [orders.lookup], agents: [script], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    with: { times: '${{ inputs.times }}', steps: [{ tool: { tool: orders.lookup, with: { id: A-1002 } } }] }
";
const CALLS: usize = 1_000;
/// Of more calls than are waited for, so that the agent is always stopped in their midst.
const TIMES: usize = 5_000;
const ROUNDS: usize = 10;
/// What the project wants to stay below.
const AIM: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
    let engine = Engine::open(Arc::clone(&store), EngineConfig::default()).await?;
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workflow = engine.prepare_workflow("long.yaml", WORKFLOW, base).await?;
    let few = times(&engine, &store, &workflow, 1, rounds).await?;
    let many = times(&engine, &store, &workflow, CALLS, rounds).await?;
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        println!(
            "an agent with recorded calls, from the start of another engine to its next recorded call, ms"
        );
        println!("{:>6} | {:>7} {:>7} | of which reading the journal", "calls", "p50", "max");
        for Back { calls, took, read } in [&few, &many] {
            println!(
                "{calls:>6} | {:>7.2} {:>7.2} | {:.2}",
                ms(middle(took)),
                ms(took[took.len() - 1]),
                ms(middle(read))
            );
        }
        let holds = if middle(&many.took) < AIM { "holds" } else { "is missed" };
        println!("the aim of {} ms {holds}", AIM.as_millis());
    }
    Ok(())
}

/// How long it took to come back, and to read the journal alone, the shortest first.
struct Back {
    /// The most calls that were recorded.
    calls: usize,
    took: Vec<Duration>,
    read: Vec<Duration>,
}

async fn times(
    engine: &Engine,
    store: &Arc<dyn Store>,
    workflow: &Workflow,
    calls: usize,
    rounds: usize,
) -> Result<Back> {
    let mut back = Back { calls: 0, took: Vec::new(), read: Vec::new() };
    for _ in 0..rounds.max(1) {
        let first = engine.beside(Arc::clone(store), EngineConfig::default());
        let run = first.start(workflow, json!({ "times": TIMES }), StartOptions::default()).await?;
        let (mut follower, mut recorded) = (first.follow(run, 1), 0);
        while recorded < calls {
            let event = follower.next().await?.event;
            recorded += usize::from(matches!(event, Event::CallCompleted { .. }));
        }
        drop(follower);
        first.shut_down().await?;
        let since = Instant::now();
        let history = engine.history(run).await.context("the journal")?;
        back.read.push(since.elapsed());
        let done = history.envelopes.iter().filter(|at| matches!(at.event, Event::CallCompleted { .. }));
        back.calls = back.calls.max(done.count());
        let since = Instant::now();
        let second = engine.beside(Arc::clone(store), EngineConfig::default());
        second.take_up(run).await?;
        second.follow_after(run, history.head).next().await?;
        back.took.push(since.elapsed());
        second.shut_down().await?;
    }
    back.took.sort_unstable();
    back.read.sort_unstable();
    Ok(back)
}

fn middle(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
