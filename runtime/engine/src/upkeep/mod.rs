//! Looking after a store: what follows from journals is made anew, and what nobody needs any more is removed.
//!
//! Journals, blobs and memories are authoritative. Rebuilding and salvaging work on a store that no engine
//! uses; retention goes on beside runs.

mod fold;
mod prune;
mod rebuild;
pub(crate) mod references;
mod salvage;
mod sweep;

pub use prune::{Pruned, Retention, RetentionSetting};
pub use rebuild::{DIFFERENCES_MAX, Rebuilt, RowDifference, rebuild};
pub use salvage::{LostRun, Salvaged, salvage};

pub(crate) use prune::keep_house;
