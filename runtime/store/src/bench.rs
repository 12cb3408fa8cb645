//! The yardstick: what a store does when nothing but commits is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pawl_core::RunId;
use pawl_core::view::Status;

use crate::conformance::sample;
use crate::{Batch, RunCommit, Store, StoreError};

/// A run of the yardstick has this many commits, each of [`EVENTS`] events.
const COMMITS_OF_A_RUN: u64 = 4;
const EVENTS: u64 = 4;
const EVENT_BYTES: usize = 250;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Acknowledged commits a second.
    pub commits_per_second: f64,
    /// Half of the commits took at most this long.
    pub p50: Duration,
    /// 99 of 100 commits took at most this long.
    pub p99: Duration,
}

/// Commits `commits` typical batches (four events of 250 bytes and a header) from `writers` tasks at once.
pub async fn bare_commits(store: Arc<dyn Store>, writers: u64, commits: u64) -> Result<Figures, StoreError> {
    let next_run = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| tokio::spawn(write(Arc::clone(&store), Arc::clone(&next_run), commits / writers)))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.map_err(|error| StoreError::Engine(error.to_string()))??);
    }
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let commits_per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    Ok(Figures { commits_per_second, p50: at(50), p99: at(99) })
}

async fn write(
    store: Arc<dyn Store>,
    next_run: Arc<AtomicU64>,
    commits: u64,
) -> Result<Vec<Duration>, StoreError> {
    let mut latencies = Vec::new();
    let mut run = RunId::from_bytes([0; 16]);
    for commit in 0..commits {
        let place = commit % COMMITS_OF_A_RUN;
        if place == 0 {
            run = sample::run(next_run.fetch_add(1, Ordering::Relaxed));
        }
        let last = place + 1 == COMMITS_OF_A_RUN;
        let status = if last { Status::Completed } else { Status::Running };
        let expected_seq = place * EVENTS;
        let events = (1..=EVENTS).map(|n| sample::event(run, expected_seq + n, EVENT_BYTES)).collect();
        let header = Some(sample::header(run, status));
        let commit = RunCommit { header, ..RunCommit::new(run, expected_seq, events) };
        let batch = Batch { runs: vec![commit], ..Batch::default() };
        let begun = Instant::now();
        store.commit(&batch).await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}
