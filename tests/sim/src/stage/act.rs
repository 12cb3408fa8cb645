//! Somebody acts; and what came of it is heard.
//!
//! That is later: the store may be slow, and time must go on meanwhile.

use std::future::Future;
use std::sync::{Arc, PoisonError};

use pawl_core::Duration;
use pawl_engine::Clock as _;

use super::{Process, Stage};
use crate::doing::{Deed, News, Outcome, handle, remedy};
use crate::ground::Promise;
use crate::people::{Remedy, Reply};
use crate::plan::{Act, Turn};

/// When somebody tries again what a crash or a fault cut off.
const AGAIN: Duration = Duration::from_secs(1);

impl Stage<'_> {
    pub(super) fn act(&mut self, process: &Process, turn: Turn) {
        let run = turn.act.number().map(|number| self.runs.get(&number).copied());
        // A start that was cut off has no run that anybody knows of.
        if run == Some(None) {
            return;
        }
        let run = run.flatten();
        let mut truth = self.disk.ground.truth();
        let mut deed = Deed {
            engine: process.engine.clone(),
            run,
            workflow: None,
            seq: run.and_then(|run| truth.runs.get(&run)).map_or(0, |followed| followed.head.seq),
            listeners: Vec::new(),
            turn: turn.clone(),
        };
        match &turn.act {
            Act::Start { workflow, .. } => deed.workflow = self.workflows.get(*workflow).cloned(),
            Act::Publish { topic } => deed.listeners = truth.listeners(topic),
            Act::Prune(retention) => truth.retentions.push(*retention),
            _ => {}
        }
        drop(truth);
        self.spawn(process, |outcome| News::Turn(turn, outcome), async move { deed.carry_out().await });
    }

    pub(super) fn answer(&mut self, process: &Process, reply: Reply) {
        self.answering.insert(reply.approval.clone());
        let (engine, of) = (process.engine.clone(), reply.approval.clone());
        let doing = async move { handle(&engine, reply).await };
        self.spawn(process, |outcome| News::Reply(of, outcome), doing);
    }

    pub(super) fn remedy(&mut self, process: &Process, wanted: Remedy) {
        self.remedied.insert((wanted.run, wanted.seq), None);
        let (engine, of) = (process.engine.clone(), wanted.clone());
        let doing = async move { remedy(&engine, &wanted).await };
        self.spawn(process, |outcome| News::Remedy(of, outcome), doing);
    }

    fn spawn(
        &self,
        process: &Process,
        news: impl FnOnce(Outcome) -> News + Send + 'static,
        doing: impl Future<Output = Outcome> + Send + 'static,
    ) {
        let (heard, store) = (Arc::clone(&self.heard), Arc::clone(&process.store));
        tokio::spawn(async move {
            let outcome = tokio::select! {
                biased;
                () = store.died() => Outcome::NoAnswer,
                outcome = doing => outcome,
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(news(outcome));
        });
    }

    /// Takes in what came of what somebody did.
    pub(super) fn hear(&mut self) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let again = self.clock.now().after(AGAIN);
        for news in heard {
            self.disk.ground.truth().tell(self.clock.now(), || format!("{news:?}"));
            match news {
                // Whoever started a run and got no answer does not know of it, and leaves it.
                News::Turn(turn, Outcome::NoAnswer) if turn.act.makes_a_run() => {}
                News::Turn(turn, Outcome::NoAnswer) => {
                    let later = |other: &Turn| other.at <= again;
                    let place = self.turns.iter().position(later).unwrap_or(self.turns.len());
                    self.turns.insert(place, Turn { at: again, ..turn });
                }
                News::Turn(turn, Outcome::Started(number, run)) => {
                    self.runs.insert(number, run);
                    let by = turn.by().name;
                    self.promised.push(Promise::Done { run, event: "run-started", by });
                }
                News::Reply(approval, outcome) => {
                    // Whoever looks again finds it open, or not.
                    self.answering.remove(&approval);
                    *self.tries.entry(approval.clone()).or_default() += 1;
                    self.again.insert(approval, again);
                    self.take(outcome);
                }
                News::Remedy(remedy, Outcome::NoAnswer) if !remedy.what.makes_a_run() => {
                    self.remedied.insert((remedy.run, remedy.seq), Some(again));
                }
                News::Turn(_, outcome) | News::Remedy(_, outcome) => self.take(outcome),
            }
        }
    }

    fn take(&mut self, outcome: Outcome) {
        let mut truth = self.disk.ground.truth();
        match outcome {
            Outcome::Kept(promise) => self.promised.push(promise),
            Outcome::Published { topic, from, listeners } => truth.check_heard(&topic, from, &listeners),
            Outcome::Unknown(run) if truth.runs.contains_key(&run) => {
                truth.violated(format!("run {run} is there, and pawl does not know it"));
            }
            Outcome::Wrong(what) => truth.violated(format!("somebody was told: {what}")),
            Outcome::Started(..) | Outcome::Nothing | Outcome::NoAnswer | Outcome::Unknown(_) => {}
        }
    }
}
