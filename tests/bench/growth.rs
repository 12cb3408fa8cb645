//! What a run costs in a store that is full, and how many bytes it leaves there.
//!
//! `cargo bench --workspace --bench growth [-- RUNS]`
//!
//! Runs of three tool steps, one after the other and many at once, in a store with 10,000 events and in one
//! with 1,000,000, which are the journals of such runs with ids of their own. On the default store in a
//! temporary folder.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_core::view::{RunHeader, Status};
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_tests::{Pattern, at_ms, cpu_time};
use serde_json::json;
use tokio::task::JoinSet;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKFLOW: &str = "
pawl: 1
workflow: three-steps
version: 1.0.0
inputs: { text: string }
steps:
  - { id: first, tool: echo.say, with: { text: '${{ inputs.text }}' } }
  - { id: second, tool: echo.say, with: { text: '${{ steps.first.output.text }}' } }
  - { id: third, tool: echo.say, with: { text: '${{ steps.second.output.text }}' } }
outputs:
  text: ${{ steps.third.output.text }}
";
const STEPS: usize = 3;
const EVENTS: [usize; 2] = [10_000, 1_000_000];
const RUNS: usize = 20_000;
const AT_ONCE: usize = 64;
/// Rounds that alternate between the two stores, so that both meet the same moments of the machine.
const ROUNDS: usize = 4;
/// How much dearer a run may be among many events.
const AIM: f64 = 1.2;

fn main() -> Result<()> {
    let runs = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(runs))
}

/// A store with so many events, and what runs on it cost.
struct Filled {
    engine: Engine,
    workflow: Arc<Workflow>,
    events: usize,
    took: Vec<Duration>,
    cpu: Duration,
    elapsed: Duration,
    _folder: tempfile::TempDir,
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
async fn measure(runs: usize) -> Result<()> {
    let mut stores = Vec::new();
    for events in EVENTS {
        stores.push(Filled::open(events).await?);
    }
    for _ in 0..ROUNDS {
        for store in &mut stores {
            store.round(runs / ROUNDS).await?;
        }
    }
    print("three-step runs in a store with so many events, on lmdb");
    print(&format!("{:>9} | {:>8} {:>9} {:>9} {:>12}", "events", "runs/s", "p50 ms", "p99 ms", "CPU µs/run"));
    let mut each = Vec::new();
    for store in &mut stores {
        store.took.sort_unstable();
        let count = store.took.len() as f64;
        let cpu = store.cpu.as_secs_f64() * 1e6 / count;
        each.push(cpu);
        print(&format!(
            "{:>9} | {:>8.0} {:>9.2} {:>9.2} {cpu:>12.1}",
            store.events,
            count / store.elapsed.as_secs_f64(),
            at_ms(&store.took, 50),
            at_ms(&store.took, 99),
        ));
    }
    let ratio = each[1] / each[0];
    let holds = if ratio <= AIM { "holds" } else { "is missed" };
    print(&format!("a run among many events costs {ratio:.2} times as much; the aim of {AIM} {holds}"));
    stores[1].sizes().await
}

impl Filled {
    async fn open(events: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
        let engine = Engine::open(store, EngineConfig::default()).await?;
        let workflow = engine.prepare_workflow("three-steps.yaml", WORKFLOW, Path::new(".")).await?;
        let mut filled = Self {
            engine,
            workflow: Arc::new(workflow),
            events,
            took: Vec::new(),
            cpu: Duration::ZERO,
            elapsed: Duration::ZERO,
            _folder: folder,
        };
        let run = filled.engine.start(&filled.workflow, json!({ "text": "to and fro" }), options()).await?;
        let last = filled.engine.settled(run).await?;
        let first = RunHeader { status: Status::Running, outputs: None, ..last };
        let pattern = Pattern::of(&filled.engine, run, first).await?;
        pattern.fill(filled.engine.store().as_ref(), events / pattern.events(), |_| None).await?;
        filled.round(AT_ONCE * 8).await?;
        (filled.took, filled.cpu, filled.elapsed) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        Ok(filled)
    }

    /// So many runs, a few at once all the time.
    async fn round(&mut self, runs: usize) -> Result<()> {
        let (cpu, begun) = (cpu_time(), Instant::now());
        let mut workers: JoinSet<Result<Vec<Duration>>> = JoinSet::new();
        for worker in 0..AT_ONCE {
            let (engine, workflow) = (self.engine.clone(), Arc::clone(&self.workflow));
            let some = runs / AT_ONCE + usize::from(worker < runs % AT_ONCE);
            workers.spawn(async move {
                let mut took = Vec::with_capacity(some);
                for _ in 0..some {
                    let begun = Instant::now();
                    let run = engine.start(&workflow, json!({ "text": "to and fro" }), options()).await?;
                    let header = engine.settled(run).await?;
                    ensure!(header.status == Status::Completed, "the run is {header:?}");
                    took.push(begun.elapsed());
                }
                Ok(took)
            });
        }
        while let Some(worker) = workers.join_next().await {
            self.took.extend(worker??);
        }
        self.cpu += cpu_time().saturating_sub(cpu);
        self.elapsed += begun.elapsed();
        Ok(())
    }

    /// How many bytes a step takes, in the store and as JSON.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    async fn sizes(&self) -> Result<()> {
        let run = self.engine.start(&self.workflow, json!({ "text": "to and fro" }), options()).await?;
        self.engine.settled(run).await?;
        let encoded: usize = self.engine.store().journal(run, 1).await?.iter().map(Vec::len).sum();
        let envelopes = self.engine.history(run).await?.envelopes;
        let json: usize = envelopes.iter().map(pawl_core::json_bytes).sum();
        let runs = self.events as f64 / envelopes.len() as f64 + self.took.len() as f64;
        let bytes = self.engine.store().info().await.context("the store's size")?.bytes as f64;
        let steps = STEPS as f64;
        print(&format!(
            "bytes per step: {:.0} on disk, with headers, indexes and free pages; its events {:.0}, as JSON {:.0}",
            bytes / runs / steps,
            encoded as f64 / steps,
            json as f64 / steps,
        ));
        Ok(())
    }
}

fn options() -> StartOptions {
    StartOptions::default()
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn print(line: &str) {
    println!("{line}");
}
