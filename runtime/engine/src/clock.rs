//! Where time comes from: the system, or a test.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use pawl_core::Timestamp;
use tokio::sync::watch;

/// Where time comes from.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns when that time has come.
    async fn sleep_until(&self, at: Timestamp);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, at: Timestamp) {
        // A long sleep is cut into pieces: the system's clock may be set meanwhile.
        const PIECE_MS: u64 = 60_000;
        loop {
            let left = at.since(self.now()).0;
            if left == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(left.min(PIECE_MS))).await;
        }
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(now: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)) }
    }

    /// Moves it on; whoever sleeps until then wakes.
    pub fn advance(&self, by: pawl_core::Duration) {
        self.now.send_modify(|now| *now = now.after(by));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.now.subscribe();
        // The sender lives in `self`, so the wait ends only when the time has come.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}
