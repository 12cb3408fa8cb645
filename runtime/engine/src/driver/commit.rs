//! Decided events on their way to the store, and what follows when they are durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use pawl_core::call::CallRequest;
use pawl_core::event::{Event, Origin};
use pawl_core::journal;
use pawl_core::view::Status;
use pawl_core::{Command, Duration, Remembered, RunId, RunState};
use pawl_store::{Batch, Blob, RecordChange, RunCommit, StoreError};

use super::active::{ActiveRun, Answered, Decided, Pending, subscriptions, tickets};
use super::context::OnPanic;
use super::letters::letters_of;
use super::message::{Message, NewRun, Queued};
use super::timers::TROUBLE_PAUSE;
use super::{Driver, Resident};
use crate::EngineError;
use crate::journal::move_out;
use crate::metrics::Tally;

impl Driver {
    /// Begins a run.
    pub(super) fn start(&mut self, new: NewRun) {
        let NewRun { run, started, definition, blobs, records, reply } = new;
        let head = journal::Head::empty(run);
        let mut active = Box::new(ActiveRun::new(RunState::new(run), definition, head, None));
        let start = Command::Start(started);
        active.queue.push_back(Queued { reply, ..Queued::new(start) });
        self.residents.insert(run, Resident::Active(active));
        self.advance_with(run, &blobs, records);
    }

    /// Begins a run that a step of another one starts; what was sent to it meanwhile follows.
    pub(super) fn start_child(&mut self, origin: Origin, new: NewRun, waiting: VecDeque<Queued>) {
        let NewRun { run, started, definition, .. } = new;
        let head = journal::Head::empty(run);
        let mut active = Box::new(ActiveRun::new(RunState::new(run), definition, head, None));
        active.queue.push_back(Queued::letter(Command::Start(started), origin));
        active.queue.extend(waiting);
        self.residents.insert(run, Resident::Active(active));
        self.advance(run);
    }

    /// Decides what a run's queue holds and commits it.
    pub(super) fn advance(&mut self, run: RunId) {
        self.advance_with(run, &[], Vec::new());
    }

    fn advance_with(&mut self, run: RunId, blobs: &[Blob], records: Vec<RecordChange>) {
        let now = self.context.config.clock.now();
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        if active.pending.is_some() {
            return;
        }
        let mut decided = active.decide_queue(now, self.context.config.chance.as_ref());
        for event in &decided.events {
            active.tallies.extend(Tally::of(event, &active.state, &active.definition));
            // What a rehearsal shows, the run that it is made of has shown.
            if let Some(seen) = active.tracker.take(now, event)
                && active.rehearsing.is_none()
            {
                self.context.routes.observe(seen);
            }
        }
        if decided.events.is_empty() {
            let Decided { replies, delivered, .. } = decided;
            answer(replies);
            self.delivered(delivered);
            self.tell_watchers(run);
            return self.carry_on(run);
        }
        let inline_max = self.context.config.payload_inline_max_bytes;
        // What a dry rehearsal remembers is nobody's.
        let remembered = if active.state.is_dry() { Vec::new() } else { remembered(&decided.events) };
        let with = std::mem::take(&mut decided.blobs);
        let (commit, mut large) = active.prepare(run, decided, inline_max);
        large.extend(with);
        large.extend_from_slice(blobs);
        let delivered = active.pending.as_ref().map(|pending| pending.delivered.clone()).unwrap_or_default();
        self.submit(
            run,
            Batch { runs: vec![commit], blobs: large, delivered, remembered, records, ..Batch::default() },
        );
    }

    /// Gives a batch to the store.
    pub(super) fn submit(&self, run: RunId, batch: Batch) {
        let context = Arc::clone(&self.context);
        let lost =
            || StoreError::Engine("the commit was given up by a panic, which is a fault of pawl".into());
        let panicked = OnPanic::new(&context.mailbox, move || {
            let batch = Batch::default();
            Message::Committed { run, outcome: Err(lost()), batch }
        });
        tokio::spawn(async move {
            let began = Instant::now();
            let outcome = context.store.commit(&batch).await;
            context.metrics.committed(began.elapsed(), outcome.is_ok());
            context.mailbox.send(Message::Committed { run, outcome, batch });
            drop(panicked);
        });
    }

