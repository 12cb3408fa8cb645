//! What somebody does, and what comes of it.

use pawl_core::event::{Actor, Origin};
use pawl_core::{ApprovalId, Namespace, Refusal, RunId, VisitId};
use pawl_engine::{Engine, EngineError, StartOptions, Workflow};
use serde_json::{Value, json};

use crate::ground::Promise;
use crate::people::{Handling, Measure, Remedy, Reply};
use crate::plan::{Act, Turn};

/// How many events before the one that was asked for are tried to fork a run at.
const FORKS_MAX: usize = 12;
/// What events from outside come from.
const OUTSIDE: RunId = RunId::from_bytes([0xee; 16]);

/// What somebody did, and what came of it.
#[derive(Debug)]
pub(crate) enum News {
    Turn(Turn, Outcome),
    Reply(ApprovalId, Outcome),
    Remedy(Remedy, Outcome),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Started(usize, RunId),
    Kept(Promise),
    /// It was published, and these had waited for it.
    Published {
        topic: String,
        from: Origin,
        listeners: Vec<(RunId, VisitId)>,
    },
    /// It was refused, or promises nothing.
    Nothing,
    /// It may have been done or not, and is done again.
    NoAnswer,
    /// The run is not there.
    Unknown(RunId),
    /// It was no answer that there may be.
    Wrong(String),
}

/// What somebody is to do, with what it needs.
pub(crate) struct Deed {
    pub(crate) engine: Engine,
    pub(crate) turn: Turn,
    /// The run that it is about.
    pub(crate) run: Option<RunId>,
    /// The workflow that is to be started.
    pub(crate) workflow: Option<Workflow>,
    /// How far the run's journal goes.
    pub(crate) seq: u64,
    /// Who waits for the event that is published.
    pub(crate) listeners: Vec<(RunId, VisitId)>,
}

impl Deed {
    pub(crate) async fn carry_out(&self) -> Outcome {
        let Self { engine, turn, run, workflow, seq, listeners } = self;
        let run = *run;
        let by = turn.by();
        let outcome = match (&turn.act, run) {
            (Act::Start { number, inputs, .. }, _) => {
                return start(engine, workflow.as_ref(), inputs.clone(), *number, by).await;
            }
            (Act::Publish { topic }, _) => {
                let from = Origin { run: OUTSIDE, seq: turn.nth };
                let published =
                    engine.publish(&Namespace::default(), topic, json!({ "nth": turn.nth }), from).await;
                let listeners = listeners.clone();
                published.map(|()| Outcome::Published { topic: topic.clone(), from, listeners })
            }
            (Act::Prune(retention), _) => engine.prune(*retention).await.map(|_| Outcome::Nothing),
            (_, None) => return Outcome::Nothing,
            (Act::Signal { key, .. }, Some(run)) => {
                let sent = engine.signal(run, "go".into(), Value::Null, by, Some(key.clone())).await;
                sent.map(|()| Outcome::Kept(Promise::Signalled(run, key.clone())))
            }
            (Act::Cancel { .. }, Some(run)) => {
                let cancelled = engine.cancel(run, by.clone(), None).await;
                cancelled.map(|()| done(run, "run-cancelled", &by))
            }
            (Act::Suspend { .. }, Some(run)) => {
                let suspended = engine.suspend(run, by.clone(), None).await;
                suspended.map(|()| done(run, "run-suspended", &by))
            }
            (Act::Rerun { .. }, Some(run)) => return rerun(engine, run, by).await,
            (Act::Fork { place, .. }, Some(run)) => {
                return fork(engine, run, seq * (place + 1) / 3, by).await;
            }
        };
        outcome.unwrap_or_else(came_to)
    }
}

fn done(run: RunId, event: &'static str, by: &Actor) -> Outcome {
    Outcome::Kept(Promise::Done { run, event, by: by.name.clone() })
}

/// What an error says.
fn came_to(error: EngineError) -> Outcome {
    match error {
        EngineError::Store(_) | EngineError::Closed => Outcome::NoAnswer,
        // It is over, or stands still, or goes on already; or somebody answered before, or time did.
        EngineError::Refused(_) | EngineError::UnknownApproval(_) => Outcome::Nothing,
        EngineError::UnknownRun(run) => Outcome::Unknown(run),
        error => Outcome::Wrong(error.to_string()),
    }
}

async fn start(
    engine: &Engine,
    workflow: Option<&Workflow>,
    inputs: Value,
    number: usize,
    by: Actor,
) -> Outcome {
    let Some(workflow) = workflow else { return Outcome::Nothing };
    let options = StartOptions { by, ..StartOptions::default() };
    let started = engine.start(workflow, inputs, options).await;
    started.map_or_else(came_to, |run| Outcome::Started(number, run))
}

async fn rerun(engine: &Engine, run: RunId, by: Actor) -> Outcome {
    let rerun = engine.rerun(run, None, None, by.clone()).await;
    rerun.map_or_else(came_to, |new| done(new, "run-started", &by))
}

/// Forks a run at an event, or at one of those before it.
async fn fork(engine: &Engine, run: RunId, seq: u64, by: Actor) -> Outcome {
    for seq in (1..=seq).rev().take(FORKS_MAX) {
        match engine.fork(run, seq, Vec::new(), by.clone()).await {
            Ok(new) => return done(new, "run-forked", &by),
            Err(EngineError::Refused(Refusal::CannotFork(_))) => {}
            Err(error) => return came_to(error),
        }
    }
    Outcome::Nothing
}

/// Does something about a question.
pub(crate) async fn handle(engine: &Engine, reply: Reply) -> Outcome {
    let Reply { approval, by, what, .. } = reply;
    let (event, done_to) = match what {
        Handling::Answer(answer) => {
            let answered = engine.answer(&approval, answer).await;
            return answered.map_or_else(came_to, |_| Outcome::Kept(Promise::Answered(approval)));
        }
        Handling::Vote(answer) => ("approval-answered", engine.answer(&approval, answer).await),
        Handling::Claim => ("approval-claimed", engine.claim(&approval, by.clone()).await),
        Handling::Release => ("approval-released", engine.release(&approval, by.clone()).await),
        Handling::Delegate(to) => {
            ("approval-delegated", engine.delegate(&approval, to, by.clone(), None).await)
        }
        Handling::Comment(text) => ("approval-commented", engine.comment(&approval, text, by.clone()).await),
    };
    done_to.map_or_else(came_to, |run| done(run, event, &by))
}

/// Does something about a run that has ended or stands still.
pub(crate) async fn remedy(engine: &Engine, remedy: &Remedy) -> Outcome {
    let (run, by) = (remedy.run, remedy.by());
    let outcome = match &remedy.what {
        Measure::Resume => engine.resume(run, by.clone()).await.map(|()| "run-resumed"),
        Measure::Retry(step) => engine.retry(run, step.clone(), by.clone()).await.map(|()| "run-retried"),
        Measure::Rerun => return rerun(engine, run, by).await,
        Measure::Fork(seq) => return fork(engine, run, *seq, by).await,
    };
    outcome.map_or_else(came_to, |event| done(run, event, &by))
}
