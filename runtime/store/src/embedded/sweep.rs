//! Blobs that commits bring while others are looked through for ones that nothing names any more.
//!
//! A commit writes only blobs that are not there yet, so one that is about to be removed could be named again
//! by a commit that leaves it as it is. Both are done by the one thread that writes: what a commit brings is
//! noted there, and a removal spares what was noted.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use pawl_core::Digest;

/// What commits brought since a sweep began; absent when none is under way.
#[derive(Debug, Default)]
pub(crate) struct Sweep(Mutex<Option<HashSet<Digest>>>);

impl Sweep {
    fn with<T>(&self, act: impl FnOnce(&mut Option<HashSet<Digest>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins one; says whether none was under way.
    pub(crate) fn begin(&self) -> bool {
        self.with(|kept| {
            let is_first = kept.is_none();
            if is_first {
                *kept = Some(HashSet::new());
            }
            is_first
        })
    }

    pub(crate) fn end(&self) {
        self.with(|kept| *kept = None);
    }

    /// Notes a blob that a commit brings.
    pub(crate) fn keep(&self, digest: &Digest) {
        self.with(|kept| {
            if let Some(kept) = kept {
                kept.insert(*digest);
            }
        });
    }

    /// Whether a blob must not be removed.
    pub(crate) fn spares(&self, digest: &Digest) -> bool {
        self.with(|kept| kept.as_ref().is_none_or(|kept| kept.contains(digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_removed_but_in_a_sweep_and_what_came_meanwhile_is_spared() {
        let (sweep, [old, new]) = (Sweep::default(), [Digest::of(b"old"), Digest::of(b"new")]);
        sweep.keep(&old);
        assert!(sweep.spares(&old));
        assert!(sweep.begin() && !sweep.begin());
        sweep.keep(&new);
        assert!(!sweep.spares(&old) && sweep.spares(&new));
        sweep.end();
        assert!(sweep.spares(&old) && sweep.begin());
        assert!(!sweep.spares(&new));
    }
}
