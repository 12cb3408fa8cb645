//! The embedded store on sled, for those who choose it; LMDB is the default, and faster.
//!
//! It is sled 0.34.7 in the one way of using it that lost nothing when processes were killed and power
//! was cut (design, section 9; decision 3 has the figures):
//! - All that a group of batches writes is one transaction over all tables, of at most
//!   [`GROUP_MAX_APPENDS`] runs' commits. Then `flush`, which only hands the bytes to the system, then
//!   `sync_data` on a descriptor of our own. Only then is anything acknowledged, or seen by readers.
//! - Values of more than a piece are cut into pieces (`pieces.rs`): sled would write them to files beside
//!   its log, which it never syncs.
//! - Every error of sled is fatal, and every panic in it: from then on the store answers
//!   [`Failed`](crate::StoreError::Failed), and what is on disk is what was acknowledged. A new process
//!   opens it.
//! - It never gives space back, and no thread of sled's own flushes or collects.

mod database;
mod files;
mod pieces;
mod rows;
mod wreck;

use std::path::Path;

use self::database::Database;
pub(crate) use self::wreck::Wreck;
use crate::StoreError;
use crate::embedded::{EmbeddedStore, Engine, Folder, Limits};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 2;

/// The most runs' commits that share one transaction, whatever is asked for. Larger ones were not tried
/// under kills, and what sled keeps in memory until it is done grows with them.
pub const GROUP_MAX_APPENDS: usize = 512;

/// The limits of a sled store.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// How many bytes of pages sled keeps in memory. Its table of all pages comes on top.
    pub cache_capacity_bytes: u64,
    /// How many commits may wait for the committer; a caller waits beyond that.
    pub queue_max_commits: usize,
    /// How many runs' commits share one transaction at most, and no more than [`GROUP_MAX_APPENDS`].
    pub group_max_appends: usize,
    /// How many bytes a transaction writes before it takes no further commit.
    pub group_max_bytes: usize,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            cache_capacity_bytes: 64 << 20,
            queue_max_commits: 4_096,
            group_max_appends: GROUP_MAX_APPENDS,
            group_max_bytes: 4 << 20,
        }
    }
}

impl SledOptions {
    const fn limits(&self) -> Limits {
        let Self { queue_max_commits, group_max_bytes, .. } = *self;
        let asked = self.group_max_appends;
        let group_max_appends = if asked < GROUP_MAX_APPENDS { asked } else { GROUP_MAX_APPENDS };
        Limits { queue_max_commits, group_max_appends, group_max_bytes }
    }
}

/// The store on sled.
pub type SledStore = EmbeddedStore<Database>;

impl SledStore {
    /// Opens the store in a data folder, and makes folder and store when there is none.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one store, and given away to it")]
    pub fn open(dir: &Path, options: SledOptions) -> Result<Self, StoreError> {
        let mut folder = Folder::hold(dir, Database::NAME)?;
        let database = Database::open(&mut folder, &options)?;
        Self::start(folder, database, options.limits())
    }

    /// Makes a new store in a folder that is held for it, beside its place.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one store, and given away to it")]
    pub(crate) fn open_new(folder: Folder, options: SledOptions) -> Result<Self, StoreError> {
        let database = Database::open_new(&folder, &options)?;
        Self::start(folder, database, options.limits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_appends_share_a_transaction_than_were_tried_under_kills() {
        for (asked, most) in [(1, 1), (GROUP_MAX_APPENDS, GROUP_MAX_APPENDS), (10_000, GROUP_MAX_APPENDS)] {
            let options = SledOptions { group_max_appends: asked, ..SledOptions::default() };
            assert_eq!(options.limits().group_max_appends, most, "{asked}");
        }
    }
}
