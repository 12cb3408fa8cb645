//! The rows of the store, as readers see them and as one transaction changes them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;

use sled::{IVec, Tree};

use super::database::Fatal;
use super::pieces::{self, Stored};
use crate::StoreError;
use crate::embedded::{Row, Rows, Table, WriteError, WriteRows};

/// Where the pieces of large values are, after all tables.
const PIECES: usize = Table::ALL.len();

/// Where the store says what it is, and how many transactions it has seen.
pub(super) const META: usize = PIECES + 1;

/// The names of all trees, each at its number: those of the tables, `pieces` and `meta`.
pub(super) fn tree_names() -> impl Iterator<Item = &'static str> {
    Table::ALL.into_iter().map(Table::name).chain(["pieces", "meta"])
}

/// The trees of an open store.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'e> {
    pub(super) trees: &'e [Tree],
    pub(super) fatal: &'e Fatal,
}

impl<'e> Reading<'e> {
    fn tree(&self, table: Table) -> &'e Tree {
        &self.trees[table as usize]
    }

    fn value(&self, table: Table, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StoreError> {
        let count = match pieces::read(stored)? {
            Stored::Whole(value) => return Ok(value.to_vec()),
            Stored::Pieces(count) => count,
        };
        let mut value = Vec::new();
        for number in 0..count {
            let piece = self.trees[PIECES].get(pieces::key(table, key, number));
            let piece = piece.map_err(|error| self.fatal.because(&error))?;
            let piece = piece.ok_or_else(|| StoreError::Damaged("a piece of a value is missing".into()))?;
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    fn stored(&self, table: Table, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.tree(table).get(key).map_err(|error| self.fatal.because(&error))
    }

    fn row<'a>(&self, table: Table, row: sled::Result<(IVec, IVec)>) -> Result<Row<'a>, StoreError> {
        let (key, stored) = row.map_err(|error| self.fatal.because(&error))?;
        let value = self.value(table, &key, &stored)?;
        Ok((Cow::Owned(key.to_vec()), Cow::Owned(value)))
    }
}

impl Rows for Reading<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let stored = self.stored(table, key)?;
        stored.map(|stored| self.value(table, key, &stored).map(Cow::Owned)).transpose()
    }

    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, StoreError> {
        let mut rows = self.tree(table).range::<&[u8], _>((Bound::Unbounded, Bound::Included(key)));
        rows.next_back().map(|row| self.row(table, row)).transpose()
    }

    fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
        Ok(self.tree(table).range::<&[u8], _>((from, to)).map(move |row| self.row(table, row)))
    }

    /// Without the pieces of their values.
    fn keys<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Cow<'a, [u8]>, StoreError>>, StoreError> {
        let rows = self.tree(table).range::<&[u8], _>((from, to));
        Ok(rows.map(|row| {
            row.map(|(key, _)| Cow::Owned(key.to_vec())).map_err(|error| self.fatal.because(&error))
        }))
    }

    fn rev_range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError> {
        Ok(self.tree(table).range::<&[u8], _>((from, to)).rev().map(move |row| self.row(table, row)))
    }
}

/// One row of one tree, as it is to be.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) tree: usize,
    pub(super) key: Vec<u8>,
    /// Nothing when it is to be removed.
    pub(super) value: Option<IVec>,
}

impl Change {
    pub(super) fn row(table: Table, key: Vec<u8>, value: Option<Vec<u8>>) -> Self {
        Self { tree: table as usize, key, value: value.map(IVec::from) }
    }

    pub(super) fn piece(key: Vec<u8>, value: Option<&[u8]>) -> Self {
        Self { tree: PIECES, key, value: value.map(IVec::from) }
    }
}

/// What a transaction changes, over the rows that are there. The trees are not touched until all of it is
/// known: a transaction of sled cannot look for the row before a key.
pub(super) struct Writing<'e> {
    rows: Reading<'e>,
    /// By table; nothing where a row is removed.
    changed: [BTreeMap<Vec<u8>, Option<Vec<u8>>>; Table::ALL.len()],
}

impl<'e> Writing<'e> {
    pub(super) fn new(rows: Reading<'e>) -> Self {
        Self { rows, changed: Default::default() }
    }

    fn changed(&mut self, table: Table) -> &mut BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &mut self.changed[table as usize]
    }

    /// What is to be written to the trees, all or nothing.
    pub(super) fn into_changes(self) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        for (table, changed) in Table::ALL.into_iter().zip(self.changed) {
            for (key, value) in changed {
                let before = match self.rows.stored(table, &key)? {
                    Some(stored) => match pieces::read(&stored)? {
                        Stored::Whole(_) => 0,
                        Stored::Pieces(count) => count,
                    },
                    None => 0,
                };
                changes.extend(pieces::changes(table, key, value.as_deref(), before)?);
            }
        }
        Ok(changes)
    }
}

impl WriteRows for Writing<'_> {
    /// An error of sled ends more than a transaction, and is noted where it comes up.
    type Fault = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, WriteError<Infallible>> {
        match self.changed[table as usize].get(key) {
            Some(value) => Ok(value.as_deref().map(Cow::Borrowed)),
            None => Ok(self.rows.get(table, key)?),
        }
    }

    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, WriteError<Infallible>> {
        let changed = &self.changed[table as usize];
        let bounds = (Bound::Unbounded, Bound::Included(key));
        // A row that cannot be read counts as one that was not changed, so that its error comes through.
        let is_there = |row: &Result<Row<'_>, StoreError>| match row {
            Ok((key, _)) => !changed.contains_key(&key[..]),
            Err(_) => true,
        };
        let there = self
            .rows
            .rev_range(table, bounds.0, bounds.1)?
            .find(is_there)
            .transpose()?
            .map(|(key, value)| (Cow::Owned(key.into_owned()), Cow::Owned(value.into_owned())));
        let new = changed
            .range::<[u8], _>(bounds)
            .rev()
            .find_map(|(key, value)| Some((Cow::Borrowed(&key[..]), Cow::Borrowed(value.as_deref()?))));
        Ok(match (there, new) {
            (Some(there), Some(new)) => Some(if there.0 > new.0 { there } else { new }),
            (there, new) => there.or(new),
        })
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), WriteError<Infallible>> {
        self.changed(table).insert(key.to_vec(), Some(value.to_vec()));
        Ok(())
    }

    fn put_new(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<bool, WriteError<Infallible>> {
        let is_there = match self.changed[table as usize].get(key) {
            Some(value) => value.is_some(),
            None => self.rows.stored(table, key)?.is_some(),
        };
        if !is_there {
            self.put(table, key, value)?;
        }
        Ok(!is_there)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), WriteError<Infallible>> {
        self.changed(table).insert(key.to_vec(), None);
        Ok(())
    }
}
