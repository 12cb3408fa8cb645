//! The store of pawl: one trait, its engines, one conformance suite.
//!
//! What is authoritative: the journals. Everything else that a store keeps
//! (run headers, open approvals, due times) follows from them, is written in
//! the same commit, and can be dropped and rebuilt. A commit that was
//! acknowledged is on disk. Nothing here knows what an event means.

#![warn(missing_docs)]

mod batch;
mod change;
mod embedded;
mod error;
mod query;
mod record;
mod store;
mod upkeep;

pub mod lmdb;
pub mod maintain;
pub mod memory;
pub mod sled;

#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod bench;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;

pub use batch::{Batch, Blob, Removal, RunCommit, Subscription};
pub use change::{CHANGES_MAX, Change, Changed, Remembers};
pub use embedded::{CommitStats, EmbeddedStore, TRANSACTION_SIZES};
pub use error::StoreError;
pub use maintain::{Maintain, RowChange};
pub use query::{ApprovalFilter, ApprovalPage, PAGE_MAX_ROWS, Page, RunFilter, RunPage};
pub use record::{Expected, Record, RecordChange};
pub use store::{Store, StoreInfo, TicketPlace};
pub use upkeep::Upkeep;
