//! No more requests in a minute than were asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// When the latest requests began; those that wait have their turn in it already.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute: Option<usize>,
    begun: Mutex<VecDeque<Instant>>,
}

impl Pace {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute: per_minute.map(|count| count as usize), begun: Mutex::default() }
    }

    /// Returns when a request may begin.
    pub(crate) async fn turn(&self) {
        if let Some(at) = self.per_minute.map(|count| self.reserve(count)) {
            tokio::time::sleep_until(at).await;
        }
    }

    fn reserve(&self, count: usize) -> Instant {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = Instant::now();
        if begun.len() >= count
            && let Some(earliest) = begun.pop_front()
        {
            at = at.max(earliest + MINUTE);
        }
        begun.push_back(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beyond_a_minute_waits_for_the_next() {
        let pace = Pace::new(Some(2));
        let since = Instant::now();
        let turns: Vec<_> = (0..5).map(|_| pace.reserve(2)).collect();
        assert!(turns[1] < since + MINUTE);
        assert_eq!(turns[2], turns[0] + MINUTE);
        assert_eq!(turns[3], turns[1] + MINUTE);
        assert_eq!(turns[4], turns[2] + MINUTE);
    }
}
