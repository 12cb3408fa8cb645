//! Ten thousand runs at once on one node: how fast, how much memory, who waits how long.
//!
//! `cargo bench --workspace --bench crowd [-- RUNS]`
//!
//! Each row is a process of its own on a new store in a temporary folder, so that its peak of memory is its
//! own. All runs are started at the same moment; a run's time is from then to its end.
//!
//! - `lists`: a `map` of four items and a `parallel` of two branches, six tool calls each.
//! - `priorities`: the same, and when all have started, one in a hundred more with priority 100.
//! - `keys`: one tool call each; a hundred keys, two runs of a key at once.
//! - `tree`: a run whose `map` starts a tenth as many, cancelled when all of them wait for a person.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pawl_core::event::Actor;
use pawl_core::view::Status;
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::{Page, RunFilter};
use pawl_tests::memory_mib;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 10_000;
const ROWS: [&str; 4] = ["lists", "priorities", "keys", "tree"];
/// Names the row that this process measures.
const ROW: &str = "PAWL_BENCH_ROW";
/// How many there are with the highest priority: one in so many.
const URGENT: usize = 100;
const KEYS: usize = 100;

const LISTS: &str = "
inputs: { priority: integer }
priority: ${{ inputs.priority }}
steps:
  - id: each
    map: { items: '[1, 2, 3, 4]', max_parallel: 2, steps: [{ id: item, tool: echo.say, with: { text: hi } }] }
  - id: both
    parallel:
      branches:
        one: [{ id: one, tool: echo.say, with: { text: hi } }]
        two: [{ id: two, tool: echo.say, with: { text: hi } }]
";
const KEYED: &str = "
inputs: { key: integer }
concurrency: { key: 'k/${{ inputs.key }}', limit: 2 }
steps: [{ id: a, tool: echo.say, with: { text: hi } }]
";
/// As many children of a `map` as may be at once.
const MAP_MAX: usize = 250;
const CHILD: &str = "steps: [{ id: a, human: { title: Well? } }]";

