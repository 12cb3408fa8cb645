//! One set of numbers a name, for a bounded number of names.

use std::sync::OnceLock;

/// How many names (of workflows, of plugins, of models) have numbers of their own; all further ones share one set.
pub const METRIC_NAMES_MAX: usize = 64;
/// The name under which those that have none of their own are shown. No workflow, plugin or model can have it.
pub(super) const OTHERS: &str = "(others)";

/// Where a name and its numbers have their place.
type Place<T> = OnceLock<(Box<str>, T)>;

/// One set of numbers a name. Names are never taken out again, so finding one takes no lock.
#[derive(Debug)]
pub(super) struct Family<T> {
    places: Box<[Place<T>]>,
    others: T,
}

impl<T: Default> Default for Family<T> {
    fn default() -> Self {
        Self { places: (0..METRIC_NAMES_MAX).map(|_| OnceLock::new()).collect(), others: T::default() }
    }
}

impl<T: Default> Family<T> {
    /// The numbers of a name, or those of all others when there is no place left.
    pub(super) fn of(&self, name: &str) -> &T {
        let first = place(name);
        for step in 0..METRIC_NAMES_MAX {
            let place = &self.places[(first + step) % METRIC_NAMES_MAX];
            // Whoever comes first has the place, which another thread may be.
            let (owner, numbers) = place.get_or_init(|| (name.into(), T::default()));
            if **owner == *name {
                return numbers;
            }
        }
        &self.others
    }

    /// All that have numbers, by name, those of all others last.
    pub(super) fn all(&self) -> Vec<(&str, &T)> {
        let mut all: Vec<_> = self.places.iter().filter_map(OnceLock::get).map(|(n, t)| (&**n, t)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.push((OTHERS, &self.others));
        all
    }
}

/// Where a name is looked for first: FNV-1a, which is short.
fn place(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % METRIC_NAMES_MAX as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn names_beyond_the_limit_share_one_set_of_numbers() {
        let family = Family::<AtomicU64>::default();
        for number in 0..METRIC_NAMES_MAX + 100 {
            family.of(&format!("name-{number}")).fetch_add(1, Ordering::Relaxed);
        }
        family.of("name-0").fetch_add(1, Ordering::Relaxed);
        let all = family.all();
        assert_eq!(all.len(), METRIC_NAMES_MAX + 1);
        let of = |name: &str| all.iter().find(|(n, _)| *n == name).map(|(_, n)| n.load(Ordering::Relaxed));
        assert_eq!((of("name-0"), of(OTHERS), of("name-64")), (Some(2), Some(100), None));
    }
}
