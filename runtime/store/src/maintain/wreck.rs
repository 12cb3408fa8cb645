//! A damaged store, read as far as it goes. Nothing is written to it.

use std::path::Path;

use pawl_core::Digest;

use super::{EngineKind, Table, TableRow, journal_row};
use crate::StoreError;
use crate::embedded::{Folder, change_reads, memory_reads, record_reads};
use crate::lmdb::Pages;
use crate::sled;

/// Rows, and what is wrong between them.
type Rows<'w> = Box<dyn Iterator<Item = Result<TableRow, String>> + Send + 'w>;

/// A damaged store.
#[derive(Debug)]
pub struct Wreck {
    kind: Kind,
    /// So that no other process writes meanwhile.
    _folder: Folder,
}

#[derive(Debug)]
enum Kind {
    Lmdb(Pages),
    Sled(sled::Wreck),
}

impl Wreck {
    /// Opens what is there of a store. `beside` is a folder for what must be copied to be read.
    pub fn open(engine: EngineKind, folder: &Path, beside: &Path) -> Result<Self, StoreError> {
        super::open::must_be_there(engine, folder)?;
        let held = Folder::hold(folder, engine.name())?;
        let dir = folder.join(engine.name());
        let kind = match engine {
            EngineKind::Lmdb => Kind::Lmdb(Pages::open(&dir.join("data.mdb"))?),
            EngineKind::Sled => Kind::Sled(sled::Wreck::open(&dir, beside.join("wreck.new"))?),
        };
        Ok(Self { kind, _folder: held })
    }

    /// What is missing as a whole, where the store itself can tell.
    pub fn missing(&self) -> Option<String> {
        match &self.kind {
            Kind::Lmdb(_) => None,
            Kind::Sled(wreck) => wreck.missing(),
        }
    }

    /// The rows of a table in order, as far as they read, and what does not.
    pub fn rows(&self, table: Table) -> Rows<'_> {
        match &self.kind {
            Kind::Lmdb(pages) => Box::new(pages.table(table)),
            Kind::Sled(wreck) => wreck.table(table),
        }
    }

    /// Rows that stand somewhere in the file, found without the way to them. They may have been removed long ago,
    /// and may be of any table.
    pub fn loose_rows(&self) -> Box<dyn Iterator<Item = TableRow> + Send + '_> {
        match &self.kind {
            Kind::Lmdb(pages) => Box::new(pages.leaves()),
            Kind::Sled(_) => Box::new(std::iter::empty()),
        }
    }
}

/// Whether a row is one of its table by what it holds itself: a blob whose digest is its key, a record of events, a
/// value of a memory, a mark. Of other tables nothing can be told.
pub fn is_of(table: Table, row: &TableRow) -> bool {
    match table {
        Table::Blobs => row.key == Digest::of(&row.value).as_bytes(),
        Table::Journal => row.key.len() == 24 && journal_row(row).is_ok_and(|(_, first, _)| first > 0),
        Table::Outgoing => row.key.len() == 24 && row.value.is_empty(),
        Table::Memories => memory_reads(&row.key, &row.value),
        Table::Changes => change_reads(&row.key, &row.value),
        Table::Records => record_reads(&row.key, &row.value),
        Table::Runs
        | Table::Statuses
        | Table::Due
        | Table::Approvals
        | Table::ApprovalRuns
        | Table::Subscriptions
        | Table::Tickets => false,
    }
}
