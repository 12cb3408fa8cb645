//! How long a step takes while hostile guests rage beside it.
//!
//! `cargo bench --workspace --bench hostile [-- STEPS]`
//!
//! A well-behaved run of one tool step, from its start to its end on the disk, alone and beside each kind of
//! guest that does its worst: twice as many as there are cores, each begun again when it has ended. The runtime
//! is set up as the `pawl` binary sets up its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pawl_core::view::Status;
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_tests::{at_ms, cores, person};
use pawl_wat::{Guest, agent, text_at, tool};
use serde_json::Value;
use tokio::task::JoinSet;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEPS: usize = 200;
/// No kind is measured longer, however slow it makes the others.
const KIND_MAX: Duration = Duration::from_secs(20);
/// How often guests look whether enough was measured.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// What the project wants a step's p99 to stay below, whatever rages.
const AIM_MS: f64 = 100.0;

const GOOD: &str =
    "pawl: 1\nworkflow: good\nversion: 1.0.0\nsteps: [{ id: say, tool: echo.say, with: { text: hi } }]\n";
const TIMER: &str = "pawl: 1\nworkflow: timer\nversion: 1.0.0\nsteps: [{ id: rest, wait: 1ms }]\n";

/// One kind of guest, and the step that enters it.
struct Kind {
    name: &'static str,
    guest: Guest,
    is_agent: bool,
}

fn endless(calls: &str) -> String {
    format!("(loop $again {calls} (br $again)) unreachable")
}

fn kinds() -> Vec<Kind> {
    let of_tool = |name, guest| Kind { name, guest, is_agent: false };
    let of_agent = |name, guest| Kind { name, guest, is_agent: true };
    let log = |guest: Guest| {
        guest
            .import("pawl:plugin/log@0.1.0", "write", "(param i32 i32 i32)")
            .items(&text_at(2000, "a line that is one of many, and says what it always says"))
    };
    let write = "(call $write (i32.const 1) (i32.const 2000) (i32.const 56))";
    let say = "(call $call (i32.const 2000) (i32.const 8) (i32.const 2016) (i32.const 12) (i32.const 3000))";
    let calls = |body: &str| {
        agent(body)
            .import("pawl:plugin/tools@0.1.0", "call", "(param i32 i32 i32 i32 i32)")
            .items(&text_at(2000, "echo.say"))
    };
    let grow = "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) \
                (memory.fill (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1048576)) (i32.const 7) (i32.const 1048576)) \
                (br $again)) unreachable";
    // Two million numbers, `[0,0,…,0]`, in the second megabyte and behind it.
    let numbers = "(local $at i32) (local.set $at (i32.const 1048576))
        (loop $fill (i32.store16 (local.get $at) (i32.const 0x2c30))
          (br_if $fill (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 2))) (i32.const 5242876))))
        (i32.store8 (i32.const 1048575) (i32.const 0x5b)) (i32.store8 (i32.const 5242875) (i32.const 0x5d))";
    let gives = format!("{numbers} (call $ok (i32.const 1048575) (i32.const 4194301))");
    let broken = "(call $call (i32.const 2000) (i32.const 8) (i32.const 1048575) (i32.const 4194300) (i32.const 3000))";
    vec![
        of_tool("loops", tool(&endless(""))),
        of_tool(
            "loops that read the clock",
            tool(&endless("(drop (call $now))")).import("pawl:plugin/clock@0.1.0", "now", "(result i64)"),
        ),
        of_tool(
            "32 MiB filled at once",
            tool(&endless("(memory.fill (i32.const 131072) (i32.const 7) (i32.const 33554432))")).pages(600),
        ),
        of_tool("memory to its limit", tool(grow)),
        of_tool("logs of tools", log(tool(&endless(write)))),
        of_agent("logs of agents", log(agent(&endless(write)))),
        of_agent("calls of agents", calls(&endless(say)).items(&text_at(2016, "{\"text\":\"a\"}"))),
        of_agent("broken JSON of 4 MiB", calls(&format!("{numbers} {}", endless(broken))).pages(90)),
        of_tool("results of two million numbers", tool(&gives).pages(90)),
    ]
}

fn main() -> Result<()> {
    let steps = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(STEPS);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(every) = std::env::var("EVENTS").ok().and_then(|text| text.parse().ok()) {
        builder.event_interval(every);
    }
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async { tokio::spawn(measure(steps)).await? })
}

struct Ground {
    engine: Engine,
    good: Workflow,
    timer: Workflow,
    folder: tempfile::TempDir,
    steps: usize,
}

async fn measure(steps: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(LmdbStore::open(&folder.path().join("data"), LmdbOptions::default())?);
    let engine = Engine::open(store, EngineConfig::default()).await?;
    let good = engine.prepare_workflow("good.yaml", GOOD, Path::new(".")).await?;
    let timer = engine.prepare_workflow("timer.yaml", TIMER, Path::new(".")).await?;
    let ground = Arc::new(Ground { engine, good, timer, folder, steps });
    say(&format!("{} steps beside {} hostile guests on {} cores, ms", steps, cores() * 2, cores()));
    say(&format!(
        "{:<30} {:>6} {:>8} {:>8} {:>8}   {:>8} {:>8}   {:>7}",
        "beside", "steps", "p50", "p99", "max", "timer50", "timer99", "ended"
    ));
    let mut worst = ground.row("nothing", None).await?;
    for kind in kinds() {
        worst = worst.max(ground.row(kind.name, Some(Rage::Guest(Box::new(kind)))).await?);
    }
    worst = worst.max(ground.row("components to compile", Some(Rage::Compile)).await?);
    let holds = if worst < AIM_MS { "holds" } else { "is missed" };
    say(&format!("the aim of {AIM_MS} ms for p99 {holds}"));
    Ok(())
}

