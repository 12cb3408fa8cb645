//! Guest time: how long a guest itself has run.
//!
//! Only time in which the guest's future is being polled counts, and of that not what the engine
//! spends in a host call. One charge is never more than two ticks, so that a guest does not pay
//! for a busy machine; but what it gives the host to read is work of its own, and charged by its
//! size. What it waits for is never charged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::ticker::TICK;

const CHARGE_MAX_TICKS: u32 = 2;
/// What reading a byte of a guest's text takes at most, on any machine and of any text.
const BYTE_MAX_NS: u64 = 50;

/// The clock of one attempt, shared by its future and its store.
#[derive(Debug)]
pub(crate) struct Meter {
    origin: Instant,
    spent_ns: AtomicU64,
    since_ns: AtomicU64,
    /// Whether the guest, not the host, is at work.
    guest: AtomicBool,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Meter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            spent_ns: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            guest: AtomicBool::new(true),
        })
    }

    fn restart(&self) {
        self.since_ns.store(nanos(self.origin.elapsed()), Relaxed);
    }

    /// Charges the time since the last charge; does nothing during a host call.
    pub(crate) fn charge(&self) {
        if self.guest.load(Relaxed) {
            let now = nanos(self.origin.elapsed());
            let slice = now.saturating_sub(self.since_ns.swap(now, Relaxed));
            self.spent_ns.fetch_add(slice.min(nanos(TICK * CHARGE_MAX_TICKS)), Relaxed);
        }
    }

    /// Charges what the host has read for the guest elsewhere, in so much time.
    pub(crate) fn charge_reading(&self, bytes: usize, took: Duration) {
        let most = BYTE_MAX_NS.saturating_mul(bytes as u64);
        self.spent_ns.fetch_add(nanos(took).min(most), Relaxed);
    }

    /// The host takes over.
    pub(crate) fn leave_guest(&self) {
        self.charge();
        self.guest.store(false, Relaxed);
    }

    /// The guest goes on.
    pub(crate) fn enter_guest(&self) {
        self.restart();
        self.guest.store(true, Relaxed);
    }

    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// How long the attempt has lasted by the machine's clock.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A guest's future under its meter.
pub(crate) struct Metered<'g, R> {
    meter: Arc<Meter>,
    guest: Pin<Box<dyn Future<Output = R> + Send + 'g>>,
}

impl<'g, R> Metered<'g, R> {
    pub(crate) fn new(meter: Arc<Meter>, guest: Pin<Box<dyn Future<Output = R> + Send + 'g>>) -> Self {
        Self { meter, guest }
    }
}

impl<R> Future for Metered<'_, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        self.meter.restart();
        let polled = self.guest.as_mut().poll(context);
        self.meter.charge();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_not_charged_and_reading_is_by_its_size() {
        let long = Duration::from_millis(200);
        let spent = |charge: &dyn Fn(&Meter)| {
            let mut meter = Arc::into_inner(Meter::new()).unwrap();
            // As if its last charge had been so long ago.
            meter.origin = meter.origin.checked_sub(long).unwrap();
            charge(&meter);
            meter.spent()
        };
        assert_eq!(spent(&Meter::charge), TICK * CHARGE_MAX_TICKS);
        assert_eq!(spent(&|meter| meter.charge_reading(2_000_000, long)), Duration::from_millis(100));
        assert_eq!(spent(&|meter| meter.charge_reading(100_000_000, long)), long);
    }
}
