//! Deterministic simulation: the real core, engine and committer, and everything around them drawn from
//! one seed: what is started, answered, signalled, cancelled and suspended, and when; what plugins
//! give; which commits are slow, refused, written without an answer, or the last thing that a process
//! does. Time is simulated and moves only when nothing else can happen, so hours take milliseconds, and
//! the same seed is the same simulation.
//!
//! After each commit, and at the end, it is checked what may never be (`ground.rs`).

mod agent;
mod doing;
mod ground;
mod people;
mod plan;
mod plugins;
mod stage;
mod store;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use pawl_engine::{Engine, EngineConfig, Workflow};
use pawl_store::memory::MemoryStore;

pub use plan::COUNCILS_FROM;
pub use store::FaultRates;

/// The faults of a simulation that is not told otherwise.
pub const FAULT_RATES: FaultRates = FaultRates { crash: 20, fail: 20, lost_answer: 10, slow: 150 };

/// What a simulation needs and many can share: the plugins, loaded once, and the workflows.
#[derive(Debug)]
pub struct Simulator {
    bench: Engine,
    workflows: Vec<Workflow>,
}

/// What came of a seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Runs that there were, those that runs started counted.
    pub runs: usize,
    /// Commits that became durable.
    pub commits: u64,
    /// Events in all journals.
    pub events: u64,
    /// Processes that died.
    pub crashes: u32,
    /// How often a failed run was tried again.
    pub retried: u64,
    /// Runs that were started anew or forked from others.
    pub made: u64,
    /// Runs that were removed before all had ended.
    pub removed: usize,
    /// What was done with questions that several people must answer, before they were decided.
    pub handled: u64,
    /// Such questions that people decided, and not time.
    pub agreed: u64,
    /// A digest of all commits in their order: the same seed, the same trace.
    pub trace: String,
    /// What happened, a line each, where that was wanted.
    pub story: Vec<String>,
    /// What may never be, and was.
    pub violations: Vec<String>,
}

impl Simulator {
    /// Loads plugins and workflows; `root` is the project's folder.
    pub async fn open(root: &Path) -> Result<Self> {
        let bench = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await?;
        let folder = root.join("tests/sim/workflows");
        let mut workflows = Vec::new();
        for name in plan::WORKFLOWS {
            let file = folder.join(format!("{name}.yaml"));
            let loaded = bench.load_workflow(&file).await;
            workflows.push(loaded.with_context(|| file.display().to_string())?);
        }
        Ok(Self { bench, workflows })
    }

    /// Simulates one seed, on an event loop of its own: must not be called from within one.
    pub fn simulate(&self, seed: u64, rates: FaultRates) -> Result<Report> {
        stage::play(&self.bench, &self.workflows, seed, rates, false)
    }

    /// The same, with what happens.
    pub fn tell(&self, seed: u64, rates: FaultRates) -> Result<Report> {
        stage::play(&self.bench, &self.workflows, seed, rates, true)
    }
}
