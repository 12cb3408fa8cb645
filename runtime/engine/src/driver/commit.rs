//! Decided events on their way to the store, and what follows when they are durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use pawl_core::journal;
use pawl_core::view::Status;
use pawl_core::{Command, RunId, RunState};
use pawl_store::{Batch, Blob, RunCommit, StoreError};

use super::active::{ActiveRun, Decided, Pending};
use super::message::{Message, NewRun, Queued};
use super::{Driver, Slot};
use crate::EngineError;
use crate::journal::move_out;

impl Driver {
    /// Begins a run.
    pub(super) fn start(&mut self, new: NewRun) {
        let NewRun { run, started, definition, blobs, reply } = new;
        let head = journal::Head::empty(run);
        let mut active = Box::new(ActiveRun::new(RunState::new(run), definition, head, None));
        active.queue.push_back(Queued { command: Command::Start(started), reply: Some(reply) });
        self.slots.insert(run, Slot::Active(active));
        self.advance_with(run, &blobs);
    }

    /// Decides what a run's queue holds and commits it.
    pub(super) fn advance(&mut self, run: RunId) {
        self.advance_with(run, &[]);
    }

    fn advance_with(&mut self, run: RunId, blobs: &[Blob]) {
        let now = self.context.config.clock.now();
        let Some(Slot::Active(active)) = self.slots.get_mut(&run) else { return };
        if active.pending.is_some() {
            return;
        }
        let decided = active.decide_queue(now);
        if decided.events.is_empty() {
            for (reply, acknowledged) in decided.replies {
                let _ = reply.send(Ok(acknowledged));
            }
            self.tell_watchers(run);
            return self.carry_on(run);
        }
        let inline_max = self.context.config.payload_inline_max_bytes;
        let (commit, mut large) = active.prepare(run, decided, inline_max);
        large.extend_from_slice(blobs);
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let outcome = context.store.commit(Batch { runs: vec![commit], blobs: large }).await;
            context.mailbox.send(Message::Committed { run, outcome });
        });
    }

    /// A commit is durable: answer, tell, go on. Or it failed, and the journal is read again to see
    /// what is in it.
    pub(super) fn committed(&mut self, run: RunId, outcome: Result<(), StoreError>) {
        if let Err(error) = outcome {
            tracing::error!(%run, "a commit failed: {error}");
            return self.give_up(run, &error.to_string());
        }
        let Some(Slot::Active(active)) = self.slots.get_mut(&run) else { return };
        let Some(pending) = active.pending.take() else { return };
        active.head = pending.head;
        active.shown = pending.shown;
        active.open = pending.open;
        for (reply, acknowledged) in pending.replies {
            let _ = reply.send(Ok(acknowledged));
        }
        // Nobody follows: that is no error.
        let _ = self.context.grown.send(run);
        self.timers.settled(run);
        self.tell_watchers(run);
        self.advance(run);
    }

    /// Lets go of a run whose state cannot be trusted to be the stored one.
    fn give_up(&mut self, run: RunId, reason: &str) {
        // The journal says how far it got; the run goes on from there when the store works again.
        self.timers.try_again(run, self.context.config.clock.now());
        if let Some(Slot::Active(active)) = self.slots.remove(&run) {
            active.fail(|| EngineError::Store(StoreError::Engine(reason.to_owned())));
        }
        self.fail_watchers(run, || EngineError::Store(StoreError::Engine(reason.to_owned())));
    }
}

impl ActiveRun {
    /// Encodes what was decided, with the projections that follow from it.
    fn prepare(&mut self, run: RunId, decided: Decided, inline_max_bytes: usize) -> (RunCommit, Vec<Blob>) {
        let (events, blobs) = move_out(&decided.events, inline_max_bytes);
        let mut head = self.head;
        let encoded = journal::encode(&mut head, self.state.updated_at(), &events);
        let status = self.state.status();
        // A run that goes on running shows nothing new.
        let changed = status != Status::Running || self.shown != Some(Status::Running);
        let open: BTreeSet<_> =
            self.state.approvals().filter(|(_, a)| a.open).map(|(id, _)| id.clone()).collect();
        let opened = open.difference(&self.open).filter_map(|id| self.state.open_approval(id)).collect();
        let closed = self.open.difference(&open).cloned().collect();
        let commit = RunCommit {
            run,
            expected_seq: self.head.seq,
            events: encoded,
            header: changed.then(|| self.state.header(head)),
            opened,
            closed,
        };
        self.pending = Some(Pending { head, replies: decided.replies, shown: Some(status), open });
        (commit, blobs)
    }
}
