//! What comes from outside in a test: signals, events on topics, a cancel.
//!
//! Something is met when a step waits for it; its instant is fixed then, and
//! it comes at that instant, whatever became of the wait. Outlives processes,
//! as whoever sends it does: where a process died under a delivery, the
//! journal tells whether it arrived.

use pawl_core::event::{Awaited, Event, Origin};
use pawl_core::source::test_file::{Cancelling, Comes, OutsideEvent, Place, SentSignal, TestCase};
use pawl_core::topic::matches;
use pawl_core::{Namespace, RunId, RunState, StepId, Timestamp, VisitId};
use pawl_engine::{Engine, EngineError, RunHistory};

use crate::answer::operator;
use crate::report::Finding;

/// A run that goes on, as far as it is of interest here.
#[derive(Debug)]
pub(crate) struct Open {
    run: RunId,
    /// What its steps wait for.
    listens: Vec<(VisitId, StepId, Awaited)>,
    /// The steps that have begun and are not done.
    steps: Vec<(StepId, Timestamp)>,
}

impl Open {
    pub(crate) fn of(state: &RunState) -> Self {
        let listens = state.active().flat_map(|(id, visit)| {
            let calls = visit.calls.open().filter_map(|(_, call)| call.awaited());
            let calls = calls.map(|(name, _)| Awaited::Signal(name.to_owned()));
            let awaited = visit.awaited().cloned().into_iter().chain(calls);
            awaited.map(|awaited| (id, visit.step.clone(), awaited)).collect::<Vec<_>>()
        });
        let steps = state.active().map(|(_, visit)| (visit.step.clone(), visit.started_at));
        Self { run: state.id(), listens: listens.collect(), steps: steps.collect() }
    }
}

