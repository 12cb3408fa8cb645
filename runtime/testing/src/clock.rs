//! Time that passes only when it is moved, and who sleeps until when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::Timestamp;
use pawl_engine::Clock;
use tokio::sync::watch;

/// Time that passes only when it is moved. A clone is the same clock.
#[derive(Debug, Clone)]
pub struct SimulatedClock {
    now: Arc<watch::Sender<Timestamp>>,
    /// How many sleep until each instant.
    sleepers: Arc<Mutex<BTreeMap<Timestamp, usize>>>,
}

impl SimulatedClock {
    /// A clock that shows an instant.
    pub fn new(now: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)), sleepers: Arc::default() }
    }

    /// The earliest instant that somebody sleeps until.
    pub fn next(&self) -> Option<Timestamp> {
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.first_key_value().map(|(at, _)| *at)
    }

    /// Moves to an instant, if it lies ahead; whoever sleeps until then wakes.
    pub fn move_to(&self, at: Timestamp) {
        self.now.send_modify(|now| *now = at.max(*now));
    }
}

#[async_trait]
impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        if at <= self.now() {
            return;
        }
        let _asleep = Asleep::until(at, &self.sleepers);
        // The sender lives in `self`, so the wait ends only when the time has come.
        let _ = self.now.subscribe().wait_for(|now| *now >= at).await;
    }
}

/// A place among the sleepers, given up however the sleep ends.
struct Asleep<'a> {
    at: Timestamp,
    sleepers: &'a Mutex<BTreeMap<Timestamp, usize>>,
}

impl<'a> Asleep<'a> {
    fn until(at: Timestamp, sleepers: &'a Mutex<BTreeMap<Timestamp, usize>>) -> Self {
        *sleepers.lock().unwrap_or_else(PoisonError::into_inner).entry(at).or_default() += 1;
        Self { at, sleepers }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = sleepers.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                sleepers.remove(&self.at);
            }
        }
    }
}
