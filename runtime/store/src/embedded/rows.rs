//! What an engine gives: rows, sorted by their keys' bytes.

use std::borrow::Cow;
use std::ops::Bound;

use super::{Table, WriteError};
use crate::StoreError;

/// A key and its value.
pub(crate) type Row<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The rows of a store as one reader sees them: what was committed, and nothing that is not on disk yet.
/// They do not change while it looks at them.
pub trait Rows {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError>;

    /// The row with the greatest key that is not beyond `key`.
    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, StoreError>;

    /// The rows between two keys, in order.
    fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError>;

    /// The keys between two keys, in order.
    fn keys<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Cow<'a, [u8]>, StoreError>>, StoreError> {
        Ok(self.range(table, from, to)?.map(|row| row.map(|(key, _)| key)))
    }

    /// The rows between two keys, the last first.
    fn rev_range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, StoreError>>, StoreError>;
}

/// The rows of a store within one transaction, which sees its own writes.
pub trait WriteRows {
    /// An error that ends the transaction and that the engine itself must look at.
    type Fault;

    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, WriteError<Self::Fault>>;

    /// The row with the greatest key that is not beyond `key`.
    fn last_up_to(&self, table: Table, key: &[u8]) -> Result<Option<Row<'_>>, WriteError<Self::Fault>>;

    /// Writes a row, in the place of the one that has its key.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), WriteError<Self::Fault>>;

    /// Writes a row unless one has its key; says whether it did.
    fn put_new(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<bool, WriteError<Self::Fault>>;

    /// Removes a row, if it is there.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), WriteError<Self::Fault>>;
}
