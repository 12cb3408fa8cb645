//! One process of a run: an engine that may die, and what it leaves.

use std::sync::Arc;

use pawl_core::view::Status;
use pawl_core::{RunId, Timestamp};
use pawl_engine::{Chance, Engine, EngineConfig, EngineError};
use pawl_store::memory::MemoryStore;
use pawl_store::{ApprovalFilter, Page, RunFilter, Store as _};

use crate::answer::Question;
use crate::chance::SeededChance;
use crate::clock::SimulatedClock;
use crate::idle::Idle;
use crate::model::{ScriptedModels, Scripts};
use crate::outside::Open;
use crate::stand_in::{Doubles, Script};
use crate::store::{CrashPoint, ProcessStore, Tape};

/// The most runs that are looked at together.
const RUNS_MAX: usize = 1_000;
/// The most questions that are looked at together.
const QUESTIONS_MAX: usize = 1_000;

/// What outlives processes: the store, time, chance, and all that is outside.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) tape: Arc<Tape>,
    pub(crate) clock: SimulatedClock,
    pub(crate) script: Arc<Script>,
    models: Arc<Scripts>,
    pub(crate) idle: Idle,
    chance: Arc<dyn Chance>,
}

/// An engine that may die.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<ProcessStore>,
}

impl World {
    pub(crate) fn new(
        script: Script,
        models: Scripts,
        idle: Idle,
        seed: u64,
        begin: Timestamp,
        plan: Vec<CrashPoint>,
    ) -> Self {
        Self {
            store: MemoryStore::new(),
            tape: Arc::new(Tape::new(plan)),
            clock: SimulatedClock::new(begin),
            script: Arc::new(script),
            models: Arc::new(models),
            idle,
            chance: Arc::new(SeededChance::new(seed, begin)),
        }
    }

    /// A new process on what is there; goes on with all that is unfinished.
    pub(crate) async fn process(&self, bench: &Engine) -> Result<Process, EngineError> {
        let store = Arc::new(ProcessStore::new(self.store.clone(), Arc::clone(&self.tape)));
        let doubles = Doubles {
            script: Arc::clone(&self.script),
            clock: self.clock.clone(),
            idle: self.idle.clone(),
            store: Arc::clone(&store),
            tape: Arc::clone(&self.tape),
        };
        let models = ScriptedModels {
            scripts: Arc::clone(&self.models),
            clock: self.clock.clone(),
            store: Arc::clone(&store),
        };
        let config = EngineConfig {
            models: Some(Arc::new(models)),
            clock: Arc::new(self.clock.clone()),
            chance: Arc::clone(&self.chance),
            stand_in: Some(Arc::new(doubles)),
            ..EngineConfig::default()
        };
        let engine = bench.beside(Arc::clone(&store) as Arc<dyn pawl_store::Store>, config);
        engine.recover().await?;
        Ok(Process { engine, store })
    }

    /// The run that the test started, if that was committed.
    pub(crate) fn first_run(&self) -> Option<RunId> {
        self.tape.written().first().map(|written| written.run)
    }

    /// What the runs wait for that go on, the oldest first.
    pub(crate) async fn open(&self, process: &Process) -> Result<Vec<Open>, EngineError> {
        let statuses = Status::OF_RUNS.into_iter().filter(|status| !status.is_final()).collect();
        let page = Page { after: None, limit: RUNS_MAX };
        let found = self.store.runs(&RunFilter { statuses, ..RunFilter::default() }, &page).await?;
        let mut ids: Vec<RunId> = found.runs.iter().map(|header| header.id).collect();
        ids.sort_unstable();
        let mut open = Vec::new();
        for run in ids {
            open.push(Open::of(&process.engine.history(run).await?.state));
        }
        Ok(open)
    }

    /// What is asked now, the oldest first.
    pub(crate) async fn questions(&self, process: &Process) -> Result<Vec<Question>, EngineError> {
        let page = Page { after: None, limit: QUESTIONS_MAX };
        let open = self.store.approvals(&ApprovalFilter::default(), &page).await?.approvals;
        let mut questions = Vec::new();
        for approval in open {
            let history = process.engine.history(approval.run).await?;
            questions.extend(Question::of(&approval, &history.state));
        }
        Ok(questions)
    }
}
