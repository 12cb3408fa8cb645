//! Slots: what the gate knows of them comes from the store and from the runs, and what it says goes to the runs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use pawl_core::{Command, RunId, Ticket};
use pawl_store::StoreError;
use tokio::sync::oneshot;

use super::gate::Gate;
use super::message::{Message, Queued};
use super::timers::TROUBLE_PAUSE;
use super::{Context, Driver, Resident};
use crate::{EngineError, journal};

/// Tickets that are read from the store at once.
const TICKETS_PAGE: usize = 1_000;

/// Who has which slot, and how much of that is known.
#[derive(Debug, Default)]
pub(super) struct Slots {
    gate: Gate,
    known: Known,
    /// Questions that came before it was known who has what.
    asked: Vec<Message>,
}

/// Whether the store was asked who holds and wants what. It is, as soon as anybody wants a slot.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// The store is asked; what these runs said meanwhile is newer than what it says.
    Asked {
        heard: HashSet<RunId>,
        /// The keys that they touched.
        touched: BTreeSet<String>,
        /// Whether the runs of all keys go on.
        all: bool,
    },
    All,
}

impl Driver {
    /// Takes in what a run holds and waits for, all of it durable, and tells those who follow.
    pub(super) fn mind_slots(&mut self, run: RunId) {
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        if !std::mem::take(&mut active.slots_changed) {
            return;
        }
        if std::mem::take(&mut active.ignored_slot) {
            self.slots.gate.untold(run);
        }
        let touched = self.slots.gate.update(run, active.state.tickets());
        if let Known::Asked { heard, .. } = &mut self.slots.known {
            heard.insert(run);
        }
        if touched.is_empty() {
            return;
        }
        self.ask_who_has_slots(false);
        match &mut self.slots.known {
            Known::Nothing => {}
            Known::Asked { heard, touched: before, .. } => {
                heard.insert(run);
                before.extend(touched);
            }
            Known::All => self.admit(&touched),
        }
    }

    /// Lets all go on that have or get a slot, also those that nobody has touched.
    pub(super) fn serve_slots(&mut self) {
        self.ask_who_has_slots(true);
        if matches!(self.slots.known, Known::All) {
            let keys = self.slots.gate.keys();
            self.admit(&keys);
        }
    }

    /// Tells which runs wait for a slot.
    pub(super) fn tell_waiting(&mut self, reply: oneshot::Sender<Vec<RunId>>) {
        self.ask_who_has_slots(false);
        if matches!(self.slots.known, Known::All) {
            let _ = reply.send(self.slots.gate.waiting().into_iter().collect());
        } else {
            self.slots.asked.push(Message::WhoWaits(reply));
        }
    }

    /// Tells whose slots a run waits for.
    pub(super) fn tell_ahead(&mut self, run: RunId, reply: oneshot::Sender<Vec<RunId>>) {
        self.ask_who_has_slots(false);
        if matches!(self.slots.known, Known::All) {
            let _ = reply.send(self.slots.gate.ahead(run).into_iter().collect());
        } else {
            self.slots.asked.push(Message::WhoIsAhead { run, reply });
        }
    }

    /// A run did not take in what it was told, and will be loaded again.
    pub(super) fn slots_untold(&mut self, run: RunId) {
        self.slots.gate.untold(run);
    }

    /// A run whose journal cannot be read neither holds nor wants anything: it must not keep others waiting.
    pub(super) fn forget_slots(&mut self, run: RunId) {
        let freed = self.slots.gate.update(run, std::iter::empty());
        match &mut self.slots.known {
            Known::Nothing => {}
            Known::Asked { heard, touched, .. } => {
                heard.insert(run);
                touched.extend(freed);
            }
            Known::All => self.admit(&freed),
        }
    }

    fn ask_who_has_slots(&mut self, wants_all: bool) {
        match &mut self.slots.known {
            Known::Nothing => {
                let (heard, touched) = (HashSet::new(), BTreeSet::new());
                self.slots.known = Known::Asked { heard, touched, all: wants_all };
                self.read_tickets();
            }
            Known::Asked { all, .. } => *all |= wants_all,
            Known::All => {}
        }
    }

    fn read_tickets(&self) {
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            loop {
                match tickets(&context).await {
                    Ok(tickets) => return context.mailbox.send(Message::Tickets(tickets)),
                    // It will not be read later either. What runs say themselves is known all the same.
                    Err(error @ StoreError::Damaged(_)) => {
                        tracing::error!(
                            "who has which slot is not known, more than the limits may go on: {error}"
                        );
                        return context.mailbox.send(Message::Tickets(Vec::new()));
                    }
                    Err(error) => tracing::error!("the store cannot tell who has which slot: {error}"),
                }
                let clock = &context.config.clock;
                clock.sleep_until(clock.now().after(TROUBLE_PAUSE)).await;
            }
        });
    }

    /// The store said who holds and wants what.
    pub(super) fn tickets_read(&mut self, tickets: Vec<Ticket>) {
        let Known::Asked { heard, touched, all } = std::mem::replace(&mut self.slots.known, Known::All)
        else {
            return;
        };
        let mut by_run: BTreeMap<RunId, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets.into_iter().filter(|ticket| !heard.contains(&ticket.run)) {
            by_run.entry(ticket.run).or_default().push(ticket);
        }
        for (run, tickets) in by_run {
            self.slots.gate.update(run, tickets.into_iter());
        }
        let keys = if all { self.slots.gate.keys() } else { touched.into_iter().collect() };
        self.admit(&keys);
        for question in std::mem::take(&mut self.slots.asked) {
            self.handle(question);
        }
    }

    fn admit(&mut self, keys: &[String]) {
        for key in keys {
            for told in self.slots.gate.admit(key) {
                let command = Command::HearOfSlot { visit: told.visit, news: told.what };
                // Through the mailbox: what follows in a run may be news for another.
                let message = Message::Command { run: told.run, queued: Queued::new(command) };
                self.context.mailbox.send(message);
            }
        }
    }
}

/// Who holds and wants what. Of a run with a row that does not read its journal tells.
async fn tickets(context: &Context) -> Result<Vec<Ticket>, StoreError> {
    let (mut tickets, mut after, mut damaged) = (Vec::new(), None, BTreeSet::new());
    loop {
        match context.store.tickets(after, TICKETS_PAGE).await {
            Ok(page) => {
                let Some(last) = page.last() else { break };
                after = Some((last.run, last.visit));
                tickets.extend(page);
            }
            Err(error) => {
                let StoreError::DamagedTicket { run, visit, .. } = error else { return Err(error) };
                tracing::error!(%run, "{error}; who has which slot is read from the run's journal");
                after = Some((run, visit));
                damaged.insert(run);
            }
        }
    }
    tickets.retain(|ticket| !damaged.contains(&ticket.run));
    for run in damaged {
        match journal::fold(context.store.as_ref(), run).await {
            Ok((state, _)) => tickets.extend(state.tickets()),
            Err(EngineError::Store(error)) if !matches!(error, StoreError::Damaged(_)) => return Err(error),
            // It can be told nothing, so it neither holds nor wants anything.
            Err(error) => tracing::error!(%run, "its journal does not tell either: {error}"),
        }
    }
    Ok(tickets)
}