    /// A commit is durable: answer, tell, go on. Or it failed.
    pub(super) fn committed(&mut self, run: RunId, outcome: Result<(), StoreError>, batch: Batch) {
        if let Err(error) = outcome {
            return self.not_committed(run, &error, batch);
        }
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        let Some(pending) = active.pending.take() else { return };
        if std::mem::take(&mut active.failures) > 0 {
            tracing::info!(%run, "the commit that failed before is in the store now");
        }
        self.context.metrics.count(&active.definition.name, active.tallies.drain(..));
        active.head = pending.head;
        active.shown = pending.shown;
        active.open = pending.open;
        active.subscribed = pending.subscribed;
        active.slots_changed |= active.tickets != pending.tickets;
        active.tickets = pending.tickets;
        // Before anyone is answered, and before those are done that these follow from: who waits until
        // no letter is on its way waits for these, too.
        self.send(run, pending.letters);
        self.letters.end_all(&pending.delivered);
        answer(pending.replies);
        // Nobody follows: that is no error.
        let _ = self.grown.send(run);
        self.timers.settled(run);
        self.tell_watchers(run);
        self.advance(run);
    }

    /// What was done outside is given to the store again and again, as it is:
    /// doing it a second time would be worse than waiting. Anything else is
    /// given up, and the journal says what is true.
    fn not_committed(&mut self, run: RunId, error: &StoreError, batch: Batch) {
        let Some(Resident::Active(active)) = self.residents.get_mut(&run) else { return };
        let hopeless = matches!(
            error,
            StoreError::Conflict { .. }
                | StoreError::Stale { .. }
                | StoreError::Failed(_)
                | StoreError::Closed
        ) || batch.runs.is_empty();
        // Nor is anything cut off that is under way beside it.
        let precious = active.pending.as_ref().is_some_and(|pending| pending.precious);
        if hopeless || (!precious && active.live.is_empty()) {
            tracing::error!(%run, "a commit failed: {error}");
            self.heard_of(error);
            return self.give_up(run, error);
        }
        active.failures = active.failures.saturating_add(1);
        let pause = pause_after(active.failures);
        tracing::error!(%run, "a commit failed: {error}; what it holds is kept and tried again in {pause}");
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let clock = &context.config.clock;
            clock.sleep_until(clock.now().after(pause)).await;
            context.mailbox.send(Message::Resubmit { run, batch });
        });
    }

    /// A run that was made beside the loop, and whose commit failed. What it has to tell is looked at as well.
    pub(super) fn may_be_there(&mut self, run: RunId) {
        self.timers.try_again(run, self.context.config.clock.now());
        self.redeliver_after(TROUBLE_PAUSE);
    }

    /// A store that takes nothing more in this process ends the loop.
    pub(super) fn heard_of(&mut self, error: &StoreError) {
        if matches!(error, StoreError::Failed(_)) {
            self.failed = Some(error.clone());
        }
    }

    /// Lets go of a run whose state cannot be trusted to be the stored one.
    fn give_up(&mut self, run: RunId, error: &StoreError) {
        self.slots_untold(run);
        // The journal says how far it got; the run goes on from there when the store works again.
        self.timers.try_again(run, self.context.config.clock.now());
        if let Some(Resident::Active(active)) = self.residents.remove(&run) {
            // It may be in the store all the same, with what it has to tell others.
            if active.pending.as_ref().is_some_and(|pending| !pending.letters.is_empty()) {
                self.redeliver_after(TROUBLE_PAUSE);
            }
            let letters = active.fail(|| EngineError::Store(error.clone()));
            self.lost(&letters);
        }
        self.fail_watchers(run, || EngineError::Store(error.clone()));
    }
}

