//! A run in memory: its state, its queue, its attempts under way.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use pawl_core::call::CallRequest;
use pawl_core::definition::Definition;
use pawl_core::event::{Awaited, Event, Origin};
use pawl_core::journal::Head;
use pawl_core::letter::Letter;
use pawl_core::state::{Activity, CallProgress, CallState};
use pawl_core::view::Status;
use pawl_core::{
    ApprovalId, CallPlace, Command, Entropy, Moment, Refusal, RunState, Ticket, Timestamp, VisitId, decide,
};
use pawl_store::{Blob, Subscription};
use tokio::task::AbortHandle;

use super::message::{Acknowledged, Queued, Reply};
use crate::attempt::Rehearsing;
use crate::metrics::Tally;
use crate::routes::Tracker;
use crate::{Chance, EngineError};

/// A run in memory.
#[derive(Debug)]
pub(super) struct ActiveRun {
    pub(super) state: RunState,
    pub(super) definition: Arc<Definition>,
    pub(super) head: Head,
    pub(super) queue: VecDeque<Queued>,
    /// The commit under way.
    pub(super) pending: Option<Pending>,
    /// Attempts as they begin and end, for who chooses plugins.
    pub(super) tracker: Tracker,
    /// Attempts under way.
    pub(super) live: HashMap<(VisitId, u32), Live>,
    /// What answers its attempts, where it is a rehearsal.
    pub(super) rehearsing: Option<Arc<Rehearsing>>,
    /// The approvals that the store lists as open.
    pub(super) open: BTreeSet<ApprovalId>,
    /// The waits for topics that the store lists.
    pub(super) subscribed: BTreeSet<Subscription>,
    /// The slots that the store lists.
    pub(super) tickets: BTreeMap<Option<VisitId>, Ticket>,
    /// Whether what it holds or waits for is to be told to the gate.
    pub(super) slots_changed: bool,
    /// Whether it was told of a slot and took no notice.
    pub(super) ignored_slot: bool,
    /// The status that the stored header shows.
    pub(super) shown: Option<Status>,
    /// What is counted when the commit under way is durable.
    pub(super) tallies: Vec<Tally>,
    /// How often the commit under way was given to the store in vain.
    pub(super) failures: u32,
}

/// An attempt under way.
#[derive(Debug)]
pub(super) struct Live {
    /// Which of the instances that this process began: a resumed agent has the same visit and
    /// attempt, and the end of the instance before must not be taken for its own.
    pub(super) instance: u64,
    pub(super) handle: AbortHandle,
    /// Whether one of its calls waits for a person. It ends by itself, as soon as the other calls
    /// that it had begun have their answers.
    pub(super) draining: bool,
}

/// A commit under way, and who waits for it.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) head: Head,
    pub(super) replies: Vec<Answered>,
    pub(super) shown: Option<Status>,
    pub(super) open: BTreeSet<ApprovalId>,
    pub(super) subscribed: BTreeSet<Subscription>,
    pub(super) tickets: BTreeMap<Option<VisitId>, Ticket>,
    /// Whether it holds what cannot be had again: the result of something that was done.
    pub(super) precious: bool,
    /// What others are told when it is durable.
    pub(super) letters: Vec<(u64, Letter)>,
    /// What this run was told with it.
    pub(super) delivered: Vec<Origin>,
}

/// Who waits for an answer, and the answer, which is given when everything that it rests on is durable.
pub(super) type Answered = (Reply, Result<Acknowledged, Refusal>);

/// What a queue of commands came to.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Answered>,
    pub(super) precious: bool,
    /// The letters that were taken in, or were refused.
    pub(super) delivered: Vec<Origin>,
    /// What is stored with the events.
    pub(super) blobs: Vec<Blob>,
}

impl ActiveRun {
    pub(super) fn new(
        state: RunState,
        definition: Arc<Definition>,
        head: Head,
        shown: Option<Status>,
    ) -> Self {
        let open = state.approvals().filter(|(_, a)| a.open).map(|(id, _)| id.clone()).collect();
        let subscribed = subscriptions(&state);
        let tickets = tickets(&state);
        let rehearsing =
            state.rehearsal().map(|what| Arc::new(Rehearsing::new(state.id(), Arc::clone(what))));
        let tracker = Tracker::of(&state);
        let has_slots = definition.has_slots() || !tickets.is_empty();
        Self {
            state,
            definition,
            head,
            queue: VecDeque::new(),
            tracker,
            pending: None,
            live: HashMap::new(),
            rehearsing,
            open,
            subscribed,
            slots_changed: has_slots,
            ignored_slot: false,
            tickets,
            shown,
            tallies: Vec::new(),
            failures: 0,
        }
    }

