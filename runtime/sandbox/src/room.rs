//! Room in the instance pool, and the line of those who wait for it.
//!
//! A turn says that one more instance may be active; whether the pool has the core instances,
//! memories and tables that its component wants shows only when it is instantiated. What does not
//! fit waits here for another instance to end. One at a time tries again, in the order in which
//! they came, so that those who wait do not take from each other what each of them needs.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::sync::{Mutex, MutexGuard, Notify, futures::Notified};

/// Who holds a part of the pool.
#[derive(Debug, Default)]
pub(crate) struct Room {
    held: AtomicUsize,
    freed: Notify,
    line: Mutex<()>,
}

/// A part of the pool. Drop it after the store that uses it.
#[derive(Debug)]
pub(crate) struct Hold<'r> {
    room: &'r Room,
    /// Whether nobody else held anything when it was taken.
    pub(crate) is_alone: bool,
    is_quiet: bool,
}

impl Room {
    pub(crate) fn hold(&self) -> Hold<'_> {
        Hold { room: self, is_alone: self.held.fetch_add(1, SeqCst) == 0, is_quiet: false }
    }

    /// Waits until nobody else is waiting.
    pub(crate) async fn line(&self) -> MutexGuard<'_, ()> {
        self.line.lock().await
    }

    /// Ends when a part of the pool was given back after this was called and enabled.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }
}

impl Hold<'_> {
    /// Gives it back without a word: whoever is at the head of the line would only wake itself.
    pub(crate) fn drop_quietly(mut self) {
        self.is_quiet = true;
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.room.held.fetch_sub(1, SeqCst);
        if !self.is_quiet {
            self.room.freed.notify_waiters();
        }
    }
}