/// What the events put into memories that runs share. Only what is decided now: a fork copies events of another
/// run, and what they put was put then.
fn remembered(events: &[Event]) -> Vec<Remembered> {
    let put = |event: &Event| match event {
        Event::CallCompleted {
            request: Some(CallRequest::MemoryPut { key, value, scope: Some(scope) }),
            response: Ok(_),
            ..
        } => Some(Remembered { scope: scope.clone(), key: key.clone(), value: value.clone() }),
        _ => None,
    };
    events.iter().filter_map(put).collect()
}

/// Answers those who waited for a commit, whatever became of it.
pub(super) fn answer_all(replies: Vec<Answered>, outcome: Result<(), StoreError>) {
    match outcome {
        Ok(()) => answer(replies),
        Err(error) => {
            for (reply, _) in replies {
                reply.send(Err(EngineError::Store(error.clone())));
            }
        }
    }
}

/// Answers those who waited for a commit, or for none.
fn answer(replies: Vec<Answered>) {
    for (reply, outcome) in replies {
        reply.send(outcome.map_err(EngineError::Refused));
    }
}

/// The pause before a failed commit is tried again: twice as long each time, up to a minute.
fn pause_after(failures: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(60);
    let doubled = TROUBLE_PAUSE.0.saturating_mul(1 << failures.saturating_sub(1).min(6));
    Duration(doubled).min(LONGEST)
}

impl ActiveRun {
    /// Encodes what was decided, with the projections that follow from it.
    fn prepare(&mut self, run: RunId, decided: Decided, inline_max_bytes: usize) -> (RunCommit, Vec<Blob>) {
        let Decided { events, replies, precious, delivered, .. } = decided;
        let letters = letters_of(&self.state, self.head.seq, &events);
        // When a run stood still, its open approvals are due later.
        let moved = events.iter().any(|event| matches!(event, Event::RunResumed(_)));
        let upgraded = events.iter().any(|event| matches!(event, Event::DefinitionChanged(_)));
        let news: BTreeSet<_> = events.iter().filter_map(Event::approval).cloned().collect();
        let (events, blobs) = move_out(events, inline_max_bytes);
        let mut head = self.head;
        let encoded = journal::encode(&mut head, self.state.updated_at(), &events);
        let status = self.state.status();
        // A run that goes on running shows nothing new.
        let changed = upgraded || status != Status::Running || self.shown != Some(Status::Running);
        let open: BTreeSet<_> =
            self.state.approvals().filter(|(_, a)| a.open).map(|(id, _)| id.clone()).collect();
        let listed = if moved { BTreeSet::new() } else { self.open.difference(&news).cloned().collect() };
        let opened = open.difference(&listed).filter_map(|id| self.state.open_approval(id)).collect();
        let closed = self.open.difference(&open).cloned().collect();
        let subscribed = subscriptions(&self.state);
        // A run that was moved keeps the slots that its definition had it take.
        let has_slots = self.definition.has_slots() || !self.tickets.is_empty();
        let tickets = if has_slots { tickets(&self.state) } else { BTreeMap::new() };
        let commit = RunCommit {
            namespace: self.state.namespace().clone(),
            header: changed.then(|| self.state.header(head)),
            opened,
            closed,
            outgoing: letters.iter().map(|(seq, _)| *seq).collect(),
            subscribed: subscribed.difference(&self.subscribed).cloned().collect(),
            returned: self.tickets.keys().filter(|visit| !tickets.contains_key(visit)).copied().collect(),
            tickets: tickets
                .values()
                .filter(|ticket| self.tickets.get(&ticket.visit) != Some(ticket))
                .cloned()
                .collect(),
            unsubscribed: self.subscribed.difference(&subscribed).cloned().collect(),
            ..RunCommit::new(run, self.head.seq, encoded)
        };
        let shown = Some(status);
        self.pending =
            Some(Pending { head, replies, shown, open, subscribed, tickets, precious, letters, delivered });
        (commit, blobs)
    }
}
