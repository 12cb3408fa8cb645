//! What every engine within this process has in common: the tables and how their rows are laid out,
//! what a batch writes, what a listing reads, the folder, and the one thread that commits.
//!
//! An engine ([`Engine`]) gives rows and durable transactions, and knows nothing of runs; what is here
//! knows runs, and no engine. [`EmbeddedStore`] puts the two together.

mod codec;
mod committer;
mod engine;
mod failure;
mod folder;
mod maintain;
mod prepared;
pub(crate) mod projections;
mod read;
mod rows;
mod store;
mod sweep;
mod table;
mod write;

pub use committer::{CommitStats, TRANSACTION_SIZES};
pub use store::EmbeddedStore;
pub use table::Table;

pub(crate) use committer::{Limits, Transaction};
pub(crate) use engine::Engine;
pub(crate) use failure::{BROKEN_HINT, WriteError, damaged, disk_full, is_broken, is_full};
pub(crate) use folder::{Folder, unusable};
pub(crate) use maintain::{
    change_reads, event_key, journal_row, memory_reads, record_reads, same_rows, second_sweep,
};
pub(crate) use prepared::VALUE_MAX_BYTES;
pub(crate) use rows::{Row, Rows, WriteRows};
pub(crate) use sweep::Sweep;
