//! Whoever waits for a run to end, or to need a person.

use std::collections::HashMap;
use std::sync::Arc;

use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status, Waiting};
use pawl_store::StoreError;
use tokio::sync::oneshot;

use super::message::Message;
use super::{Driver, Resident};
use crate::EngineError;

/// Who waits for which run.
pub(super) type Watchers = HashMap<RunId, Vec<oneshot::Sender<Result<RunHeader, EngineError>>>>;

impl Driver {
    pub(super) fn watch(&mut self, run: RunId, reply: oneshot::Sender<Result<RunHeader, EngineError>>) {
        let waiting = self.watchers.entry(run).or_default();
        waiting.retain(|watcher| !watcher.is_closed());
        waiting.push(reply);
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            let outcome = context.store.run(run).await;
            context.mailbox.send(Message::HeaderRead { run, outcome });
        });
    }

    pub(super) fn header_read(&mut self, run: RunId, outcome: Result<Option<RunHeader>, StoreError>) {
        match outcome {
            Ok(Some(header)) if is_settled(&header) && !self.residents.contains_key(&run) => {
                self.tell(run, &header);
            }
            // In memory: the commit that settles it tells.
            Ok(_) if self.residents.contains_key(&run) => self.tell_watchers(run),
            // It waits for time, or was left by a process that is gone: this one goes on with it.
            Ok(Some(_)) => self.take_up(run),
            Ok(None) => self.fail_watchers(run, || EngineError::UnknownRun(run)),
            Err(error) => self.fail_watchers(run, || EngineError::Store(error.clone())),
        }
    }

    /// Tells those who wait, if the run in memory has ended or needs a person, durably.
    pub(super) fn tell_watchers(&mut self, run: RunId) {
        if !self.watchers.contains_key(&run) {
            return;
        }
        let Some(Resident::Active(active)) = self.residents.get(&run) else { return };
        if active.pending.is_some() || !active.queue.is_empty() {
            return;
        }
        let header = active.state.header(active.head);
        if is_settled(&header) {
            self.tell(run, &header);
        }
    }

    fn tell(&mut self, run: RunId, header: &RunHeader) {
        for watcher in self.watchers.remove(&run).unwrap_or_default() {
            let _ = watcher.send(Ok(header.clone()));
        }
    }

    pub(super) fn fail_watchers(&mut self, run: RunId, mut error: impl FnMut() -> EngineError) {
        for watcher in self.watchers.remove(&run).unwrap_or_default() {
            let _ = watcher.send(Err(error()));
        }
    }
}

fn is_settled(header: &RunHeader) -> bool {
    header.status.is_final()
        || header.status == Status::Suspended
        || (matches!(header.status, Status::Waiting | Status::Pending)
            && header.waiting.as_ref().is_some_and(rests))
}

/// Whether only something outside the run ends a wait; its children are, and those whose slots it waits for,
/// and [`crate::Engine::settled`] asks for them.
const fn rests(waiting: &Waiting) -> bool {
    waiting.is_from_outside() || matches!(waiting, Waiting::Run { .. } | Waiting::Slot { .. })
}
