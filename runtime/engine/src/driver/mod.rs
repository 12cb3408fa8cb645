//! One loop over a closed set of messages: it owns every run in memory.
//!
//! The order of things is fixed: decide, commit, and only then answer, tell
//! and carry out. A run has at most one commit under way; what comes meanwhile
//! waits in its queue and shares the next one. A run without anything to do is
//! dropped; its journal is all that is needed to go on.

mod active;
mod commit;
mod context;
mod dispatch;
mod gate;
mod letters;
mod load;
mod message;
mod routes;
mod slots;
mod timers;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use pawl_core::RunId;
use pawl_store::StoreError;
use tokio::sync::{broadcast, mpsc, oneshot};

use active::ActiveRun;
pub(crate) use active::{subscriptions, tickets};
pub(crate) use context::{Context, Mailbox};
use letters::Letters;
pub(crate) use letters::tell_hearers;
pub(crate) use message::{Acknowledged, Message, NewRun, Queued, Reply};
use routes::Seekers;
use slots::Slots;
use timers::Timers;
use watch::Watchers;

use crate::EngineError;

/// A run that this process has in hand.
#[derive(Debug)]
enum Resident {
    /// Its journal is being read.
    Loading(VecDeque<Queued>),
    /// Its state is in memory.
    Active(Box<ActiveRun>),
}

/// The loop and what it owns.
#[derive(Debug)]
pub(crate) struct Driver {
    context: Arc<Context>,
    outside: mpsc::Receiver<Message>,
    inside: mpsc::UnboundedReceiver<Message>,
    /// Followers listen to it, and hear of the loop's end by its own.
    grown: broadcast::Sender<RunId>,
    residents: HashMap<RunId, Resident>,
    watchers: Watchers,
    timers: Timers,
    letters: Letters,
    slots: Slots,
    seekers: Seekers,
    /// How many instances of attempts were begun.
    instances: u64,
    /// Who waits until nothing is under way, once no attempt is begun any more.
    draining: Option<Vec<oneshot::Sender<()>>>,
    /// Why the store takes nothing more in this process, once it is so: the loop ends with it.
    failed: Option<StoreError>,
}

impl Driver {
    pub(crate) fn new(
        context: Arc<Context>,
        outside: mpsc::Receiver<Message>,
        inside: mpsc::UnboundedReceiver<Message>,
        grown: broadcast::Sender<RunId>,
    ) -> Self {
        Self {
            context,
            outside,
            inside,
            grown,
            residents: HashMap::new(),
            slots: Slots::default(),
            seekers: Seekers::default(),
            watchers: Watchers::default(),
            timers: Timers::default(),
            letters: Letters::default(),
            instances: 0,
            draining: None,
            failed: None,
        }
    }

