//! One simulation, from its first turn to where nothing can happen any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use pawl_core::{ApprovalId, Duration, RunId, Timestamp};
use pawl_engine::{Chance, Clock as _, Engine, EngineConfig, EngineError, StartOptions, Workflow};
use pawl_store::{ApprovalFilter, Page, Store as _};
use pawl_testing::{Idle, SeededChance, SimulatedClock};

use crate::people::{Reply, reply, somebody};
use crate::plan::{self, Act, BEGIN, Turn};
use crate::plugins::Plugins;
use crate::store::{Disk, FaultRates, ProcessStore};
use crate::{Report, plan::WORKFLOWS};

/// So many things may happen before a simulation is taken for one that never ends.
const ROUNDS_MAX: u32 = 50_000;
/// How long a simulation may go on in its own time.
const LASTS_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// When somebody tries again what a crash or a fault cut off.
const AGAIN: Duration = Duration::from_secs(1);

/// Plays a seed.
pub(crate) fn play(bench: &Engine, workflows: &[Workflow], seed: u64, rates: FaultRates) -> Result<Report> {
    let idle = Idle::default();
    let parks = idle.clone();
    let runtime =
        tokio::runtime::Builder::new_current_thread().on_thread_park(move || parks.park()).build()?;
    let clock = SimulatedClock::new(BEGIN);
    let stage = Stage {
        bench,
        workflows,
        seed,
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
    crashes: u32,
}

struct Process {
    engine: Engine,
    store: Arc<ProcessStore>,
}

/// What pawl has acknowledged and must not forget.
enum Promise {
    Started(RunId),
    Answered(ApprovalId),
    Signalled(RunId, String),
    Cancelled(RunId),
}

/// What came of what somebody did.
enum News {
    Started(usize, RunId),
    Kept(Promise),
    /// It was refused, or promises nothing.
    Nothing,
    /// There was no answer.
    Cut(Turn),
    Answer(ApprovalId, Result<(), EngineError>),
}

enum Next {
    Turn(Turn),
    Reply(Reply),
    Time,
    Nothing,
}

impl Stage<'_> {
    async fn play(mut self) -> Result<Report> {
        self.turns.reverse();
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
            self.hear()?;
            if !self.disk.ground.truth().violations.is_empty() {
                return Ok(self.report());
            }
            match self.next().await? {
                Next::Turn(turn) => self.act(&process, turn),
                Next::Reply(reply) => self.answer(&process, reply),
                Next::Time => {}
                Next::Nothing => return self.end().await,
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
            ..EngineConfig::default()
        };
        let engine = self.bench.beside(Arc::clone(&store) as Arc<dyn pawl_store::Store>, config);
        let recovering = engine.clone();
        tokio::spawn(async move { recovering.recover().await });
        Process { engine, store }
    }

    async fn again(&mut self, dead: Process) -> Process {
        self.crashes += 1;
        // Its mailbox is closed; what it still had on its way never comes.
        let _ = dead.engine.cut_off().await;
        self.process()
    }

    /// Moves time to where something happens, and says what.
    async fn next(&mut self) -> Result<Next> {
        let timer = self.clock.next();
        let reply = self.reply().await?;
        let turn = self.turns.last().map(|turn| turn.at);
        let first = [timer, reply.as_ref().map(|reply| reply.at), turn].into_iter().flatten().min();
        let Some(first) = first else { return Ok(Next::Nothing) };
        if first > BEGIN.after(LASTS_MAX) {
            return Ok(Next::Nothing);
        }
        self.clock.move_to(first);
        // What is due at the same instant happens first.
        if timer == Some(first) {
            return Ok(Next::Time);
        }
        if turn == Some(first) {
            return Ok(self.turns.pop().map_or(Next::Nothing, Next::Turn));
        }
        Ok(reply.map_or(Next::Nothing, Next::Reply))
    }

    async fn reply(&self) -> Result<Option<Reply>> {
        let page = Page { after: None, limit: 1_000 };
        let open = self.disk.kept.approvals(&ApprovalFilter::default(), &page).await?.approvals;
        let truth = self.disk.ground.truth();
        let waiting = open.iter().filter(|open| !self.answering.contains(&open.id));
        let replies = waiting.filter_map(|open| {
            let found = reply(self.seed, open, &truth)?;
            let at = self.again.get(&open.id).map_or(found.at, |again| found.at.max(*again));
            Some(Reply { at, ..found })
        });
        Ok(replies.min_by_key(|reply| (reply.at, reply.approval.clone())))
    }

    /// Somebody acts. What came of it is heard later: the store may be slow, and time must go on meanwhile.
    fn act(&mut self, process: &Process, turn: Turn) {
        let run = match &turn.act {
            Act::Start { .. } => None,
            Act::Signal { number, .. }
            | Act::Cancel { number }
            | Act::Suspend { number }
            | Act::Resume { number } => {
                // A start that was cut off has no run that anybody knows of.
                let Some(run) = self.runs.get(number).copied() else { return };
                Some(run)
            }
        };
        let (engine, store) = (process.engine.clone(), Arc::clone(&process.store));
        let workflow = match &turn.act {
            Act::Start { workflow, .. } => Some(self.workflows[*workflow % WORKFLOWS.len()].clone()),
            _ => None,
        };
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            let news = tokio::select! {
                biased;
                () = store.died() => News::Cut(turn),
                news = carry_out(&engine, run, workflow, turn.clone()) => news,
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(news);
        });
    }

    fn answer(&mut self, process: &Process, reply: Reply) {
        let (engine, store) = (process.engine.clone(), Arc::clone(&process.store));
        let heard = Arc::clone(&self.heard);
        self.answering.insert(reply.approval.clone());
        tokio::spawn(async move {
            let Reply { approval, answer, .. } = reply;
            let outcome = tokio::select! {
                biased;
                () = store.died() => Err(EngineError::Closed),
                outcome = engine.answer(&approval, answer) => outcome.map(|_| ()),
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(News::Answer(approval, outcome));
        });
    }

    /// Takes in what came of what somebody did.
    fn hear(&mut self) -> Result<()> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        for news in heard {
            match news {
                News::Kept(promise) => self.promised.push(promise),
                News::Started(number, run) => {
                    self.runs.insert(number, run);
                    self.promised.push(Promise::Started(run));
                }
                // Whoever started a run and got no answer does not know of it, and leaves it.
                News::Nothing | News::Cut(Turn { act: Act::Start { .. }, .. }) => {}
                News::Cut(turn) => self.try_again(turn),
                News::Answer(approval, outcome) => {
                    self.answering.remove(&approval);
                    self.again.insert(approval.clone(), self.clock.now().after(AGAIN));
                    match outcome {
                        Ok(()) => self.promised.push(Promise::Answered(approval)),
                        // Who looks again finds it open, or not: somebody answered before, who got no
                        // answer, or time did.
                        Err(
                            EngineError::Store(_)
                            | EngineError::Closed
                            | EngineError::Refused(_)
                            | EngineError::UnknownApproval(_),
                        ) => {}
                        Err(error) => bail!("seed {}: the answer to {approval}: {error}", self.seed),
                    }
                }
            }
        }
        Ok(())
    }

    /// Whoever got no answer asks again a little later.
    fn try_again(&mut self, turn: Turn) {
        let at = self.clock.now().after(AGAIN);
        let place = self.turns.iter().position(|later| later.at <= at).unwrap_or(self.turns.len());
        self.turns.insert(place, Turn { at, ..turn });
    }

    /// Nothing can happen any more: everything must be over, and nothing left.
    async fn end(self) -> Result<Report> {
        let (kept, ground) = (&self.disk.kept, &self.disk.ground);
        let left = [
            ("an event that nobody was told of", kept.outgoing(None, 1).await?.len()),
            ("a slot", kept.tickets(None, 1).await?.len()),
            ("a timer", usize::from(kept.next_due().await?.is_some())),
        ];
        let headers = {
            let runs: Vec<RunId> = ground.truth().runs.keys().copied().collect();
            let mut headers = Vec::new();
            for run in runs {
                headers.push((run, kept.run(run).await?));
            }
            headers
        };
        let mut truth = ground.truth();
        for (what, _) in left.into_iter().filter(|(_, count)| *count > 0) {
            truth.violated(format!("{what} is left in the end"));
        }
        for (run, header) in headers {
            let status = header.map(|header| (header.status, header.waiting));
            if !status.as_ref().is_some_and(|(status, _)| status.is_final()) {
                truth.violated(format!("run {run} has not ended: {status:?}"));
            }
        }
        for promise in &self.promised {
            let kept = match promise {
                Promise::Started(run) => truth.runs.contains_key(run),
                Promise::Cancelled(run) => truth.cancelled.contains(run),
                Promise::Answered(approval) => truth.decided.contains(approval),
                Promise::Signalled(run, key) => truth.signals.contains(&(*run, key.clone())),
            };
            if !kept {
                let what = match promise {
                    Promise::Started(run) => format!("the start of run {run}"),
                    Promise::Cancelled(run) => format!("the cancelling of run {run}"),
                    Promise::Answered(approval) => format!("the answer to {approval}"),
                    Promise::Signalled(run, key) => format!("the signal {key} to run {run}"),
                };
                truth.violated(format!("{what} was acknowledged and is in no journal"));
            }
        }
        drop(truth);
        Ok(self.report())
    }

    fn report(&self) -> Report {
        let truth = self.disk.ground.truth();
        Report {
            runs: truth.runs.len(),
            commits: truth.commits,
            events: truth.events,
            crashes: self.crashes,
            trace: truth.trace.map(|trace| trace.to_string()).unwrap_or_default(),
            violations: truth.violations.clone(),
        }
    }
}

