//! What a question to a model costs beside the model.
//!
//! `cargo bench --workspace --bench model_call [-- RUNS]`
//!
//! The shipped assistant asks a model that answers at once, calls a tool each time the model wants it, and asks
//! again, on the default store in a temporary folder. Measured is the CPU of this process for each question, the
//! tool's call and the agent's own work included; then the same runs are replayed, and measured is the time for each
//! recorded call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use pawl_core::call::CallResponse;
use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use pawl_core::view::Status;
use pawl_engine::{Engine, EngineConfig, StartOptions};
use pawl_models::{Listener, Models};
use pawl_store::Store;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_tests::{at_ms, cpu_time};
use serde_json::{Value, json};

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKFLOW: &str = "
pawl: 1
workflow: asks
version: 1.0.0
permissions: { models: [default], tools: [orders.lookup] }
steps:
  - id: ask
    agent: assistant
    with: { task: Look it up again and again. }
";
const RUNS: usize = 50;
/// Questions of a run; each but the last is answered with a call.
const QUESTIONS: usize = 11;
/// What the project wants to stay below.
const AIM: Duration = Duration::from_millis(1);
const REPLAY_AIM: Duration = Duration::from_micros(20);

/// A model that answers at once.
#[derive(Debug)]
struct AtOnce;

#[async_trait]
impl Models for AtOnce {
    fn names(&self) -> Vec<String> {
        vec!["default".to_owned()]
    }

    async fn chat(&self, _: &str, profile: &str, request: ChatRequest) -> CallResponse {
        let said =
            request.messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count();
        let is_last = said + 1 >= QUESTIONS;
        let call = ToolRequest {
            id: format!("c{said}"),
            name: "orders.lookup".to_owned(),
            arguments: json!({ "id": "A-1001" }),
        };
        let answer = ChatAnswer {
            text: if is_last { "It is a desk lamp." } else { "" }.to_owned(),
            tool_calls: if is_last { Vec::new() } else { vec![call] },
            finish: if is_last { Finish::Stop } else { Finish::ToolCalls },
            usage: Usage { input_tokens: 100, output_tokens: 10 },
            model: "at-once".to_owned(),
        };
        Ok(answer.to_json(profile))
    }

    async fn chat_aloud(&self, key: &str, profile: &str, request: ChatRequest, _: &Listener) -> CallResponse {
        self.chat(key, profile, request).await
    }
}

fn main() -> Result<()> {
    let runs = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(runs))
}

async fn measure(runs: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(LmdbStore::open(folder.path(), LmdbOptions::default())?);
    let config = EngineConfig { models: Some(Arc::new(AtOnce)), ..EngineConfig::default() };
    let engine = Engine::open(store, config).await?;
    let workflow = engine.prepare_workflow("asks.yaml", WORKFLOW, folder.path()).await?;
    // The first run compiles what the others use.
    let mut made = Vec::new();
    let (mut cpu, mut took) = (Duration::ZERO, Vec::new());
    for number in 0..=runs.max(1) {
        let (before, since) = (cpu_time(), Instant::now());
        let run = engine.start(&workflow, Value::Null, StartOptions::default()).await?;
        let header = engine.settled(run).await?;
        ensure!(header.status == Status::Completed, "{header:?}");
        if number > 0 {
            cpu += cpu_time().saturating_sub(before);
            took.push(since.elapsed() / u32::try_from(QUESTIONS)?);
            made.push(run);
        }
    }
    took.sort_unstable();
    let asked = u32::try_from(made.len() * QUESTIONS)?;
    let each = cpu / asked;

    let (mut replayed, mut calls) = (Duration::ZERO, 0);
    for run in made {
        // Reading the journal is not the replay of a call.
        let since = Instant::now();
        engine.history(run).await?;
        let read = since.elapsed();
        let since = Instant::now();
        let report = engine.replay(run).await?;
        replayed += since.elapsed().saturating_sub(read);
        ensure!(report.first_difference().is_none(), "{report:?}");
        calls += report.attempts.iter().map(|attempt| attempt.calls).sum::<u32>();
    }
    let each_replayed = replayed / calls.max(1);
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        let holds = |holds: bool| if holds { "holds" } else { "is missed" };
        println!("{asked} questions to a model that answers at once, each with a call of a tool, recorded");
        println!("CPU a question    {:>8.3} ms", each.as_secs_f64() * 1e3);
        println!("time a question   {:>8.3} ms p50, {:.3} ms p99", at_ms(&took, 50), at_ms(&took, 99));
        println!("the aim of {} ms of CPU {}", AIM.as_millis(), holds(each < AIM));
        println!(
            "replay, a call    {:>8.1} µs, an instance's start included",
            each_replayed.as_secs_f64() * 1e6
        );
        println!("the aim of {} µs {}", REPLAY_AIM.as_micros(), holds(each_replayed < REPLAY_AIM));
    }
    Ok(())
}
