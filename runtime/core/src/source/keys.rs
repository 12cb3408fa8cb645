//! The entries of a map whose keys the table of the language knows.

use std::ops::Deref;

use super::tree::{Entry, Node};
use crate::language::Place;

/// The entries of a map, and the place of the language that says which keys it may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'n> {
    place: &'static Place,
    entries: &'n [Entry],
}

impl<'n> Keys<'n> {
    pub(super) const fn new(place: &'static Place, entries: &'n [Entry]) -> Self {
        Self { place, entries }
    }

    pub(super) const fn place(self) -> &'static Place {
        self.place
    }
}

impl Deref for Keys<'_> {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        self.entries
    }
}

/// The value of a key, which has a row in the table.
pub(super) fn get<'n>(keys: Keys<'n>, key: &str) -> Option<&'n Node> {
    debug_assert!(
        keys.place.key(key).is_some(),
        "{} reads '{key}', which has no row: add one to the place '{}' in core/src/language",
        keys.place.what,
        keys.place.name,
    );
    #[cfg(test)]
    read::note(keys.place.name, key);
    keys.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// Which keys were read on this thread, so that a test sees rows that nothing reads.
#[cfg(test)]
pub(crate) mod read {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static READ: RefCell<BTreeSet<(&'static str, String)>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(place: &'static str, key: &str) {
        READ.with_borrow_mut(|read| read.insert((place, key.to_owned())));
    }

    /// All that were read so far.
    pub(crate) fn all() -> BTreeSet<(&'static str, String)> {
        READ.with_borrow(Clone::clone)
    }
}
