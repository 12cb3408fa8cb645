//! What a question to a model costs beside the model.
//!
//! `cargo bench --workspace --bench model_call [-- ROUNDS]`
//!
//! Models are profiles with a script that answers at once, the store is the default one in a temporary folder, and the
//! run has a budget. First an agent asks the same again and again, few times in one run and many times in another:
//! what the runs differ by is what the questions more have cost, and nothing that a run or an instance costs once is in
//! it. Measured are the CPU of this process, recorded, and the time to go through the recorded answers, replayed. Then
//! the shipped assistant asks and calls a tool after each answer, and everything is in the figure: its own work, the
//! tool, and the conversation, which it sends anew each time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pawl_core::RunId;
use pawl_core::view::Status;
use pawl_engine::{Engine, EngineConfig, StartOptions, Workflow};
use pawl_models::Profiles;
use pawl_store::Store;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_tests::cpu_time;
use serde_json::{Value, json};

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OPERATOR: &str = "
models:
  default: { provider: scripted, script: asker.yaml, price: { input: 1, output: 2 }, fallbacks: [other] }
  other: { provider: scripted, script: asker.yaml, price: { input: 1, output: 2 } }
  looks-up: { provider: scripted, script: assistant.yaml, price: { input: 1, output: 2 } }
";
const ANSWER: &str = "rules: [{ when: {}, reply: It is a desk lamp., usage: { input: 100, output: 10 } }]";
const BUDGET: &str = "{ tokens: 1000000000, model_calls: 1000000, money: 1000000 }";
const QUESTION: &str = "What was ordered as A-1001? Answer with the name of the thing and nothing else.";
const FEW: u32 = 100;
const MANY: u32 = 1_100;
/// Questions of a run of the assistant; each but the last is answered with a call.
const TURNS: u32 = 11;
const ROUNDS: usize = 5;
/// What the project wants to stay below.
const AIM: Duration = Duration::from_millis(1);
const REPLAY_AIM: Duration = Duration::from_micros(20);

fn main() -> Result<()> {
    let rounds = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(ROUNDS).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(rounds))
}

fn asks() -> String {
    format!(
        "
pawl: 1
workflow: asks
version: 1.0.0
inputs: {{ times: integer }}
plugins: {{ asker: ./guests/asker.wasm }}
permissions: {{ models: [default] }}
budget: {BUDGET}
steps:
  - id: ask
    agent: asker
    with: {{ model: default, question: '{QUESTION}', times: '${{{{ inputs.times }}}}' }}
"
    )
}

fn looks_up() -> String {
    format!(
        "
pawl: 1
workflow: looks_up
version: 1.0.0
permissions: {{ models: [looks-up], tools: [orders.lookup] }}
budget: {BUDGET}
steps:
  - id: ask
    agent: assistant
    with: {{ task: Look it up again and again., model: looks-up }}
"
    )
}

/// What the assistant is told: to call, and at last an answer.
fn script() -> String {
    let call = |turn: u32| {
        format!(
            "  - {{ when: {{ turn: {turn} }}, calls: [{{ tool: orders.lookup, arguments: {{ id: A-1001 }} }}] }}\n"
        )
    };
    let calls: String = (0..TURNS - 1).map(call).collect();
    format!("rules:\n{calls}  - {{ when: {{ turn: {} }}, reply: It is a desk lamp. }}\n", TURNS - 1)
}

fn models() -> Result<Profiles> {
    let operator = pawl_core::source::operator::load("pawl.yaml", OPERATOR)?;
    let read = |path: &Path| Ok(if path.ends_with("asker.yaml") { ANSWER.to_owned() } else { script() });
    Ok(Profiles::new(&operator, Path::new(""), read)?)
}

async fn measure(rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
    let config = EngineConfig { models: Some(Arc::new(models()?)), ..EngineConfig::default() };
    let engine = Engine::open(store, config).await?;
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let asks = engine.prepare_workflow("asks.yaml", &asks(), base).await?;
    let looks_up = engine.prepare_workflow("looks_up.yaml", &looks_up(), base).await?;
    let (mut more, mut more_took, mut replays, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // The first round compiles what the others use, and is not counted.
    for round in 0..=rounds {
        let few = recorded(&engine, &asks, json!({ "times": FEW })).await?;
        let many = recorded(&engine, &asks, json!({ "times": MANY })).await?;
        let assistant = recorded(&engine, &looks_up, Value::Null).await?;
        let replayed =
            replayed(&engine, many.run, MANY).await?.saturating_sub(replayed(&engine, few.run, FEW).await?);
        if round > 0 {
            more.push(many.cpu.saturating_sub(few.cpu) / (MANY - FEW));
            more_took.push(many.took.saturating_sub(few.took) / (MANY - FEW));
            replays.push(replayed / (MANY - FEW));
            whole.push(assistant.cpu / TURNS);
        }
    }
    let [more, more_took, replays, whole] = [more, more_took, replays, whole].map(Spread::of);
    print(&format!("a question to a model that answers at once, {rounds} rounds: middle, least, most"));
    print(&format!(
        "recorded, CPU                       {} ms, aim of {} {}",
        more.ms(),
        AIM.as_millis(),
        more.verdict(AIM)
    ));
    print(&format!("recorded, time                      {} ms", more_took.ms()));
    print(&format!(
        "replayed, time                      {} µs, aim of {} {}",
        replays.us(),
        REPLAY_AIM.as_micros(),
        replays.verdict(REPLAY_AIM)
    ));
    print(&format!("of the assistant, with a tool, CPU  {} ms", whole.ms()));
    Ok(())
}

struct Recorded {
    run: RunId,
    cpu: Duration,
    took: Duration,
}

async fn recorded(engine: &Engine, workflow: &Workflow, inputs: Value) -> Result<Recorded> {
    let (before, since) = (cpu_time(), Instant::now());
    let run = engine.start(workflow, inputs, StartOptions::default()).await?;
    let header = engine.settled(run).await?;
    let (cpu, took) = (cpu_time().saturating_sub(before), since.elapsed());
    ensure!(header.status == Status::Completed, "{header:?}");
    Ok(Recorded { run, cpu, took })
}

/// How long the agent of a run takes to go through what is recorded, without the reading of the journal.
async fn replayed(engine: &Engine, run: RunId, calls: u32) -> Result<Duration> {
    let since = Instant::now();
    engine.history(run).await?;
    let read = since.elapsed();
    let since = Instant::now();
    let report = engine.replay(run).await?;
    let took = since.elapsed().saturating_sub(read);
    ensure!(report.first_difference().is_none(), "{report:?}");
    ensure!(report.attempts.iter().map(|attempt| attempt.calls).sum::<u32>() == calls, "{report:?}");
    Ok(took)
}

/// A figure of several rounds.
struct Spread(Vec<Duration>);

impl Spread {
    fn of(mut rounds: Vec<Duration>) -> Self {
        rounds.sort_unstable();
        Self(rounds)
    }

    fn middle(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    fn shown(&self, unit: f64) -> String {
        let of = |took: Duration| took.as_secs_f64() * unit;
        format!("{:>8.3} {:>8.3} {:>8.3}", of(self.middle()), of(self.0[0]), of(self.0[self.0.len() - 1]))
    }

    fn ms(&self) -> String {
        self.shown(1e3)
    }

    fn us(&self) -> String {
        self.shown(1e6)
    }

    fn verdict(&self, aim: Duration) -> &'static str {
        if self.middle() < aim { "holds" } else { "is missed" }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn print(line: &str) {
    println!("{line}");
}
