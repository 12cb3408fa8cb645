//! How long things took, in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of buckets for what may take long, in seconds.
pub(super) const LONG_SECONDS: [f64; 16] =
    [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3_600.0];
/// The same for what is short.
pub(super) const SHORT_SECONDS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 5.0];

/// How long things took. Each is counted in the first bucket that it fits into; one that fits into none, in no bucket.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    count: AtomicU64,
    sum_micros: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            count: AtomicU64::new(0),
            sum_micros: AtomicU64::new(0),
        }
    }
}

impl<const N: usize> Histogram<N> {
    pub(super) fn record(&self, bounds: &[f64; N], took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(place) = bounds.iter().position(|end| seconds <= *end) {
            self.buckets[place].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many there were up to the end of each bucket, how many in all, and how long they took together, in
    /// microseconds. What is counted meanwhile may be in one of these numbers and not in another, but there are never
    /// more in the buckets than in all.
    pub(super) fn read(&self) -> ([u64; N], u64, u64) {
        let mut up_to = 0;
        let buckets = std::array::from_fn(|place| {
            up_to += self.buckets[place].load(Ordering::Relaxed);
            up_to
        });
        let count = self.count.load(Ordering::Relaxed).max(up_to);
        (buckets, count, self.sum_micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_in_the_first_bucket_that_it_fits_into() {
        let histogram = Histogram::<2>::default();
        for ms in [1, 1_000, 1_001, 5_000, 9_000] {
            histogram.record(&[1.0, 5.0], Duration::from_millis(ms));
        }
        assert_eq!(histogram.read(), ([2, 4], 5, 16_002_000));
    }
}