fn main() -> Result<()> {
    let runs = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    if let Ok(row) = std::env::var(ROW) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let row = runtime.block_on(measure(&row, runs))?;
        print(&format!("{row} | {:>8}", memory_mib("VmHWM")?));
        return Ok(());
    }
    print(&format!("{runs} runs at once on lmdb"));
    print(&format!(
        "{:<10} | {:>6} {:>8} | {:>8} {:>8} {:>8} | {:>8} {:>8} | {:>8}",
        "row", "s", "runs/s", "p50 ms", "p99 ms", "max ms", "p50 ms", "max ms", "peak MiB"
    ));
    for row in ROWS {
        let program = std::env::current_exe()?;
        let status = std::process::Command::new(program).arg(runs.to_string()).env(ROW, row).status()?;
        ensure!(status.success(), "{row} failed");
    }
    print(
        "second p50 and max: of the urgent ones; of tree: the children are counted, and p50 is the cancelling",
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the benchmark's result")]
fn print(line: &str) {
    println!("{line}");
}

/// An engine on a store of its own.
struct Node {
    engine: Engine,
    folder: TempDir,
}

impl Node {
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
        Ok(Self { engine: Engine::open(store, EngineConfig::default()).await?, folder })
    }

    async fn workflow(&self, name: &str, rest: &str) -> Result<Workflow> {
        let path = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, format!("pawl: 1\nworkflow: {name}\nversion: 1.0.0\n{rest}"))?;
        Ok(self.engine.load_workflow(&path).await?)
    }

    /// Starts runs side by side; each gives how long it took.
    fn run(&self, workflow: &Arc<Workflow>, inputs: Vec<Value>) -> Runs {
        let mut runs = Runs::new();
        for inputs in inputs {
            let (engine, workflow) = (self.engine.clone(), Arc::clone(workflow));
            runs.spawn(async move {
                let begun = Instant::now();
                let run = engine.start(&workflow, inputs, StartOptions::default()).await?;
                let header = engine.settled(run).await?;
                ensure!(header.status == Status::Completed, "the run is {header:?}");
                Ok(begun.elapsed())
            });
        }
        runs
    }

    /// Returns when so many runs have been started.
    async fn has(&self, count: usize) -> Result<()> {
        loop {
            let (mut page, mut found) = (Page { after: None, limit: 1_000 }, 0);
            loop {
                let runs = self.engine.store().runs(&RunFilter::default(), &page).await?;
                found += runs.runs.len();
                match runs.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
            if found >= count {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Runs that have started.
type Runs = JoinSet<Result<Duration>>;

/// How long each took, the shortest first.
async fn end(mut runs: Runs) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while let Some(ended) = runs.join_next().await {
        took.push(ended??);
    }
    took.sort_unstable();
    Ok(took)
}

async fn measure(row: &str, count: usize) -> Result<String> {
    let node = Node::open().await?;
    let begun = Instant::now();
    let (took, urgent) = match row {
        "lists" => {
            let workflow = Arc::new(node.workflow("lists", LISTS).await?);
            (end(node.run(&workflow, vec![json!({ "priority": 50 }); count])).await?, Vec::new())
        }
        "priorities" => {
            let workflow = Arc::new(node.workflow("lists", LISTS).await?);
            let runs = node.run(&workflow, vec![json!({ "priority": 50 }); count]);
            node.has(count).await?;
            let urgent = node.run(&workflow, vec![json!({ "priority": 100 }); count / URGENT]);
            let urgent = end(urgent).await?;
            (end(runs).await?, urgent)
        }
        "keys" => {
            let workflow = Arc::new(node.workflow("keyed", KEYED).await?);
            let inputs = (0..count).map(|number| json!({ "key": number % KEYS })).collect();
            (end(node.run(&workflow, inputs)).await?, Vec::new())
        }
        _ => return tree(&node, count / 10).await,
    };
    Ok(figures(row, begun.elapsed(), &took, &urgent))
}

async fn tree(node: &Node, children: usize) -> Result<String> {
    node.workflow("child", CHILD).await?;
    let branch = |number: usize| {
        let some = MAP_MAX.min(children - number * MAP_MAX);
        format!(
            "b{number}: [{{ id: m{number}, map: {{ items: range({some}), max_parallel: {MAP_MAX}, \
             steps: [{{ id: c{number}, workflow: child }}] }} }}]"
        )
    };
    let branches: Vec<_> = (0..children.div_ceil(MAP_MAX)).map(branch).collect();
    let steps = format!("steps: [{{ id: all, parallel: {{ branches: {{ {} }} }} }}]", branches.join(", "));
    let workflow = node.workflow("tree", &format!("workflows: {{ child: ./child.yaml }}\n{steps}")).await?;
    let begun = Instant::now();
    let root = node.engine.start(&workflow, Value::Null, StartOptions::default()).await?;
    node.engine.settled(root).await?;
    let started = begun.elapsed();
    let begun = Instant::now();
    let by = Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "bench".into() };
    node.engine.cancel(root, by, None).await?;
    node.engine.quiet().await?;
    let took = begun.elapsed();
    let (mut page, mut cancelled) = (Page { after: None, limit: 1_000 }, 0);
    loop {
        let found = node.engine.store().runs(&RunFilter::default(), &page).await?;
        cancelled += found.runs.iter().filter(|run| run.status == Status::Cancelled).count();
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    ensure!(cancelled == children + 1, "{cancelled} runs are cancelled");
    Ok(figures("tree", started, &vec![took; children], &[]))
}

fn figures(row: &str, elapsed: Duration, took: &[Duration], urgent: &[Duration]) -> String {
    let at = |took: &[Duration], part: usize| {
        let place = (took.len() * part / 100).min(took.len().saturating_sub(1));
        took.get(place).map_or_else(|| "-".to_owned(), |took| format!("{:.0}", took.as_secs_f64() * 1e3))
    };
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let rate = (took.len() + urgent.len()) as f64 / elapsed.as_secs_f64();
    format!(
        "{row:<10} | {:>6.1} {rate:>8.0} | {:>8} {:>8} {:>8} | {:>8} {:>8}",
        elapsed.as_secs_f64(),
        at(took, 50),
        at(took, 99),
        at(took, 100),
        at(urgent, 50),
        at(urgent, 100),
    )
}