enum Rage {
    Guest(Box<Kind>),
    Compile,
}

impl Ground {
    /// Measures beside a kind of rage; gives the p99.
    async fn row(self: &Arc<Self>, name: &str, rage: Option<Rage>) -> Result<f64> {
        let (goes_on, ended) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let mut raging = JoinSet::new();
        match rage {
            None => {}
            Some(Rage::Guest(kind)) => {
                let workflow = Arc::new(self.prepare(&kind).await?);
                for _ in 0..cores() * 2 {
                    let (ground, workflow) = (Arc::clone(self), Arc::clone(&workflow));
                    let (goes_on, ended) = (Arc::clone(&goes_on), Arc::clone(&ended));
                    raging.spawn(async move {
                        while goes_on.load(Ordering::Relaxed) {
                            let run =
                                ground.engine.start(&workflow, Value::Null, StartOptions::default()).await?;
                            let settled = ground.engine.settled(run);
                            tokio::pin!(settled);
                            // Whatever is still under way when enough was measured is taken away.
                            while tokio::time::timeout(LOOK_AGAIN, &mut settled).await.is_err() {
                                if !goes_on.load(Ordering::Relaxed) {
                                    // It may have ended meanwhile.
                                    let _ =
                                        ground.engine.cancel(run, person("user:ann", &[], true), None).await;
                                }
                            }
                            ended.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok::<_, anyhow::Error>(())
                    });
                }
            }
            Some(Rage::Compile) => {
                for worker in 0..cores() * 2 {
                    let (ground, goes_on, ended) =
                        (Arc::clone(self), Arc::clone(&goes_on), Arc::clone(&ended));
                    raging.spawn(async move {
                        let mut number = 0;
                        while goes_on.load(Ordering::Relaxed) {
                            number += 1;
                            let path = ground.folder.path().join(format!("bomb-{worker}-{number}.wasm"));
                            std::fs::write(&path, bomb(worker * 1_000_000 + number))?;
                            // It is no plugin; that is found when it has been compiled.
                            let refused = ground
                                .engine
                                .prepare_workflow("b.yaml", &text(&path, "tool: guest.go"), Path::new("."))
                                .await;
                            ensure!(refused.is_err(), "it was taken");
                            ended.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    });
                }
            }
        }
        let (took, timers) = (self.runs(&self.good).await?, self.runs(&self.timer).await?);
        goes_on.store(false, Ordering::Relaxed);
        let before = ended.load(Ordering::Relaxed);
        while let Some(one) = raging.join_next().await {
            one??;
        }
        say(&format!(
            "{name:<30} {:>6} {:>8.2} {:>8.2} {:>8.2}   {:>8.2} {:>8.2}   {before:>7}",
            took.len(),
            at_ms(&took, 50),
            at_ms(&took, 99),
            at_ms(&took, 100),
            at_ms(&timers, 50),
            at_ms(&timers, 99),
        ));
        Ok(at_ms(&took, 99).max(at_ms(&timers, 99)))
    }

    /// Runs one after the other.
    async fn runs(&self, workflow: &Workflow) -> Result<Vec<Duration>> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        while took.len() < self.steps && begun.elapsed() < KIND_MAX {
            let begun = Instant::now();
            let run = self.engine.start(workflow, Value::Null, StartOptions::default()).await?;
            let header = self.engine.settled(run).await?;
            ensure!(header.status == Status::Completed, "the run is {header:?}");
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        Ok(took)
    }

    async fn prepare(&self, kind: &Kind) -> Result<Workflow> {
        let path: PathBuf = self.folder.path().join("guest.wasm");
        std::fs::write(&path, kind.guest.build())?;
        let step = if kind.is_agent { "agent: guest" } else { "tool: guest.go" };
        Ok(self.engine.prepare_workflow("hostile.yaml", &text(&path, step), Path::new(".")).await?)
    }
}

fn text(guest: &Path, step: &str) -> String {
    format!(
        "pawl: 1\nworkflow: hostile\nversion: 1.0.0\nplugins: {{ guest: {} }}\npermissions: {{ tools: ['echo.*'] }}\n\
         steps:\n  - id: act\n    {step}\n    with: {{ n: 1 }}\n",
        guest.display()
    )
}

/// A component whose functions are as heavy as they may be, each time another one.
fn bomb(number: usize) -> Vec<u8> {
    let (open, close) = ("(block ".repeat(300), ")".repeat(300));
    let locals = "i32 ".repeat(300);
    let function = format!("(func (local {locals}) {open} (local.set 0 (i32.const {number})) {close})");
    wat::parse_str(format!("(component (core module {}))", function.repeat(20))).unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn say(line: &str) {
    println!("{line}");
}
