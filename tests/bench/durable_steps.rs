//! How many durable three-step runs a second, and what bounds them.
//!
//! `cargo bench --workspace --bench durable_steps [-- SECONDS]`
//!
//! Each run is three tool steps, each a call into a sandboxed component, on the
//! default store in a temporary folder: four durable commits. As many commits
//! as all these runs took, with the bytes of a real run and its changes of the
//! header, four one after the other, are then made on a bare store, in the same
//! process on the same disk, so that a row can be read as a ratio.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pawl_core::RunId;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{RunHeader, Status};
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::{Batch, RunCommit, Store};
use pawl_tests::{at_ms, cores, cpu_time};
use serde_json::json;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKFLOW: &str = "
pawl: 1
workflow: three-steps
version: 1.0.0
inputs: { text: string }
steps:
  - id: first
    tool: echo.say
    with: { text: \"${{ inputs.text }}\" }
  - id: second
    tool: echo.say
    with: { text: \"${{ steps.first.output.text }}\" }
  - id: third
    tool: echo.say
    with: { text: \"${{ steps.second.output.text }}\" }
outputs:
  text: ${{ steps.third.output.text }}
";
const STEPS: u64 = 3;
const COMMITS: u64 = STEPS + 1;
const AT_ONCE: [usize; 3] = [1, 64, 512];
const SECONDS: u64 = 8;

fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(Duration::from_secs(seconds)))
}

async fn measure(span: Duration) -> Result<()> {
    let mut table = String::new();
    writeln!(table, "durable three-step runs on lmdb, {} cores, {} s a row", cores(), span.as_secs())?;
    writeln!(
        table,
        "{:>7} | {:>8} {:>9} {:>9} {:>12} | {:>14} {:>9} {:>9} | {:>6}",
        "at once", "runs/s", "p50 ms", "p99 ms", "CPU µs/step", "bare commits/s", "p50 ms", "p99 ms", "share"
    )?;
    for at_once in AT_ONCE {
        let runs = RunLoop::open().await?;
        let bare = BareRuns::open(runs.recorded().await?)?;
        let runs = Figures::of(Until::Over(span), at_once, runs).await?;
        let bare = Figures::of(Until::Done(runs.done), at_once, bare).await?;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let (steps, factor) = ((runs.done * STEPS) as f64, COMMITS as f64);
        writeln!(
            table,
            "{at_once:>7} | {:>8.0} {:>9.2} {:>9.2} {:>12.1} | {:>14.0} {:>9.2} {:>9.2} | {:>5.0}%",
            runs.rate,
            runs.p50_ms,
            runs.p99_ms,
            runs.cpu.as_secs_f64() * 1e6 / steps,
            bare.rate * factor,
            bare.p50_ms,
            bare.p99_ms,
            100.0 * runs.rate / bare.rate,
        )?;
    }
    write!(
        table,
        "p50 and p99: of a run, and of {COMMITS} bare commits one after the other; share: runs/s, as part of \
         what the bare store does with the same commits"
    )?;
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        println!("{table}");
    }
    Ok(())
}

/// Something done over and over.
trait Work: Send + Sync + 'static {
    fn once(&self) -> impl Future<Output = Result<()>> + Send;
}

/// How long something is done over and over.
#[derive(Debug, Clone, Copy)]
enum Until {
    Over(Duration),
    Done(u64),
}

struct Figures {
    done: u64,
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu: Duration,
}

