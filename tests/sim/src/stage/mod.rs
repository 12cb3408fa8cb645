//! One simulation, from its first turn to where nothing can happen any more.

mod act;
mod next;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use pawl_core::{ApprovalId, Duration, RunId, Timestamp};
use pawl_engine::{Chance, Clock as _, Engine, EngineConfig, Pruned, Retention, Workflow};
use pawl_testing::{Idle, SeededChance, SimulatedClock};

use crate::Report;
use crate::doing::News;
use crate::ground::{Left, Promise};
use crate::plan::{self, BEGIN, Settings, Turn};
use crate::plugins::Plugins;
use crate::store::{Disk, FaultRates, ProcessStore};

use next::Next;

/// So many things may happen before a simulation is taken for one that never ends.
const ROUNDS_MAX: u32 = 50_000;
/// How long a simulation may go on in its own time.
const LASTS_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Plays a seed.
pub(crate) fn play(
    bench: &Engine,
    workflows: &[Workflow],
    seed: u64,
    rates: FaultRates,
    tells: bool,
) -> Result<Report> {
    let idle = Idle::default();
    let parks = idle.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().on_thread_park(move || parks.park()).build()?;
    let clock = SimulatedClock::new(BEGIN);
    let stage = Stage {
        bench,
        workflows,
        seed,
        tells,
        settings: Settings::draw(seed),
        chance: Arc::new(SeededChance::new(seed, BEGIN)),
        disk: Arc::new(Disk::new(seed, rates, clock.clone())),
        clock,
        idle,
        turns: plan::draw(seed),
        runs: BTreeMap::new(),
        promised: Vec::new(),
        heard: Arc::default(),
        answering: BTreeSet::new(),
        again: BTreeMap::new(),
        tries: BTreeMap::new(),
        remedied: BTreeMap::new(),
        crashes: 0,
    };
    let report = runtime.block_on(stage.play());
    runtime.shutdown_background();
    report
}

struct Stage<'a> {
    bench: &'a Engine,
    workflows: &'a [Workflow],
    seed: u64,
    /// Whether it is told what happens.
    tells: bool,
    settings: Settings,
    chance: Arc<dyn Chance>,
    disk: Arc<Disk>,
    clock: SimulatedClock,
    idle: Idle,
    /// What is still to come, the next last.
    turns: Vec<Turn>,
    /// The runs that were started, by number.
    runs: BTreeMap<usize, RunId>,
    /// What was acknowledged.
    promised: Vec<Promise>,
    /// What came of what somebody did, and was not taken in yet.
    heard: Arc<Mutex<Vec<News>>>,
    /// What is being answered.
    answering: BTreeSet<ApprovalId>,
    /// When somebody looks again at what they answered.
    again: BTreeMap<ApprovalId, Timestamp>,
    /// How often somebody did something about a question.
    tries: BTreeMap<ApprovalId, u32>,
    /// What somebody does or did about runs, by how far their journals went; when it is done again, if it is.
    remedied: BTreeMap<(RunId, u64), Option<Timestamp>>,
    crashes: u32,
}

struct Process {
    engine: Engine,
    store: Arc<ProcessStore>,
}

impl Stage<'_> {
    async fn play(mut self) -> Result<Report> {
        self.turns.reverse();
        self.disk.ground.truth().story = self.tells.then(Vec::new);
        let retention = self.settings.retention.map(|setting| setting.retention);
        self.disk.ground.truth().retentions.extend(retention);
        let mut process = self.process();
        for _ in 0..ROUNDS_MAX {
            if process.store.is_dead() {
                process = self.again(process).await;
                continue;
            }
            tokio::select! {
                biased;
                () = process.store.died() => continue,
                () = self.idle.wait() => {}
            }
            self.hear();
            if !self.disk.ground.truth().violations.is_empty() {
                return Ok(self.report());
            }
            match self.next().await? {
                Next::Turn(turn) => self.act(&process, turn),
                Next::Reply(reply) => self.answer(&process, *reply),
                Next::Remedy(remedy) => self.remedy(&process, remedy),
                Next::Time => {}
                Next::Nothing => return self.end(&process).await,
            }
        }
        bail!("seed {}: it does not end", self.seed)
    }

    /// A process on what is there; goes on with all that is unfinished, unless it dies at once.
    fn process(&self) -> Process {
        let store = Arc::new(ProcessStore::new(Arc::clone(&self.disk)));
        let plugins = Plugins { seed: self.seed, disk: Arc::clone(&self.disk), store: Arc::clone(&store) };
        let config = EngineConfig {
            clock: Arc::new(self.clock.clone()),
            chance: Arc::clone(&self.chance),
            stand_in: Some(Arc::new(plugins)),
            retention: self.settings.retention,
            payload_inline_max_bytes: self.settings.inline_max_bytes,
            ..EngineConfig::default()
        };
        let engine = self.bench.beside(Arc::clone(&store) as Arc<dyn pawl_store::Store>, config);
        let recovering = engine.clone();
        tokio::spawn(async move { recovering.recover().await });
        Process { engine, store }
    }

    async fn again(&mut self, dead: Process) -> Process {
        self.crashes += 1;
        self.disk.ground.truth().tell(self.clock.now(), || "a process goes on".to_owned());
        // Its mailbox is closed; what it still had on its way never comes.
        let _ = dead.engine.cut_off().await;
        self.process()
    }

    /// Nothing can happen any more: everything must be over, and nothing left. Then all of it is removed.
    async fn end(&self, process: &Process) -> Result<Report> {
        let (kept, ground) = (&self.disk.kept, &self.disk.ground);
        let left = Left::read(kept).await?;
        ground.truth().check_end(&left, &self.promised);
        let (removed, is_well) = {
            let truth = ground.truth();
            (truth.removed.len(), truth.violations.is_empty())
        };
        if is_well {
            self.disk.calm_down();
            self.prune_all(process).await?;
            let left = Left::read(kept).await?;
            ground.truth().check_emptied(&left);
        }
        Ok(Report { removed, ..self.report() })
    }

    async fn prune_all(&self, process: &Process) -> Result<Pruned> {
        let all = Retention { older_than: None, keep: Some(0) };
        self.disk.ground.truth().retentions.push(all);
        let mut pruned = std::pin::pin!(process.engine.prune(all));
        loop {
            tokio::select! {
                biased;
                pruned = &mut pruned => return Ok(pruned?),
                // What the process does by itself is in the midst of it.
                () = self.idle.wait() => match self.clock.next() {
                    Some(at) => self.clock.move_to(at),
                    None => bail!("seed {}: runs are not removed", self.seed),
                },
            }
        }
    }

    fn report(&self) -> Report {
        let truth = self.disk.ground.truth();
        Report {
            runs: truth.runs.len() + truth.removed.len(),
            commits: truth.commits,
            events: truth.events,
            crashes: self.crashes,
            retried: truth.retried,
            made: truth.made,
            removed: truth.removed.len(),
            handled: truth.handled,
            agreed: truth.agreed,
            trace: truth.trace.map(|trace| trace.to_string()).unwrap_or_default(),
            story: truth.story.clone().unwrap_or_default(),
            violations: truth.violations.clone(),
        }
    }
}
