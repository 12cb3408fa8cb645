//! A test's run, from its start to its end or to where nothing can happen any more.

use pawl_core::definition::Definition;
use pawl_core::event::Event;
use pawl_core::journal::Envelope;
use pawl_core::source::test_file::{FaultKind, Says, TestCase};
use pawl_core::view::{RunHeader, Status, Waiting};
use pawl_core::{Failure, RunId, RunState};
use pawl_engine::{Clock as _, Engine, EngineError, StartOptions, Workflow};
use pawl_store::Store as _;

use crate::TestingError;
use crate::answer::{People, Turn, operator};
use crate::idle::Idle;
use crate::ledger::Call;
use crate::memory::{self, Memories};
use crate::model::Scripts;
use crate::outside::Outside;
use crate::path::Way;
use crate::process::{Process, World};
use crate::report::Finding;
use crate::stand_in::Script;
use crate::store::{CrashPoint, Written};

/// What is needed to run a test, as often as wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play<'a> {
    /// Has the plugins loaded.
    pub(crate) bench: &'a Engine,
    pub(crate) workflow: &'a Workflow,
    pub(crate) test: &'a TestCase,
    pub(crate) seed: u64,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) header: RunHeader,
    pub(crate) failure: Option<(Failure, Option<String>)>,
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) state: RunState,
    pub(crate) way: Way,
    pub(crate) calls: Vec<Call>,
    /// What memories that runs share hold in the end.
    pub(crate) memories: Memories,
    pub(crate) written: Vec<Written>,
    /// What the test's people and mocks found.
    pub(crate) findings: Vec<Finding>,
}

impl Play<'_> {
    /// Runs the test on an event loop of its own, with a crash more than those it asks for. Must not be
    /// called from within an event loop.
    pub(crate) fn run(&self, crash: Option<CrashPoint>) -> Result<Played, TestingError> {
        let idle = Idle::default();
        let parks = idle.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || parks.park())
            .build()?;
        let stage = Stage::new(*self, idle, crash);
        let played = runtime.block_on(stage.play());
        runtime.shutdown_background();
        played.map_err(|source| TestingError::Run { test: self.test.name.clone(), source })
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.workflow.definition
    }
}

/// A run under way.
struct Stage<'a> {
    play: Play<'a>,
    world: World,
    people: People<'a>,
    outside: Outside<'a>,
    crashes: usize,
}

/// What happens next when nothing happens by itself.
enum Next {
    Answer(Turn),
    /// What comes from outside, by its number.
    Outside(usize),
    Time,
    Nothing,
}