impl Figures {
    async fn of(until: Until, at_once: usize, work: impl Work) -> Result<Self> {
        let work = Arc::new(work);
        for _ in 0..20 {
            work.once().await?;
        }
        let begins = Arc::new(AtomicU64::new(0));
        let (cpu, begun) = (cpu_time(), Instant::now());
        let workers: Vec<_> = (0..at_once)
            .map(|_| {
                let (work, begins) = (Arc::clone(&work), Arc::clone(&begins));
                let goes_on = move || match until {
                    Until::Over(span) => begun.elapsed() < span,
                    Until::Done(count) => begins.fetch_add(1, Ordering::Relaxed) < count,
                };
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    while goes_on() {
                        let start = Instant::now();
                        work.once().await?;
                        took.push(start.elapsed());
                    }
                    anyhow::Ok(took)
                })
            })
            .collect();
        let mut took = Vec::new();
        for worker in workers {
            took.extend(worker.await??);
        }
        let elapsed = begun.elapsed();
        took.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let rate = took.len() as f64 / elapsed.as_secs_f64();
        Ok(Self {
            done: took.len() as u64,
            rate,
            p50_ms: at_ms(&took, 50),
            p99_ms: at_ms(&took, 99),
            cpu: cpu_time().saturating_sub(cpu),
        })
    }
}

struct RunLoop {
    engine: Engine,
    workflow: Workflow,
    _folder: tempfile::TempDir,
}

impl RunLoop {
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
        let engine = Engine::open(store, EngineConfig::default()).await?;
        let workflow = engine.prepare_workflow("three-steps.yaml", WORKFLOW, Path::new(".")).await?;
        Ok(Self { engine, workflow, _folder: folder })
    }
}

impl Work for RunLoop {
    async fn once(&self) -> Result<()> {
        let inputs = json!({ "text": "to and fro" });
        let run = self.engine.start(&self.workflow, inputs, StartOptions::default()).await?;
        let header = self.engine.settled(run).await?;
        anyhow::ensure!(header.status == Status::Completed, "the run is {header:?}");
        Ok(())
    }
}

impl RunLoop {
    /// What each commit of a run writes: its events, and the header where it is written.
    async fn recorded(&self) -> Result<Vec<(Vec<EncodedEvent>, Option<RunHeader>)>> {
        let run = self.engine.start(&self.workflow, json!({ "text": "to and fro" }), StartOptions::default());
        let run = run.await?;
        let last = self.engine.settled(run).await?;
        let encoded = self.engine.store().journal(run, 1).await?;
        let envelopes = self.engine.history(run).await?.envelopes;
        let mut commits = vec![Vec::new()];
        for (event, envelope) in encoded.into_iter().zip(&envelopes) {
            let ends = envelope.event.name() == "attempt-started";
            commits.last_mut().context("a commit")?.push(event);
            if ends {
                commits.push(Vec::new());
            }
        }
        anyhow::ensure!(commits.len() as u64 == COMMITS, "a run of {} commits", commits.len());
        let first = RunHeader { status: Status::Running, outputs: None, ..last.clone() };
        let mut headers = vec![None; commits.len()];
        headers[0] = Some(first);
        headers[commits.len() - 1] = Some(last);
        Ok(commits.into_iter().zip(headers).collect())
    }
}

/// The commits of runs, and nothing else of them.
struct BareRuns {
    store: LmdbStore,
    commits: Vec<(Vec<EncodedEvent>, Option<RunHeader>)>,
    _folder: tempfile::TempDir,
}

impl BareRuns {
    fn open(commits: Vec<(Vec<EncodedEvent>, Option<RunHeader>)>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = LmdbStore::open(folder.path(), LmdbOptions::default())?;
        Ok(Self { store, commits, _folder: folder })
    }
}

impl Work for BareRuns {
    async fn once(&self) -> Result<()> {
        let run = RunId::new(uuid::Uuid::now_v7());
        let mut expected_seq = 0;
        for (events, header) in &self.commits {
            let header = header.clone().map(|header| RunHeader { id: run, ..header });
            let commit = RunCommit { header, ..RunCommit::new(run, expected_seq, events.clone()) };
            expected_seq += events.len() as u64;
            let batch = Batch { runs: vec![commit], ..Batch::default() };
            self.store.commit(&batch).await.context("a bare commit")?;
        }
        Ok(())
    }
}
