//! What runs that wait cost: 100,000 that wait for a person, and 1,000,000 timers.
//!
//! `cargo bench --workspace --bench waiting [-- APPROVALS TIMERS]`
//!
//! The store is filled with the journals of real runs, with ids of their own. Then a process that was just
//! started opens it, as `pawl resume` does: how long until it is ready, how much memory it has then, and how
//! long one answer takes until its run has ended. Beside timers, runs of one tool step are measured with and
//! without them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_core::Timestamp;
use pawl_core::event::Actor;
use pawl_core::view::Status;
use pawl_engine::{Answer, Engine, EngineConfig, StartOptions};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::{ApprovalFilter, Page};
use pawl_tests::{Pattern, at_ms, cpu_time, memory_mib};
use serde_json::{Value, json};

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const APPROVALS: usize = 100_000;
const TIMERS: usize = 1_000_000;
/// Names the row that this process measures, and the folder that it measures on.
const ROW: &str = "PAWL_BENCH_ROW";
const FOLDER: &str = "PAWL_BENCH_FOLDER";
const ANSWERS: usize = 20;
const STEPS: usize = 3_000;
/// Rounds that alternate between the stores with and without timers.
const ROUNDS: usize = 4;
/// A timer that no benchmark waits for.
const LATER: Timestamp = Timestamp(4_000_000_000_000);

const ASKING: &str = "steps: [{ id: ask, human: { title: Well? } }]";
const SLEEPING: &str = "steps: [{ id: sleep, wait: 900d }]";
const STEP: &str = "steps: [{ id: say, tool: echo.say, with: { text: hi } }]";

/// What the project wants to stay below: MiB, seconds, milliseconds, and how much dearer a step may be.
const AIM_MIB: u64 = 150;
const AIM_READY: Duration = Duration::from_secs(3);
const AIM_ANSWER_MS: f64 = 20.0;
const AIM_RATIO: f64 = 1.2;

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let (approvals, timers) = (numbers.next().unwrap_or(APPROVALS), numbers.next().unwrap_or(TIMERS));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match (std::env::var(ROW).as_deref(), folder) {
        (Ok("ready"), Some(folder)) => runtime.block_on(ready(&folder)),
        (Ok("fill"), Some(folder)) => runtime.block_on(fill(&folder, approvals, ASKING)),
        (Ok("timers"), Some(folder)) => runtime.block_on(beside(&folder, timers)),
        _ => {
            let folder = tempfile::tempdir()?;
            for row in ["fill", "ready", "timers"] {
                let mut program = std::process::Command::new(std::env::current_exe()?);
                program.args([approvals.to_string(), timers.to_string()]);
                let status = program.env(ROW, row).env(FOLDER, folder.path()).status()?;
                ensure!(status.success(), "{row} failed");
            }
            Ok(())
        }
    }
}

async fn open(folder: &Path) -> Result<Engine> {
    let store = Arc::new(LmdbStore::open(folder, LmdbOptions::default())?);
    Ok(Engine::open(store, EngineConfig::default()).await?)
}

fn text(name: &str, steps: &str) -> String {
    format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\n{steps}\n")
}

/// Fills a store with runs that wait as a real one does.
async fn fill(folder: &Path, count: usize, steps: &str) -> Result<()> {
    let engine = open(folder).await?;
    let workflow = engine.prepare_workflow("waits.yaml", &text("waits", steps), Path::new(".")).await?;
    if steps == ASKING {
        // Each has an approval with an id of its own, so these are started one by one.
        let mut starts = tokio::task::JoinSet::new();
        let workflow = Arc::new(workflow);
        for _ in 0..count {
            let (engine, workflow) = (engine.clone(), Arc::clone(&workflow));
            starts.spawn(async move { engine.start(&workflow, Value::Null, StartOptions::default()).await });
            if starts.len() >= 1_024 {
                starts.join_next().await.context("a start")???;
            }
        }
        while let Some(started) = starts.join_next().await {
            started??;
        }
        return Ok(engine.shut_down().await?);
    }
    let run = engine.start(&workflow, Value::Null, StartOptions::default()).await?;
    let mut header = engine.store().run(run).await?.context("a header")?;
    while header.wake_at.is_none() {
        engine.follow(run, header.head.seq + 1).next().await?;
        header = engine.store().run(run).await?.context("a header")?;
    }
    let pattern = Pattern::of(&engine, run, header).await?;
    let wake_at = |number: usize| Some(Timestamp(LATER.0 + number as u64));
    pattern.fill(engine.store().as_ref(), count, wake_at).await?;
    engine.shut_down().await?;
    Ok(())
}