    /// Runs until it is told to stop, nobody can send any more, or the store has failed for good.
    pub(crate) async fn run(mut self) {
        loop {
            let clock = Arc::clone(&self.context.config.clock);
            let next = self.timers.next();
            let look = self.seekers.next();
            let message = tokio::select! {
                biased;
                () = async { if let Some(at) = next { clock.sleep_until(at).await } }, if next.is_some() => {
                    Message::TimeHasCome
                }
                () = async {
                    let Some((poll, wake)) = look else { return };
                    tokio::select! {
                        () = tokio::time::sleep_until(poll) => {}
                        () = async { if let Some(at) = wake { clock.sleep_until(at).await } }, if wake.is_some() => {}
                    }
                }, if look.is_some() => Message::LookForPlugins,
                Some(message) = self.inside.recv() => message,
                // The last engine is gone. Its own senders keep `inside` open.
                message = self.outside.recv() => message.unwrap_or(Message::Stop),
            };
            match message {
                Message::Stop => return self.stop().await,
                Message::CutOff => return self.cut_off(),
                message => self.handle(message),
            }
            self.tell_drained();
            if let Some(error) = self.failed.take() {
                return self.fall(&error);
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Start(new) => self.start(*new),
            Message::Command { run, queued } => self.enqueue(run, queued),
            Message::TakeUp(run) => self.take_up(run),
            Message::Begin(run) => self.begin(run),
            Message::MayBeThere(run) => self.may_be_there(run),
            Message::Loaded { run, is_new, outcome } => self.loaded(run, is_new, outcome),
            Message::Committed { run, outcome, batch } => self.committed(run, outcome, batch),
            Message::Resubmit { run, batch } => self.submit(run, batch),
            Message::AttemptEnded { key, end } => self.attempt_ended(key, end),
            Message::LookForPlugins => self.look_for_plugins(),
            Message::PluginsLooked { found, wake } => self.plugins_looked(found, wake),
            Message::SearchEnded { key, routed } => self.search_ended(key, routed),
            Message::Watch { run, reply } => self.watch(run, reply),
            Message::HeaderRead { run, outcome } => self.header_read(run, outcome),
            Message::ServeTimers(next) => {
                self.timers.serve_store(next);
                self.serve_slots();
            }
            Message::Tickets(tickets) => self.tickets_read(tickets),
            Message::WhoWaits(reply) => self.tell_waiting(reply),
            Message::WhoIsAhead { run, reply } => self.tell_ahead(run, reply),
            Message::TimeHasCome => self.time_has_come(),
            Message::Due { runs, next } => self.due(runs, next),
            Message::StoreFailed(error) => self.failed = Some(error),
            Message::ChildReady { origin, child, parent, outcome } => {
                self.child_ready(origin, child, parent, outcome);
            }
            Message::Delivered(letters) => self.delivered(letters),
            Message::Undelivered { origin, error } => self.undelivered(origin, &error),
            Message::Redeliver => self.redeliver(),
            Message::Outgoing(letters) => {
                for (origin, letter) in letters {
                    self.send(origin.run, vec![(origin.seq, letter)]);
                }
            }
            Message::WhenQuiet(reply) => self.letters.when_quiet(reply),
            Message::Count(reply) => {
                let _ = reply.send(self.residents.len());
            }
            Message::Drain(reply) => self.draining.get_or_insert_default().push(reply),
            Message::Stop | Message::CutOff => {}
        }
    }

    /// Tells those who wait for it that nothing is under way, when it is so.
    fn tell_drained(&mut self) {
        let Some(waiting) = self.draining.as_ref().filter(|waiting| !waiting.is_empty()) else { return };
        let is_loading = self.residents.values().any(|resident| matches!(resident, Resident::Loading(_)));
        if is_loading || self.active().any(|active| !active.is_idle()) {
            return;
        }
        tracing::info!(waiting = waiting.len(), "nothing is under way");
        for reply in self.draining.iter_mut().flat_map(std::mem::take) {
            let _ = reply.send(());
        }
    }

    /// What is under way is given up and runs again after the next start. What the store has in hand is waited
    /// for: whoever asked for it is told, and another engine on the store finds it as it stays.
    async fn stop(mut self) {
        self.give_up_attempts();
        let mut in_hand = self.active().filter(|active| active.is_in_hand()).count();
        while in_hand > 0
            && let Some(message) = self.inside.recv().await
        {
            if let Message::Committed { run, outcome, .. } = message
                && let Some(Resident::Active(active)) = self.residents.get_mut(&run)
                // One that failed before was not counted, though it may come now.
                && active.is_in_hand()
                && let Some(pending) = active.pending.take()
            {
                in_hand -= 1;
                commit::answer_all(pending.replies, outcome);
            }
        }
    }

    /// As a crash would: what the store has in hand may be done or not, and nobody is told.
    fn cut_off(self) {
        self.give_up_attempts();
    }

    /// Nothing can be recorded any more, so nothing is done. Everybody who waits hears why; another process opens
    /// the store anew and goes on.
    fn fall(self, error: &StoreError) {
        tracing::error!("the engine ends: {error}");
        let error = || EngineError::Store(error.clone());
        for (_, resident) in self.residents {
            match resident {
                // The next process delivers what it leaves.
                Resident::Active(active) => drop(active.fail(error)),
                Resident::Loading(queue) => {
                    queue
                        .into_iter()
                        .filter_map(|queued| queued.reply)
                        .for_each(|reply| reply.send(Err(error())));
                }
            }
        }
        for watcher in self.watchers.into_values().flatten() {
            let _ = watcher.send(Err(error()));
        }
    }

    fn give_up_attempts(&self) {
        self.active().for_each(ActiveRun::abort_all);
    }

    fn active(&self) -> impl Iterator<Item = &ActiveRun> {
        self.residents.values().filter_map(|resident| match resident {
            Resident::Active(active) => Some(&**active),
            Resident::Loading(_) => None,
        })
    }
}
