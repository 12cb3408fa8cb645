//! Why a transaction could not be filled, and what the disk's refusals mean.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::StoreError;

/// Why a batch could not be written into a transaction.
#[derive(Debug)]
pub enum WriteError<F> {
    /// This batch is not for this store's state; nothing of it was written, the others go on.
    Refused(StoreError),
    /// The transaction cannot go on, and the engine must see why.
    Engine(F),
    /// What stands in the store cannot be understood; the transaction is given up.
    Store(StoreError),
}

impl<F> From<StoreError> for WriteError<F> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether the disk takes no more: no space, no quota, or a limit on the file's size.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let full = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}

/// The disk takes no more, and the store goes on with what there is.
pub(crate) fn disk_full(error: &io::Error) -> StoreError {
    StoreError::Full(format!("the disk takes no more ({error}); free some space. Nothing was lost"))
}

/// The disk itself failed: nothing is wrong with what was asked.
pub(crate) fn is_broken(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// What to do about such a disk.
pub(crate) const BROKEN_HINT: &str = "; look at the disk, and at what the system's log says of it";

/// A file of a store is not as it was written.
pub(crate) fn damaged(file: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}; restore the data folder from a backup", file.display()))
}