async fn ready(folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let engine = open(folder).await?;
    let taken_up = engine.recover().await?;
    let took = begun.elapsed();
    let resident = memory_mib("VmRSS")?;
    let page = Page { after: None, limit: 1_000 };
    let open = engine.store().approvals(&ApprovalFilter::default(), &page).await?.approvals;
    let mut answers = Vec::new();
    for approval in open.iter().take(ANSWERS) {
        let begun = Instant::now();
        let by = Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "bench".into() };
        let answer = Answer { action: "approve".into(), data: json!({}), by, comment: None };
        let run = engine.answer(&approval.id, answer).await?;
        let header = engine.settled(run).await?;
        answers.push(begun.elapsed());
        ensure!(header.status == Status::Completed, "the run is {header:?}");
    }
    answers.sort_unstable();
    let (p50, max) = (at_ms(&answers, 50), at_ms(&answers, 100));
    let holds = resident < AIM_MIB && took < AIM_READY && max < AIM_ANSWER_MS;
    print(&format!(
        "runs that wait for a person: ready after {:.1} ms with {resident} MiB resident and {} runs under way; \
         an answer takes its run to its end in p50 {p50:.2} ms, max {max:.2} ms",
        took.as_secs_f64() * 1e3,
        taken_up.len(),
    ));
    print(&format!(
        "the aims of {AIM_MIB} MiB, {} s and {AIM_ANSWER_MS} ms {}",
        AIM_READY.as_secs(),
        verdict(holds)
    ));
    Ok(())
}

/// Runs of one step on a store with so many timers, and on one without.
async fn beside(folder: &Path, timers: usize) -> Result<()> {
    let folders = [folder.join("none"), folder.join("many")];
    fill(&folders[1], timers, SLEEPING).await?;
    let mut engines = Vec::new();
    for folder in &folders {
        let engine = open(folder).await?;
        engine.recover().await?;
        let workflow = engine.prepare_workflow("step.yaml", &text("step", STEP), Path::new(".")).await?;
        engines.push((engine, workflow, Vec::new(), Duration::ZERO));
    }
    for round in 0..=ROUNDS {
        for (engine, workflow, took, spent) in &mut engines {
            let cpu = cpu_time();
            for _ in 0..STEPS / ROUNDS {
                let begun = Instant::now();
                let run = engine.start(workflow, Value::Null, StartOptions::default()).await?;
                let header = engine.settled(run).await?;
                ensure!(header.status == Status::Completed, "the run is {header:?}");
                took.push(begun.elapsed());
            }
            *spent += cpu_time().saturating_sub(cpu);
            if round == 0 {
                (*took, *spent) = (Vec::new(), Duration::ZERO);
            }
        }
    }
    let mut p50 = Vec::new();
    for (_, _, took, _) in &mut engines {
        took.sort_unstable();
        p50.push(at_ms(took, 50));
    }
    let (ratio, cpu) = (p50[1] / p50[0], engines[1].3.as_secs_f64() / engines[0].3.as_secs_f64());
    print(&format!(
        "{timers} timers: a run of one step p50 {:.2} ms, without them {:.2} ms: {ratio:.2} times, CPU {cpu:.2} times; \
         the aim of {AIM_RATIO} {}",
        p50[1],
        p50[0],
        verdict(ratio < AIM_RATIO && cpu < AIM_RATIO)
    ));
    Ok(())
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "is missed" }
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn print(line: &str) {
    println!("{line}");
}