#[derive(Debug, Clone, Copy)]
enum What<'t> {
    Signal(&'t SentSignal),
    Event(&'t OutsideEvent),
    Cancel(&'t Cancelling),
}

/// How far something got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing waits for it yet.
    Unmet,
    /// It comes at this instant, to this run; for this visit.
    Due(RunId, Option<VisitId>, Timestamp),
    /// It was on its way when the process died; so many signals had come before.
    Sending(RunId, usize),
    Done,
}

/// All that comes from outside in one test.
#[derive(Debug)]
pub(crate) struct Outside<'t> {
    posts: Vec<(What<'t>, Stage)>,
    begin: Timestamp,
    pub(crate) findings: Vec<Finding>,
}

impl<'t> Outside<'t> {
    pub(crate) fn new(test: &'t TestCase) -> Self {
        let signals = test.signals.iter().map(What::Signal);
        let events = test.events.iter().map(What::Event);
        let all = signals.chain(events).chain(test.cancel.iter().map(What::Cancel));
        Self { posts: all.map(|what| (what, Stage::Unmet)).collect(), begin: test.at, findings: Vec::new() }
    }

    /// The run has begun: the instant of whatever does not wait for a step is known.
    pub(crate) fn begin(&mut self, run: RunId) {
        for (what, stage) in &mut self.posts {
            let after = match what {
                What::Signal(SentSignal { comes: Comes { early: true, after, .. }, .. })
                | What::Event(OutsideEvent { comes: Comes { early: true, after, .. }, .. })
                | What::Cancel(Cancelling { step: None, after, .. }) => *after,
                What::Signal(_) | What::Event(_) | What::Cancel(_) => continue,
            };
            *stage = Stage::Due(run, None, self.begin.after(after));
        }
    }

    /// What comes before anything else: what a dead process was to take, and what comes at the start.
    pub(crate) fn urgent(&self) -> Option<usize> {
        let at_start = Timestamp(self.begin.0);
        self.posts.iter().position(|(_, stage)| match stage {
            Stage::Sending(..) => true,
            Stage::Due(_, None, at) => *at == at_start,
            Stage::Due(..) | Stage::Unmet | Stage::Done => false,
        })
    }

    /// Whether it matters what runs wait for.
    pub(crate) fn looks_on(&self) -> bool {
        self.posts.iter().any(|(_, stage)| *stage == Stage::Unmet)
    }

    /// Sees what runs wait for; gives what comes next, and when.
    pub(crate) fn next(&mut self, open: &[Open], own: RunId, now: Timestamp) -> Option<(Timestamp, usize)> {
        for number in 0..self.posts.len() {
            if self.posts[number].1 == Stage::Unmet
                && let Some(stage) = self.met(number, open, own, now)
            {
                self.posts[number].1 = stage;
            }
        }
        let due = self.posts.iter().enumerate().filter_map(|(number, (_, stage))| match stage {
            Stage::Due(_, _, at) => Some((*at, number)),
            Stage::Unmet | Stage::Sending(..) | Stage::Done => None,
        });
        due.min()
    }

    fn met(&self, number: usize, open: &[Open], own: RunId, now: Timestamp) -> Option<Stage> {
        let meant = |comes: &Comes, step: &StepId| {
            comes.step.as_ref().is_none_or(|wanted| wanted.value == step.as_str())
        };
        let waits = || open.iter().flat_map(|at| at.listens.iter().map(|listens| (at.run, listens)));
        match self.posts[number].0 {
            What::Signal(signal) => {
                let found = waits().find(|(run, (visit, step, awaited))| {
                    *awaited == Awaited::Signal(signal.name.value.clone())
                        && meant(&signal.comes, step)
                        && !self.is_promised(*run, *visit)
                });
                let (run, (visit, ..)) = found?;
                Some(Stage::Due(run, Some(*visit), now.after(signal.comes.after)))
            }
            What::Event(event) => {
                let found = waits().find(|(run, (visit, step, awaited))| {
                    hears(awaited, &event.topic.value)
                        && meant(&event.comes, step)
                        && !self.will_hear(awaited)
                        && !self.is_promised(*run, *visit)
                });
                let (run, (visit, ..)) = found?;
                Some(Stage::Due(run, Some(*visit), now.after(event.comes.after)))
            }
            What::Cancel(cancel) => {
                let step = cancel.step.as_ref()?;
                let mut steps = open.iter().filter(|at| at.run == own).flat_map(|at| &at.steps);
                steps.find(|(id, _)| id.as_str() == step.value)?;
                Some(Stage::Due(own, None, now.after(cancel.after)))
            }
        }
    }

    /// Whether something comes for this visit already.
    fn is_promised(&self, run: RunId, visit: VisitId) -> bool {
        self.posts.iter().any(
            |(_, stage)| matches!(stage, Stage::Due(to, Some(for_visit), _) if (*to, *for_visit) == (run, visit)),
        )
    }

    /// Whether an event comes already that whoever waits so hears.
    fn will_hear(&self, awaited: &Awaited) -> bool {
        self.posts.iter().any(|(what, stage)| match what {
            What::Event(event) => matches!(stage, Stage::Due(..)) && hears(awaited, &event.topic.value),
            What::Signal(_) | What::Cancel(_) => false,
        })
    }

    /// Sends one on its way. Where the process dies under it, it stays on its way.
    pub(crate) async fn send(&mut self, number: usize, engine: &Engine) -> Result<(), EngineError> {
        let (what, stage) = self.posts[number];
        let (run, before) = match stage {
            Stage::Due(run, ..) => (run, None),
            Stage::Sending(run, before) => (run, Some(before)),
            Stage::Unmet | Stage::Done => return Ok(()),
        };
        let history = engine.history(run).await?;
        let received = received(&history);
        if before.is_some_and(|before| has_arrived(what, &history, received > before)) {
            self.posts[number].1 = Stage::Done;
            return Ok(());
        }
        self.posts[number].1 = Stage::Sending(run, received);
        let outcome = match what {
            What::Signal(SentSignal { name, data, key, .. }) => {
                engine.signal(run, name.value.clone(), data.value.clone(), operator(), key.clone()).await
            }
            What::Event(event) => {
                // A name that no run has: the first of all that could begin at that instant.
                let from = Origin { run: RunId::at(self.begin, 0), seq: number as u64 + 1 };
                engine.publish(&Namespace::default(), &event.topic.value, event.data.clone(), from).await
            }
            What::Cancel(cancel) => engine.cancel(run, operator(), cancel.reason.clone()).await,
        };
        self.posts[number].1 = Stage::Done;
        self.judge(what, outcome)
    }

    fn judge(&mut self, what: What<'t>, outcome: Result<(), EngineError>) -> Result<(), EngineError> {
        let refused = matches!(what, What::Signal(signal) if signal.refused);
        let found = match outcome {
            Ok(()) if refused => "it was taken".to_owned(),
            Err(EngineError::Refused(why)) if !refused => why.to_string(),
            Ok(()) | Err(EngineError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let expected = if refused { "it is refused" } else { "it is taken" };
        self.findings.push(finding(what, expected.to_owned(), found));
        Ok(())
    }

    /// What never came.
    pub(crate) fn unused(&self) -> Vec<Finding> {
        let unused = self.posts.iter().filter_map(|(what, stage)| {
            let (expected, found) = match (what, stage) {
                (What::Cancel(_), Stage::Due(..)) => {
                    ("the run is cancelled".to_owned(), "it had ended before".to_owned())
                }
                // One of these that is due came too late: the wait was over, and then the run.
                (_, Stage::Due(..) | Stage::Done | Stage::Sending(..)) => return None,
                (What::Signal(signal), Stage::Unmet) => (
                    format!("a step waits for the signal '{}'", signal.name.value),
                    "none did, or not so often".to_owned(),
                ),
                (What::Event(event), Stage::Unmet) => (
                    format!("a step waits for the topic {}", event.topic.value),
                    "none did, or not so often".to_owned(),
                ),
                (What::Cancel(cancel), Stage::Unmet) => {
                    let step = cancel.step.as_ref().map(|step| step.value.as_str()).unwrap_or_default();
                    (format!("the run waits at step '{step}'"), "it never did".to_owned())
                }
            };
            Some(finding(*what, expected, found))
        });
        unused.collect()
    }
}

fn hears(awaited: &Awaited, topic: &str) -> bool {
    matches!(awaited, Awaited::Topic(pattern) if matches(pattern, topic))
}

/// How many signals came in so far.
fn received(history: &RunHistory) -> usize {
    let signals = history.envelopes.iter().filter(|at| matches!(at.event, Event::SignalReceived(_)));
    signals.count()
}

/// Whether what was on its way when a process died has arrived. An event that all have heard is told
/// again, which changes nothing.
fn has_arrived(what: What<'_>, history: &RunHistory, signal_came: bool) -> bool {
    match what {
        What::Signal(_) => signal_came,
        What::Event(_) => false,
        What::Cancel(_) => history.envelopes.iter().any(|at| {
            matches!(at.event, Event::RunCancelled { .. } | Event::UndoStarted { cancelled: Some(_), .. })
        }),
    }
}

fn finding(what: What<'_>, expected: String, found: String) -> Finding {
    let (place, what): (&Place, String) = match what {
        What::Signal(signal) => (&signal.place, format!("signal '{}'", signal.name.value)),
        What::Event(event) => (&event.place, format!("event {}", event.topic.value)),
        What::Cancel(cancel) => (&cancel.place, "cancel".to_owned()),
    };
    Finding { place: place.clone(), what, expected, found }
}
