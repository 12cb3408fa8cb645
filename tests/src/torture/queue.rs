//! Commands that are to be given, and those that are being given.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::ledger::{Heard, Ledger};

/// Commands that are to be given, and those that are being given.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Queued>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queued {
    /// To be given.
    next: VecDeque<u64>,
    /// These, and those that are being given.
    all: BTreeSet<u64>,
    closed: bool,
}

impl Queue {
    /// Whether a command is to be given, or is being given.
    pub(super) fn has(&self, command: u64) -> bool {
        self.inner().all.contains(&command)
    }

    fn inner(&self) -> MutexGuard<'_, Queued> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command in, unless it is here, something was heard of it, or it was tried often enough.
    pub(super) fn push(&self, ledger: &Ledger, command: u64, tries_max: u32) {
        let mut inner = self.inner();
        let of_ledger = ledger.get(command);
        if of_ledger.heard == Heard::Nothing && of_ledger.tries < tries_max && inner.all.insert(command) {
            inner.next.push_back(command);
            self.changed.notify_one();
        }
    }

    /// The next command, as soon as there is one; nothing when the queue is closed.
    pub(super) fn next(&self) -> Option<u64> {
        let waits = |inner: &mut Queued| inner.next.is_empty() && !inner.closed;
        let mut inner = self.changed.wait_while(self.inner(), waits).unwrap_or_else(PoisonError::into_inner);
        if inner.closed { None } else { inner.next.pop_front() }
    }

    pub(super) fn done(&self, command: u64) {
        self.inner().all.remove(&command);
    }

    /// Lets those who wait for a command go.
    pub(super) fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_all();
    }

    /// How many there are, those that are being given counted.
    pub(super) fn len(&self) -> usize {
        self.inner().all.len()
    }

    /// How many are being given.
    pub(super) fn under_way(&self) -> usize {
        let inner = self.inner();
        inner.all.len() - inner.next.len()
    }
}
