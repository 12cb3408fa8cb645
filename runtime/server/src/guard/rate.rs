//! How many requests a caller, and a namespace, may make in a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::Problem;
use crate::caller::Caller;
use crate::identity::NamespaceLimits;

/// How many callers are counted at once; beyond that, those who asked longest ago are counted anew.
const COUNTED_MAX: usize = 20_000;

/// What callers have left.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Requests in a second of one token or user.
    per_second: u32,
    left: Mutex<HashMap<String, Bucket>>,
}

/// What one has left: it fills by its rate, up to one second's worth.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), left: Mutex::default() }
    }

    /// Counts a request, or refuses it. The local operator is not counted.
    pub(super) fn take(&self, caller: &Caller, limits: &NamespaceLimits) -> Result<(), Box<Problem>> {
        let Some(who) = &caller.counted else { return Ok(()) };
        let now = Instant::now();
        if !self.take_one(who, self.per_second, now) {
            let text =
                format!("more than token_requests_per_second_max ({}) requests in a second", self.per_second);
            return Err(Problem::too_many(text).into());
        }
        let Some(max) = limits.requests_per_second_max else { return Ok(()) };
        if self.take_one(&format!("namespace/{}", caller.namespace), max, now) {
            return Ok(());
        }
        let text = format!("the namespace {} makes more than {max} requests in a second", caller.namespace);
        Err(Problem::too_many(text).into())
    }

    fn take_one(&self, who: &str, per_second: u32, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= COUNTED_MAX && !left.contains_key(who) {
            // Whoever asked nothing for a second has all of it again.
            left.retain(|_, bucket| now.duration_since(bucket.at).as_secs() == 0);
        }
        let whole = f64::from(per_second);
        let bucket = left.entry(who.to_owned()).or_insert(Bucket { left: whole, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * whole).min(whole);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_so_many_requests_and_the_next_one_again() {
        let rates = Rates::new(3);
        let now = Instant::now();
        let taken = |at| (0..5).filter(|_| rates.take_one("ann", 3, at)).count();
        assert_eq!(taken(now), 3);
        assert_eq!(taken(now + Duration::from_millis(400)), 1);
        assert_eq!(taken(now + Duration::from_secs(9)), 3);
        assert!(rates.take_one("bob", 3, now), "another one has its own");
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let rates = Rates::new(3);
        let now = Instant::now();
        for number in 0..COUNTED_MAX {
            rates.take_one(&number.to_string(), 3, now);
        }
        rates.take_one("one more", 3, now + Duration::from_secs(2));
        assert_eq!(rates.left.lock().unwrap().len(), 1);
    }
}
