//! What is due, and when: of runs that this process has touched, and of all others in the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use pawl_core::{Command, Duration, RunId, Timestamp};
use pawl_store::StoreError;

use super::Driver;
use super::message::{Message, Queued};
use crate::EngineError;
use crate::metrics::Metrics;

/// How many due runs are taken from the store at once.
const DUE_PAGE_RUNS: usize = 256;
/// The pause after the store failed, for a run or for all.
pub(super) const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// The pause before a due run that cannot be read is tried again.
pub(super) const DAMAGE_PAUSE: Duration = Duration::from_secs(60);

/// The instants at which something is due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Timestamp, RunId)>,
    by_run: HashMap<RunId, Timestamp>,
    /// Whether the timers of runs that wait in the store are served, too.
    serves_store: bool,
    /// The earliest of those.
    store_next: Option<Timestamp>,
    /// Taken from the store and not settled; the store is not asked again before they are.
    in_hand: HashSet<RunId>,
    asking: bool,
}

impl Timers {
    /// The earliest instant.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let own = self.by_time.first().map(|(at, _)| *at);
        let may_ask = self.in_hand.is_empty() && !self.asking;
        let stored = self.store_next.filter(|_| may_ask);
        own.into_iter().chain(stored).min()
    }

    pub(super) fn serve_store(&mut self, next: Option<Timestamp>) {
        self.serves_store = true;
        self.store_next = self.store_next.into_iter().chain(next).min();
    }

    /// Sets a run's timer. One that leaves memory is left to the store, when that is served.
    pub(super) fn set(&mut self, run: RunId, at: Option<Timestamp>, leaves: bool) {
        self.clear(run);
        // Nothing of it waits to be committed, so the store is current.
        self.in_hand.remove(&run);
        match at {
            Some(at) if leaves && self.serves_store => {
                self.store_next = Some(self.store_next.map_or(at, |next| next.min(at)));
            }
            Some(at) => {
                self.by_time.insert((at, run));
                self.by_run.insert(run, at);
            }
            None => {}
        }
    }

    fn clear(&mut self, run: RunId) {
        if let Some(at) = self.by_run.remove(&run) {
            self.by_time.remove(&(at, run));
        }
    }

    /// A run that could not be read: tried again soon when the store failed, rarely when it is
    /// due but damaged, and not at all when it was only asked for.
    pub(super) fn put_off(&mut self, run: RunId, now: Timestamp, passing: bool) {
        let due = self.in_hand.contains(&run);
        let pause = if passing { Some(TROUBLE_PAUSE) } else { due.then_some(DAMAGE_PAUSE) };
        self.set(run, pause.map(|pause| now.after(pause)), false);
    }

    /// A run that could not be committed is tried again after a pause.
    pub(super) fn try_again(&mut self, run: RunId, now: Timestamp) {
        self.set(run, Some(now.after(TROUBLE_PAUSE)), false);
    }

    /// A run's change is durable, and with it its place among what is due.
    pub(super) fn settled(&mut self, run: RunId) {
        self.in_hand.remove(&run);
    }

    fn take_due(&mut self, now: Timestamp, metrics: &Metrics) -> Vec<RunId> {
        let mut due = Vec::new();
        while let Some((at, run)) = self.by_time.first().copied() {
            if at > now {
                break;
            }
            self.clear(run);
            metrics.served_late(now.since(at));
            due.push(run);
        }
        due
    }
}

impl Driver {
    pub(super) fn time_has_come(&mut self) {
        let now = self.context.config.clock.now();
        for run in self.timers.take_due(now, &self.context.metrics) {
            self.enqueue(run, Queued::new(Command::Tick));
        }
        let stored = self.timers.store_next.is_some_and(|next| next <= now);
        if stored && self.timers.in_hand.is_empty() && !self.timers.asking {
            self.timers.asking = true;
            // What runs leave to the store meanwhile is not in its answer.
            self.timers.store_next = None;
            self.ask_store(now);
        }
    }

    fn ask_store(&self, now: Timestamp) {
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let due = context.store.due(now, DUE_PAGE_RUNS).await;
            let next = context.store.next_due().await;
            let (runs, next) = match (due, next) {
                (Ok(due), Ok(next)) => {
                    for (at, _) in &due {
                        context.metrics.served_late(now.since(*at));
                    }
                    (due.into_iter().map(|(_, run)| run).collect(), next)
                }
                (Err(error @ StoreError::Failed(_)), _) | (_, Err(error @ StoreError::Failed(_))) => {
                    return context.mailbox.send(Message::StoreFailed(error));
                }
                (Err(error), _) | (_, Err(error)) => {
                    let error = EngineError::Store(error);
                    tracing::error!("the store cannot tell what is due: {error}");
                    (Vec::new(), Some(now.after(TROUBLE_PAUSE)))
                }
            };
            context.mailbox.send(Message::Due { runs, next });
        });
    }

    pub(super) fn due(&mut self, runs: Vec<RunId>, next: Option<Timestamp>) {
        self.timers.asking = false;
        // A run that could not be loaded or committed has a timer of its own: it is tried again then.
        let found = !runs.is_empty();
        let ready: Vec<_> = runs.into_iter().filter(|run| !self.timers.by_run.contains_key(run)).collect();
        let soonest = self.context.config.clock.now().after(TROUBLE_PAUSE);
        let stuck = found && ready.is_empty();
        let next = if stuck { next.map(|next| next.max(soonest)) } else { next };
        self.timers.store_next = self.timers.store_next.into_iter().chain(next).min();
        for run in ready {
            self.timers.in_hand.insert(run);
            self.enqueue(run, Queued::new(Command::Tick));
        }
    }
}
