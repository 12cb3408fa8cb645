//! No more requests in a minute than were asked for.
//!
//! Those that wait stand in a line and have no time of their own: who is first in it waits for the next
//! place of the minute. So whoever is given up leaves the line, and those behind move up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pawl_core::{Failure, FailureKind};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);
/// The longest that a request waits for its turn under `requests_per_minute`, in milliseconds. If it would be longer,
/// it fails at once and says so: a fallback is asked, or a step's `retry` waits without holding anything.
pub const TURN_WAIT_MAX_MS: u64 = 120_000;

/// When the latest requests began, and how many wait.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute: Option<usize>,
    /// Whoever has it is first in the line; it is fair.
    first: tokio::sync::Mutex<()>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Of the last minute, the earliest first.
    begun: VecDeque<Instant>,
    waiting: usize,
}

/// A place in the line; it is left when this is dropped.
struct Place<'p> {
    pace: &'p Pace,
    has_begun: bool,
}

impl Pace {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        let (first, taken) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { per_minute: per_minute.filter(|count| *count > 0).map(|count| count as usize), first, taken }
    }

    /// Returns when a request may begin. Dropping the future leaves the turn to others.
    pub(crate) async fn turn(&self) -> Result<(), Failure> {
        let Some(count) = self.per_minute else { return Ok(()) };
        let place = self.line_up(count)?;
        let _first = self.first.lock().await;
        let now = Instant::now();
        let at = self.taken().turn_after(0, count, now);
        if at > now {
            tokio::time::sleep_until(at).await;
        }
        place.begin();
        Ok(())
    }

    fn line_up(&self, count: usize) -> Result<Place<'_>, Failure> {
        let now = Instant::now();
        let mut taken = self.taken();
        let before = taken.waiting;
        let wait = taken.turn_after(before, count, now).duration_since(now);
        if wait > Duration::from_millis(TURN_WAIT_MAX_MS) {
            drop(taken);
            return Err(too_late(count, wait));
        }
        taken.waiting += 1;
        drop(taken);
        Ok(Place { pace: self, has_begun: false })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// When a request may begin, where so many begin before it.
    fn turn_after(&mut self, before: usize, count: usize, now: Instant) -> Instant {
        while self.begun.front().is_some_and(|begun| *begun + MINUTE <= now) {
            self.begun.pop_front();
        }
        // Each begins a minute after the one that is `count` before it.
        let at = self.begun.len().saturating_add(before);
        let (minutes, place) = (at / count, at % count);
        let earliest = self.begun.get(place).copied().unwrap_or(now);
        u32::try_from(minutes)
            .ok()
            .and_then(|minutes| earliest.checked_add(MINUTE * minutes))
            .unwrap_or(earliest)
    }
}

impl Place<'_> {
    fn begin(mut self) {
        self.has_begun = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.pace.taken();
        taken.waiting = taken.waiting.saturating_sub(1);
        if self.has_begun {
            taken.begun.push_back(Instant::now());
        }
    }
}

fn too_late(count: usize, wait: Duration) -> Failure {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let message = format!(
        "its turn under `requests_per_minute` ({count}) would come in {wait_ms} ms, and no request waits longer than \
         TURN_WAIT_MAX_MS ({TURN_WAIT_MAX_MS}); let the step's `retry` wait, or name `fallbacks` in pawl.yaml"
    );
    Failure { retry_after_ms: Some(wait_ms), ..Failure::new(FailureKind::Transient, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When requests may begin that came at once, in milliseconds, where so many begin in a minute and some began
    /// before.
    #[test]
    fn what_goes_beyond_a_minute_waits_for_the_next() {
        let start = Instant::now();
        let now = start + MINUTE * 10;
        let ago = |seconds: u64| now - Duration::from_secs(seconds);
        for (count, begun, turns) in [
            (2, vec![], [0, 0, 60, 60, 120]),
            (1, vec![], [0, 60, 120, 180, 240]),
            (2, vec![ago(20)], [0, 40, 60, 100, 120]),
            (2, vec![ago(50), ago(20)], [10, 40, 70, 100, 130]),
            // What began longer ago counts no more.
            (2, vec![ago(90), ago(20)], [0, 40, 60, 100, 120]),
        ] {
            let mut taken = Taken { begun: begun.clone().into(), waiting: 0 };
            let seconds = |before| taken.turn_after(before, count, now).duration_since(now).as_secs();
            assert_eq!([0, 1, 2, 3, 4].map(seconds), turns, "{count} a minute, after {begun:?}");
        }
    }
}