impl<'a> Stage<'a> {
    fn new(play: Play<'a>, idle: Idle, crash: Option<CrashPoint>) -> Self {
        let test = play.test;
        let faults = test.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::CrashAfter(seq) => Some(CrashPoint::AfterSeq(seq)),
            FaultKind::Fail { .. } | FaultKind::Slow { .. } => None,
        });
        let crashes = faults.chain(crash).collect();
        let scripts = test.models.iter().filter_map(|model| match &model.says {
            Says::Rules(script) => Some((model.name.clone(), script.clone())),
            // They were read before.
            Says::File(_) => None,
        });
        let scripts = scripts.collect();
        let world = World::new(Script::new(test), Scripts::new(scripts), idle, play.seed, test.at, crashes);
        Self { play, world, people: People::new(&test.people), outside: Outside::new(test), crashes: 0 }
    }

    async fn play(mut self) -> Result<Played, EngineError> {
        memory::give(&self.world.store, &self.play.definition().name, &self.play.test.memory).await?;
        let mut process = self.world.process(self.play.bench).await?;
        let run = self.start(&mut process).await?;
        self.outside.begin(run);
        loop {
            if process.store.is_dead() {
                process = self.again(process).await?;
            }
            if let Some(number) = self.outside.urgent() {
                self.send(&mut process, number).await?;
                continue;
            }
            tokio::select! {
                biased;
                () = process.store.died() => {
                    process = self.again(process).await?;
                    continue;
                }
                () = self.world.idle.wait() => {}
            }
            let header = self.world.store.run(run).await?.ok_or(EngineError::UnknownRun(run))?;
            if header.status.is_final() {
                return self.end(process, header).await;
            }
            match self.next(&process, run).await? {
                Next::Answer(turn) => self.answer(&mut process, &turn).await?,
                Next::Outside(number) => self.send(&mut process, number).await?,
                Next::Time => {}
                Next::Nothing => return self.end(process, header).await,
            }
        }
    }

    /// Another process after one that has died.
    async fn again(&mut self, dead: Process) -> Result<Process, EngineError> {
        self.crashes += 1;
        dead.engine.cut_off().await?;
        self.world.process(self.play.bench).await
    }

    /// Starts the run; who gets no answer starts it again, unless it is there.
    async fn start(&mut self, process: &mut Process) -> Result<RunId, EngineError> {
        loop {
            let inputs = self.play.test.inputs.value.clone();
            let options = StartOptions { by: operator(), ..StartOptions::default() };
            tokio::select! {
                biased;
                () = process.store.died() => {}
                started = process.engine.start(self.play.workflow, inputs, options) => return started,
            }
            let dead = std::mem::replace(process, self.world.process(self.play.bench).await?);
            self.crashes += 1;
            dead.engine.cut_off().await?;
            if let Some(run) = self.world.first_run() {
                return Ok(run);
            }
        }
    }

    /// Moves time to where something happens, and says what.
    async fn next(&mut self, process: &Process, run: RunId) -> Result<Next, EngineError> {
        let questions = self.world.questions(process).await?;
        let answer = self.people.next(&questions, self.crashes > 0, &self.world.script.ledger);
        let open = if self.outside.looks_on() { self.world.open(process).await? } else { Vec::new() };
        let outside = self.outside.next(&open, run, self.world.clock.now());
        let timer = self.world.clock.next();
        if let Some((at, number)) = outside
            && timer.is_none_or(|timer| at < timer)
            && answer.as_ref().is_none_or(|turn| at < turn.at)
        {
            self.world.clock.move_to(at);
            return Ok(Next::Outside(number));
        }
        match (answer, timer) {
            // What is due at the same instant happens first: an answer comes too late then.
            (Some(turn), timer) if timer.is_none_or(|timer| turn.at < timer) => {
                self.world.clock.move_to(turn.at);
                Ok(Next::Answer(turn))
            }
            (_, Some(timer)) => {
                self.world.clock.move_to(timer);
                Ok(Next::Time)
            }
            (_, None) => Ok(Next::Nothing),
        }
    }

    /// What was on its way when the process died is looked at by the next one.
    async fn send(&mut self, process: &mut Process, number: usize) -> Result<(), EngineError> {
        tokio::select! {
            biased;
            () = process.store.died() => Ok(()),
            sent = self.outside.send(number, &process.engine) => sent,
        }
    }

    async fn answer(&mut self, process: &mut Process, turn: &Turn) -> Result<(), EngineError> {
        let outcome = tokio::select! {
            biased;
            // Whether it was taken, the journal tells: the question is open still, or not.
            () = process.store.died() => return Ok(()),
            outcome = process.engine.answer(&turn.approval, turn.answer.clone()) => outcome,
        };
        match outcome {
            Ok(_) => self.people.taken(turn),
            Err(EngineError::Refused(refusal)) => self.people.refused(turn, &refusal.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn end(self, process: Process, header: RunHeader) -> Result<Played, EngineError> {
        let history = process.engine.history(header.id).await?;
        process.engine.shut_down().await?;
        let mut findings = self.people.findings.clone();
        findings.extend(self.people.unused());
        findings.extend(self.outside.findings.clone());
        findings.extend(self.outside.unused());
        findings.extend(self.world.script.findings());
        findings.extend(self.world.script.unused());
        findings.extend(self.uncrashed(history.envelopes.len()));
        if !header.status.is_final() && self.play.test.expect.status.value != Some(Status::Waiting) {
            findings.push(stuck(self.play.test, &header, &self.world.clock.now().to_string()));
        }
        let failure = history.envelopes.iter().rev().find_map(|envelope| match &envelope.event {
            Event::RunFailed { failure, step } => {
                Some((failure.clone(), step.as_ref().map(ToString::to_string)))
            }
            _ => None,
        });
        Ok(Played {
            way: Way::of(self.play.definition(), &history.envelopes),
            header,
            failure,
            envelopes: history.envelopes,
            state: history.state,
            calls: self.world.script.ledger.calls(),
            memories: memory::taken(&self.world.store).await?,
            written: self.world.tape.written(),
            findings,
        })
    }

    /// Crashes that the test asks for behind the journal's end.
    fn uncrashed(&self, events: usize) -> Vec<Finding> {
        if !self.world.tape.is_pending() {
            return Vec::new();
        }
        let late = self.play.test.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::CrashAfter(seq) if seq > events as u64 => Some((fault, seq)),
            _ => None,
        });
        let finding = |(fault, seq): (&pawl_core::source::test_file::Fault, u64)| Finding {
            place: fault.place.clone(),
            what: "crash_after".to_owned(),
            expected: format!("an event {seq}"),
            found: format!("the run has {events} events"),
        };
        late.map(finding).collect()
    }
}

/// The finding of a run that waits for what never comes.
fn stuck(test: &TestCase, header: &RunHeader, now: &str) -> Finding {
    let waits = match &header.waiting {
        Some(Waiting::Approval { step, title, .. }) => {
            format!("step '{step}' asks \"{title}\", and nobody answers: add an entry to `people`")
        }
        Some(Waiting::Signal { step, name, .. }) => {
            format!(
                "step '{step}' waits for the signal '{name}', and nobody sends it: add an entry to `signals`"
            )
        }
        Some(Waiting::Topic { step, pattern, .. }) => {
            format!(
                "step '{step}' waits for the topic {pattern}, and no event comes: add an entry to `events`"
            )
        }
        Some(Waiting::Route { step, wanted }) => {
            format!("step '{step}' waits for a plugin, {wanted}, and there is none")
        }
        Some(waiting) => format!("the run waits since {now} for {waiting:?}"),
        None => "a call never ends: give its step a timeout, or its mock a result".to_owned(),
    };
    Finding {
        place: test.place.clone(),
        what: "the run's end".to_owned(),
        expected: "it ends".to_owned(),
        found: waits,
    }
}
