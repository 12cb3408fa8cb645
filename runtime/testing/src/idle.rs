//! When nothing can happen any more unless time passes or somebody acts.
//!
//! The run has an event loop of one thread to itself. When that loop is about
//! to put its thread to sleep, every task of it waits: for time, for a person,
//! or for what lies outside of the loop. The last is counted, so it is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Tells when nothing can happen any more by itself. A clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Idle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    /// Components under way: what they wait for may lie outside of the loop.
    working: AtomicUsize,
    told: Notify,
}

impl Idle {
    /// The loop's thread is about to sleep.
    pub fn park(&self) {
        if self.0.working.load(Ordering::SeqCst) == 0 && self.0.asked.swap(false, Ordering::SeqCst) {
            self.0.told.notify_waiters();
        }
    }

    /// Returns when nothing can happen any more by itself.
    pub async fn wait(&self) {
        // Before it is asked for, so that no word of an earlier time is taken for this one.
        let told = self.0.told.notified();
        self.0.asked.store(true, Ordering::SeqCst);
        told.await;
    }

    /// A component is under way as long as this lives.
    pub fn work(&self) -> Working {
        self.0.working.fetch_add(1, Ordering::SeqCst);
        Working(self.clone())
    }
}

/// A component that is under way.
#[derive(Debug)]
pub struct Working(Idle);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}
