//! How long an agent takes to be back where it was, with 1,000 recorded calls.
//!
//! `cargo bench -p pawl-tests --bench replayed_agent [-- ROUNDS]`
//!
//! Each round is a run of an agent that calls a tool 1,000 times, one call after the other, and then
//! asks a person. Its state and its instance are gone while it waits. Measured is the time from the
//! answer to the end of the run: the journal is read and folded, the decision is committed, a new
//! instance goes through the 1,000 calls, and the end is committed. The store is the default one in a
//! temporary folder.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Actor;
use pawl_core::view::{Status, Waiting};
use pawl_engine::{Answer, Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use serde_json::{Value, json};

const WORKFLOW: &str = "
pawl: 1
workflow: long
version: 1.0.0
inputs: { steps: array }
plugins: { script: ./guests/script.wasm }
permissions: { tools: [orders.lookup], agents: [script], signals: [go], human: true, memory: true, timers: true }
steps:
  - id: go
    agent: script
    with: { steps: '${{ inputs.steps }}' }
";
const CALLS: u32 = 1_000;
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
    let store = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
    let engine = Engine::open(store, EngineConfig::default()).await?;
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workflow = engine.prepare_workflow("long.yaml", WORKFLOW, base).await?;
    let (none, _) = times(&engine, &workflow, 0, rounds).await?;
    let (all, read) = times(&engine, &workflow, CALLS, rounds).await?;
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        println!(
            "an agent with recorded calls, from the answer that it waited for to the end of its run, ms"
        );
        println!("{:>6} | {:>7} {:>7} | of which reading the journal", "calls", "p50", "max");
        for (calls, took, read) in [(0, &none, None), (CALLS, &all, Some(read))] {
            let read = read.map(|read| format!("{:.2}", ms(read))).unwrap_or_default();
            println!("{calls:>6} | {:>7.2} {:>7.2} | {read}", ms(middle(took)), ms(took[took.len() - 1]));
        }
        let call = (middle(&all).saturating_sub(middle(&none))) / CALLS;
        let holds = if middle(&all) < AIM { "holds" } else { "is missed" };
        println!("a call: {:.2} µs; the aim of {} ms {holds}", call.as_secs_f64() * 1e6, AIM.as_millis());
    }
    Ok(())
}

/// How long each round took, the shortest first, and how long it takes to read the journal alone.
async fn times(
    engine: &Engine,
    workflow: &Workflow,
    calls: u32,
    rounds: usize,
) -> Result<(Vec<Duration>, Duration)> {
    let (mut took, mut read) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let look_up = json!({ "tool": { "tool": "orders.lookup", "with": { "id": "A-1002" } } });
        let mut steps: Vec<Value> = (0..calls).map(|_| look_up.clone()).collect();
        steps.push(json!({ "ask": "Go on?" }));
        let run = engine.start(workflow, json!({ "steps": steps }), StartOptions::default()).await?;
        let header = engine.settled(run).await?;
        let Some(Waiting::Approval { approval, .. }) = header.waiting else {
            anyhow::bail!("the run does not wait for a person: {header:?}");
        };
        let since = Instant::now();
        let history = engine.history(run).await.context("the journal")?;
        read.push(since.elapsed());
        ensure!(history.head.seq >= u64::from(calls), "{} events", history.head.seq);
        let by = Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "bench".into() };
        let answer = Answer { action: "approve".into(), data: Value::Null, by, comment: None };
        let since = Instant::now();
        engine.answer(&approval, answer).await?;
        let header = engine.settled(run).await?;
        took.push(since.elapsed());
        ensure!(header.status == Status::Completed, "the run is {header:?}");
    }
    took.sort_unstable();
    read.sort_unstable();
    Ok((took, middle(&read)))
}

fn middle(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