/// Does what somebody does, and says what came of it.
async fn carry_out(engine: &Engine, run: Option<RunId>, workflow: Option<Workflow>, turn: Turn) -> News {
    let outcome = match (&turn.act, run, &workflow) {
        (Act::Start { number, inputs, .. }, _, Some(workflow)) => {
            let options = StartOptions { by: somebody(), ..StartOptions::default() };
            return match engine.start(workflow, inputs.clone(), options).await {
                Ok(run) => News::Started(*number, run),
                Err(_) => News::Nothing,
            };
        }
        (Act::Signal { key, .. }, Some(run), _) => {
            let sent =
                engine.signal(run, "go".into(), serde_json::Value::Null, somebody(), Some(key.clone()));
            sent.await.map(|()| News::Kept(Promise::Signalled(run, key.clone())))
        }
        (Act::Cancel { .. }, Some(run), _) => {
            engine.cancel(run, somebody(), None).await.map(|()| News::Kept(Promise::Cancelled(run)))
        }
        (Act::Suspend { .. }, Some(run), _) => {
            engine.suspend(run, somebody(), None).await.map(|()| News::Nothing)
        }
        (Act::Resume { .. }, Some(run), _) => engine.resume(run, somebody()).await.map(|()| News::Nothing),
        _ => return News::Nothing,
    };
    match outcome {
        Ok(news) => news,
        // It is over, or stands still, or goes on already.
        Err(EngineError::Refused(_)) => News::Nothing,
        Err(_) => News::Cut(turn),
    }
}
