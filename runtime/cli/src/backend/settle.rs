//! When a process that drives runs may end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pawl_core::view::Status;

use super::service::{QUIET_POLL_MS, Service};

/// How long an ending process waits for the steps that are under way, in milliseconds.
const SETTLE_MAX_MS: u64 = 600_000;

impl Service {
    /// Whether nothing that was asked for is in the middle of a step: what then ends with this
    /// process can go on in another.
    pub(super) async fn is_quiet(&self) -> bool {
        if self.in_hand.load(Ordering::SeqCst) > 0 {
            return false;
        }
        // What cannot be read or written is not in memory, whatever its header says.
        if self.engine.in_memory().await.is_ok_and(|runs| runs == 0) {
            return true;
        }
        !self.is_under_way().await
    }

    /// Whether a run that was asked to go on is in the middle of a step. Forgets those that have
    /// ended, and only those: one that waits for time goes on as long as this process lives.
    async fn is_under_way(&self) -> bool {
        let driven: Vec<_> = self.driven().iter().copied().collect();
        for run in driven {
            match self.store().run(run).await.ok().flatten().map(|header| header.status) {
                Some(Status::Pending | Status::Running) => return true,
                Some(status) if !status.is_final() => {}
                _ => self.let_go(run),
            }
        }
        false
    }

    /// Returns when nothing that was asked for is in the middle of a step, or nobody can be asked
    /// to wait for that any longer. Gives whether it is so.
    pub(super) async fn settle(&self) -> bool {
        self.settle_within(Duration::from_millis(SETTLE_MAX_MS)).await
    }

    /// The same, and how long that may take is said.
    pub(super) async fn settle_within(&self, longest: Duration) -> bool {
        let quiet = async {
            while !self.is_quiet().await {
                tokio::time::sleep(Duration::from_millis(QUIET_POLL_MS)).await;
            }
        };
        tokio::time::timeout(longest, quiet).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pawl_core::RunId;
    use pawl_store::memory::MemoryStore;
    use serde_json::json;

    use super::*;
    use crate::backend::protocol::{Opened, Reply, Request};
    use crate::place::Place;

    /// A run that waits for a while at first.
    async fn waiting(wait: &str) -> (Service, RunId) {
        let place = Place::new(None, crate::place::StoreAt::default(), true);
        let service = Service::open(Arc::new(MemoryStore::new()), &place).await.unwrap();
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n  - {{ id: pause, wait: {wait} }}\n  - {{ id: x, set: {{ x: 1 }} }}"
        );
        let start = Request::Start {
            file: "w.yaml".into(),
            text,
            base: ".".into(),
            inputs: json!({}),
            allow_http: pawl_core::plugin::Hosts::default(),
            by: crate::actor::operator(),
            locked: false,
        };
        let Ok(Reply::Started(Opened { run, .. })) = service.handle(start).await else {
            panic!("not started")
        };
        (service, run)
    }

    #[tokio::test]
    async fn a_run_that_waits_for_time_is_not_forgotten_and_one_that_has_ended_is() {
        let (service, run) = waiting("100ms").await;
        while service.is_under_way().await {
            tokio::task::yield_now().await;
        }
        assert!(service.driven().contains(&run), "its wait may end before this process does");
        service.engine.settled(run).await.unwrap();
        assert!(!service.is_under_way().await);
        assert!(!service.driven().contains(&run));
    }

    #[tokio::test]
    async fn what_is_in_hand_is_waited_for() {
        let (service, _) = waiting("1h").await;
        let in_hand = service.begin();
        assert!(!service.is_quiet().await);
        drop(in_hand);
        assert!(service.settle().await);
    }
}
