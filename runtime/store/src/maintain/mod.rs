//! For who looks after a store: its rows as they are, its figures, and whole stores that are made, copied,
//! made smaller and read although they are damaged.
//!
//! None of this goes on beside an engine, but for the figures and backups: rows that are changed here are not looked at
//! again by runs in memory.

mod backup;
mod compact;
mod copy;
mod open;
mod stats;
mod wreck;

use std::ops::Bound;

use async_trait::async_trait;
use pawl_core::RunId;
use pawl_core::journal::EncodedEvent;

pub use backup::backup;
pub use compact::{Compacted, compact};
pub use copy::{Copied, Difference, check_journals, compare, copy};
pub use open::{EngineKind, NewStore, Scratch, open};
pub use stats::{StoreStats, TableStats};
pub use wreck::{Wreck, is_of};

pub use crate::embedded::Table;
pub use crate::embedded::projections::{Projections, header_of_row, row_name, rows_of_run, run_of_row};

use crate::{Store, StoreError};

/// How many rows are given at once, at most.
pub const ROWS_MAX: usize = 1_000;
/// How many bytes of rows are given at once, and the row that goes beyond.
pub const ROWS_MAX_BYTES: usize = 4 << 20;
/// How many bytes of rows are changed at once by who writes many of them, and the row that goes beyond.
pub const CHANGE_MAX_BYTES: usize = 4 << 20;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// A row as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// In which table.
    pub table: Table,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; absent when the row is to be removed.
    pub value: Option<Vec<u8>>,
}

/// What is done with each row; an error ends it.
pub type EachRow<'e> = dyn FnMut(Table, TableRow) -> Result<(), StoreError> + Send + 'e;

/// The rows of a store.
#[async_trait]
pub trait Maintain: Store {
    /// The rows between two keys, in order, at most [`ROWS_MAX`] and about [`ROWS_MAX_BYTES`]; none when there
    /// are no more.
    async fn rows(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Vec<TableRow>, StoreError>;

    /// The value of a key.
    async fn row(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Gives every row as it was at one moment, table by table, in order, while others write. It holds the thread that
    /// it runs on, and what others write meanwhile takes room that is not used again before it ends; sled lets them
    /// wait.
    async fn snapshot(&self, each: &mut EachRow<'_>) -> Result<(), StoreError>;

    /// Writes and removes rows, all or nothing. Durable when this returns.
    async fn change(&self, rows: Vec<RowChange>) -> Result<(), StoreError>;

    /// What is in it.
    async fn stats(&self) -> Result<StoreStats, StoreError>;
}

/// All rows of a table, page by page.
#[derive(Debug)]
pub struct Walk<'s> {
    store: &'s dyn Maintain,
    table: Table,
    after: Option<Vec<u8>>,
    page: std::vec::IntoIter<TableRow>,
}

impl<'s> Walk<'s> {
    /// From the first row on.
    pub fn new(store: &'s dyn Maintain, table: Table) -> Self {
        Self { store, table, after: None, page: Vec::new().into_iter() }
    }

    /// The next row; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<TableRow>, StoreError> {
        if let Some(row) = self.page.next() {
            return Ok(Some(row));
        }
        let from = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.store.rows(self.table, from, Bound::Unbounded).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.key.clone());
        }
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// Rows to be changed, written whenever there are many.
#[derive(Debug)]
pub struct Changes<'s> {
    store: &'s dyn Maintain,
    waiting: Vec<RowChange>,
    bytes: usize,
}

impl<'s> Changes<'s> {
    /// None yet.
    pub fn new(store: &'s dyn Maintain) -> Self {
        Self { store, waiting: Vec::new(), bytes: 0 }
    }

    /// Adds one.
    pub async fn add(&mut self, change: RowChange) -> Result<(), StoreError> {
        self.bytes += change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        self.waiting.push(change);
        if self.bytes < CHANGE_MAX_BYTES && self.waiting.len() < ROWS_MAX {
            Ok(())
        } else {
            self.flush().await
        }
    }

    /// Writes those that wait.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() { Ok(()) } else { self.store.change(rows).await }
    }
}

/// The run and the first seq of a journal's row, and the events in it.
pub fn journal_row(row: &TableRow) -> Result<(RunId, u64, Vec<EncodedEvent>), StoreError> {
    crate::embedded::journal_row(&row.key, &row.value)
}

/// The key of a row of a journal, or of an event that others must be told of.
pub fn event_key(run: RunId, seq: u64) -> Vec<u8> {
    crate::embedded::event_key(run, seq)
}
