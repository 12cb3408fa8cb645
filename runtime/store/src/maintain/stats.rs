//! What is in a store, in figures.

use std::collections::BTreeMap;

use pawl_core::view::Status;
use serde::{Deserialize, Serialize};

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreStats {
    /// All tables, in the order of the layout.
    pub tables: Vec<TableStats>,
    /// Runs by status, by their headers.
    pub runs: BTreeMap<Status, u64>,
    /// Headers that do not read.
    pub unreadable: u64,
    /// Events of all journals.
    pub events: u64,
}

/// What is in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStats {
    /// Its name.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// Bytes of their keys and values, without what the engine needs beside them.
    pub bytes: u64,
}
