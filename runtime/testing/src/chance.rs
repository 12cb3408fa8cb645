//! Chance that comes from a seed.

use std::sync::atomic::{AtomicU64, Ordering};

use pawl_core::{Digest, RunId, Timestamp};
use pawl_engine::Chance;
use uuid::Builder;

/// Chance that comes from a seed: the same place of the same run draws the same, before a crash and after it.
#[derive(Debug)]
pub struct SeededChance {
    seed: u64,
    begin: Timestamp,
    runs: AtomicU64,
}

impl SeededChance {
    /// Chance from a seed; the runs' ids begin at an instant.
    pub const fn new(seed: u64, begin: Timestamp) -> Self {
        Self { seed, begin, runs: AtomicU64::new(0) }
    }
}

impl Chance for SeededChance {
    fn run_id(&self) -> RunId {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let digest = Digest::of_parts(&[&self.seed.to_be_bytes(), &number.to_be_bytes()]);
        let mut tail = [0; 10];
        tail.copy_from_slice(&digest.as_bytes()[..10]);
        // As ids are made: in the order of the starts.
        let at = self.begin.0.saturating_add(number);
        RunId::new(Builder::from_unix_timestamp_millis(at, &tail).into_uuid())
    }

    fn bytes(&self, run: RunId, seq: u64) -> [u8; 32] {
        *Digest::of_parts(&[&self.seed.to_be_bytes(), run.as_bytes(), &seq.to_be_bytes()]).as_bytes()
    }
}