    /// Decides everything in the queue, in order. Nobody is answered yet: what
    /// is said of a command, a refusal too, may rest on what was decided before
    /// it in the same round and is still to be committed.
    pub(super) fn decide_queue(&mut self, now: Timestamp, chance: &dyn Chance) -> Decided {
        let mut decided = Decided::default();
        while let Some(Queued { command, reply, letter, blobs }) = self.queue.pop_front() {
            decided.delivered.extend(letter);
            let (caller, precious) = (caller(&command), is_precious(&command));
            // A call that a rule stops waits, and so may one that was answered with an unknown outcome.
            let may_wait = match &command {
                Command::EndCall { .. } => true,
                Command::BeginCall { request, .. } => matches!(request, CallRequest::Tool { .. }),
                _ => false,
            };
            let of_slot = matches!(command, Command::HearOfSlot { .. });
            let moved_to = if let Command::Upgrade(upgrade) = &command {
                Some(Arc::clone(&upgrade.to.definition))
            } else {
                None
            };
            let seq = self.head.seq + decided.events.len() as u64;
            let moment = Moment { now, entropy: Entropy::new(chance.bytes(self.state.id(), seq)) };
            let outcome = decide(&mut self.state, &self.definition, command, moment).map(|events| {
                // What is decided next, in the same round already, is decided by the new one.
                if let Some(definition) = moved_to {
                    self.definition = definition;
                }
                decided.precious |= precious && !events.is_empty();
                if !events.is_empty() {
                    decided.blobs.extend(blobs);
                }
                if of_slot && events.is_empty() {
                    (self.slots_changed, self.ignored_slot) = (true, true);
                }
                decided.events.extend(events);
                self.acknowledge(now, caller)
            });
            let may_wait = may_wait || caller.is_some_and(|at| self.is_paused(at));
            if let (Some(at), true, Ok(Acknowledged { parked: true, .. })) = (caller, may_wait, &outcome)
                && let Some(live) = self.live.get_mut(&(at.visit, at.attempt))
            {
                live.draining = true;
            }
            if let Some(reply) = reply {
                decided.replies.push((reply, outcome));
            }
        }
        decided
    }

    /// Whether a call waits for a person before it is made. What was begun beside it is not cut off.
    fn is_paused(&self, at: CallPlace) -> bool {
        let call = self.state.visit(at.visit).and_then(|visit| visit.calls.get(at.call));
        call.is_some_and(|call| matches!(call.progress, CallProgress::Paused(..)))
    }

    fn acknowledge(&self, now: Timestamp, caller: Option<CallPlace>) -> Acknowledged {
        let call = caller.and_then(|at| self.state.visit(at.visit)?.calls.get(at.call));
        // An agent of a suspended run is put away at its next call, and replayed when the run is resumed.
        let put_away = caller.is_some() && self.state.is_suspended();
        let parked = put_away || call.is_some_and(CallState::waits);
        Acknowledged { at: now.max(self.state.updated_at()), parked }
    }

    /// Whether nothing is to be done in memory.
    pub(super) fn is_idle(&self) -> bool {
        self.live.is_empty() && self.queue.is_empty() && self.pending.is_none()
    }

    /// Whether the store has a commit of it that did not fail before.
    pub(super) const fn is_in_hand(&self) -> bool {
        self.pending.is_some() && self.failures == 0
    }

    pub(super) fn abort_all(&self) {
        self.live.values().for_each(|live| live.handle.abort());
    }

    /// Answers everyone who waits with the same trouble. Gives the letters that were not taken in.
    pub(super) fn fail(mut self, error: impl Fn() -> EngineError) -> Vec<Origin> {
        self.abort_all();
        let (pending, mut letters) =
            self.pending.take().map(|pending| (pending.replies, pending.delivered)).unwrap_or_default();
        letters.extend(self.queue.iter().filter_map(|queued| queued.letter));
        let queued = self.queue.drain(..).filter_map(|queued| queued.reply);
        for reply in pending.into_iter().map(|(reply, _)| reply).chain(queued) {
            reply.send(Err(error()));
        }
        letters
    }
}

/// The waits for topics that are open.
pub(crate) fn subscriptions(state: &RunState) -> BTreeSet<Subscription> {
    let waits = state.active().filter_map(|(visit, at)| match &at.activity {
        Activity::Listening(Awaited::Topic(pattern), _) => {
            Some(Subscription { pattern: pattern.clone(), visit })
        }
        _ => None,
    });
    waits.collect()
}

/// The slots that are held or waited for.
pub(crate) fn tickets(state: &RunState) -> BTreeMap<Option<VisitId>, Ticket> {
    state.tickets().map(|ticket| (ticket.visit, ticket)).collect()
}

/// Whether a command brings what was done outside and what must not be done
/// again only because the store failed. Who gave any other command hears of
/// the failure and can give it again.
const fn is_precious(command: &Command) -> bool {
    match command {
        Command::EndAttempt { .. }
        | Command::HandOver { .. }
        | Command::EndCall { .. }
        | Command::AskForTool(_) => true,
        Command::Start(_)
        | Command::BeginCall { .. }
        | Command::Decide { .. }
        | Command::Claim { .. }
        | Command::Release { .. }
        | Command::Delegate { .. }
        | Command::Comment { .. }
        | Command::Tick
        | Command::Recover
        | Command::Retry { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::Fork(_)
        | Command::Signal { .. }
        | Command::Hear { .. }
        | Command::EndChild { .. }
        | Command::HearOfSlot { .. }
        | Command::ChooseRoute { .. }
        | Command::Upgrade(_)
        | Command::Cancel { .. } => false,
    }
}

/// The call of an agent that a command is about.
fn caller(command: &Command) -> Option<CallPlace> {
    match command {
        Command::AskForTool(asked) => asked.call.as_ref().map(|(at, _)| *at),
        Command::BeginCall { at, .. } | Command::EndCall { at, .. } => Some(*at),
        Command::Start(_)
        | Command::EndAttempt { .. }
        | Command::HandOver { .. }
        | Command::Decide { .. }
        | Command::Claim { .. }
        | Command::Release { .. }
        | Command::Delegate { .. }
        | Command::Comment { .. }
        | Command::Tick
        | Command::Recover
        | Command::Retry { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::Fork(_)
        | Command::Signal { .. }
        | Command::Hear { .. }
        | Command::EndChild { .. }
        | Command::HearOfSlot { .. }
        | Command::ChooseRoute { .. }
        | Command::Upgrade(_)
        | Command::Cancel { .. } => None,
    }
}
