//! Who follows which run: whoever follows one is woken by its events, and not by those of others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pawl_core::RunId;
use pawl_engine::{Engine, Grown, Notices};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Those who wait, by run; nothing once the engine has ended.
type Waiting = Option<HashMap<RunId, watch::Sender<()>>>;

/// Who follows which run. The lock is held for a look into the map, and never while something is awaited.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    waiting: Arc<Mutex<Waiting>>,
}

/// Waits for the events of one run.
#[derive(Debug)]
pub(crate) struct Waiter {
    hub: Hub,
    run: RunId,
    heard: watch::Receiver<()>,
}

impl Hub {
    /// Begins to listen. It ends with the engine, or when it is cancelled.
    pub(crate) fn begin(engine: &Engine, closing: CancellationToken) -> Self {
        let hub = Self { waiting: Arc::new(Mutex::new(Some(HashMap::new()))) };
        // From here on, and not from when the task has its first turn: whoever waits from now on is woken.
        let (notices, told) = (engine.notices(), hub.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = told.listen(notices) => {}
            }
            told.lock().take();
        });
        hub
    }

    async fn listen(&self, notices: Option<Notices>) {
        let Some(mut notices) = notices else { return };
        loop {
            match notices.runs().await {
                Some(Grown::Runs(runs)) => self.wake(&runs),
                Some(Grown::Missed) => self.wake_all(),
                None => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, runs: &[RunId]) {
        let waiting = self.lock();
        let Some(waiting) = waiting.as_ref().filter(|waiting| !waiting.is_empty()) else { return };
        for sender in runs.iter().filter_map(|run| waiting.get(run)) {
            sender.send_replace(());
        }
    }

    fn wake_all(&self) {
        for sender in self.lock().iter().flat_map(HashMap::values) {
            sender.send_replace(());
        }
    }

    /// Waits for a run from now on.
    pub(crate) fn wait_on(&self, run: RunId) -> Waiter {
        let mut waiting = self.lock();
        let heard = match waiting.as_mut() {
            Some(waiting) => waiting.entry(run).or_insert_with(|| watch::Sender::new(())).subscribe(),
            // Its sender is gone, so it ends at once.
            None => watch::Sender::new(()).subscribe(),
        };
        drop(waiting);
        Waiter { hub: self.clone(), run, heard }
    }

    #[cfg(test)]
    fn followed(&self) -> usize {
        self.lock().as_ref().map_or(0, HashMap::len)
    }
}

impl Waiter {
    /// From here on, what was committed before is known.
    pub(crate) fn look(&mut self) {
        self.heard.borrow_and_update();
    }

    /// Returns when something was committed since the last look; false when there will be nothing more.
    pub(crate) async fn wait(&mut self) -> bool {
        self.heard.changed().await.is_ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.hub.lock();
        let Some(waiting) = waiting.as_mut() else { return };
        if waiting.get(&self.run).is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.remove(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> Hub {
        Hub { waiting: Arc::new(Mutex::new(Some(HashMap::new()))) }
    }

    fn run(byte: u8) -> RunId {
        RunId::from_bytes([byte; 16])
    }

    #[tokio::test]
    async fn a_follower_is_woken_by_its_run_alone() {
        let hub = hub();
        let (mut one, mut other) = (hub.wait_on(run(1)), hub.wait_on(run(2)));
        one.look();
        hub.wake(&[run(1), run(3)]);
        assert!(one.wait().await);
        assert!(!other.heard.has_changed().unwrap());
        hub.wake_all();
        assert!(other.wait().await);
    }

    #[tokio::test]
    async fn who_goes_leaves_nothing_behind_and_takes_nobody_along() {
        let hub = hub();
        let (one, mut twin) = (hub.wait_on(run(1)), hub.wait_on(run(1)));
        assert_eq!(hub.followed(), 1);
        drop(one);
        hub.wake(&[run(1)]);
        assert!(twin.wait().await);
        drop(twin);
        assert_eq!(hub.followed(), 0);
    }

    #[tokio::test]
    async fn when_the_engine_has_ended_nobody_waits() {
        let hub = hub();
        let mut before = hub.wait_on(run(1));
        hub.lock().take();
        assert!(!before.wait().await);
        assert!(!hub.wait_on(run(1)).wait().await);
    }
}
