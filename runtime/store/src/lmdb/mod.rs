//! The embedded store on LMDB, through `heed`.
//!
//! One thread owns all writes. It puts whatever batches are waiting into one
//! transaction, syncs once and then acknowledges each; a batch that comes too
//! late for its run fails alone. Readers see the last committed state and wait
//! for nobody. Without exception a commit is synced before it is acknowledged:
//! none of LMDB's flags that trade this away is set.
//!
//! A transaction that fails, because the map or the disk is full or the engine
//! refuses, leaves nothing behind, and the store goes on with the next one. The
//! exception is a disk that refuses the very page that makes a transaction
//! count: whether it counts is then known only when the store is opened again,
//! which the next commit does.

mod environment;
mod failure;
mod pages;
mod tables;

use std::path::Path;

use self::environment::Environment;
pub(crate) use self::pages::Pages;
use crate::StoreError;
use crate::embedded::{EmbeddedStore, Engine, Folder, Limits};
use crate::maintain::Compacted;

/// The format that this version writes, and the newest that it reads. A store of an older one gets
/// the tables that it lacks when it is opened.
pub const FORMAT: u32 = 5;

/// The limits of an LMDB store.
#[derive(Debug, Clone)]
pub struct LmdbOptions {
    /// How large the memory map is at first: address space, not disk space.
    pub map_size_bytes: u64,
    /// How large it may grow when it is full.
    pub map_max_bytes: u64,
    /// How many commits may wait for the committer; a caller waits beyond that.
    pub queue_max_commits: usize,
    /// How many runs' commits share one transaction at most.
    pub group_max_appends: usize,
    /// How many bytes a transaction writes before it takes no further commit.
    pub group_max_bytes: usize,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        let (map_size_bytes, map_max_bytes) =
            if cfg!(target_pointer_width = "64") { (1 << 40, 1 << 44) } else { (1 << 29, 1 << 30) };
        Self {
            map_size_bytes,
            map_max_bytes,
            queue_max_commits: 4_096,
            group_max_appends: 4_096,
            group_max_bytes: 16 << 20,
        }
    }
}

/// The store on LMDB.
pub type LmdbStore = EmbeddedStore<Environment>;

impl LmdbStore {
    /// Opens the store in a data folder, and makes folder and store when there is none.
    #[expect(clippy::needless_pass_by_value, reason = "what is made for this call is not borrowed first")]
    pub fn open(dir: &Path, options: LmdbOptions) -> Result<Self, StoreError> {
        let mut folder = Folder::hold(dir, Environment::NAME)?;
        let environment = Environment::open(&mut folder, &options)?;
        Self::start(folder, environment, limits(&options))
    }

    /// Makes a new store in a folder that is held for it, beside its place.
    pub(crate) fn open_new(folder: Folder, options: &LmdbOptions) -> Result<Self, StoreError> {
        let environment = Environment::open_new(&folder, options)?;
        Self::start(folder, environment, limits(options))
    }

    /// Copies the store of a folder without its free pages, and puts the copy in its place.
    pub(crate) fn compact(dir: &Path) -> Result<Compacted, StoreError> {
        let mut folder = Folder::hold(dir, Environment::NAME)?;
        let environment = Environment::open(&mut folder, &LmdbOptions::default())?;
        environment.compact(&folder)
    }
}

fn limits(options: &LmdbOptions) -> Limits {
    Limits {
        queue_max_commits: options.queue_max_commits,
        group_max_appends: options.group_max_appends,
        group_max_bytes: options.group_max_bytes,
    }
}
