//! What an embedded engine must be able to do.

use std::fmt::Debug;
use std::future::Future;

use super::{Rows, Transaction};
use crate::StoreError;

/// An engine that keeps rows in the folder of a store.
pub trait Engine: Debug + Send + Sync + Sized + 'static {
    /// Its name, which is that of its folder in the data folder as well.
    const NAME: &'static str;
    /// The format that this version writes, and the newest that it reads.
    const FORMAT: u32;

    /// Its rows as a reader sees them.
    type Rows<'e>: Rows;

    /// Reads what was committed last.
    fn read<T: Send>(
        &self,
        act: impl FnOnce(&Self::Rows<'_>) -> Result<T, StoreError> + Send,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Lets `transaction` fill a transaction, and commits it. When this returns without an error, what it
    /// wrote is on disk; else nothing of it is in the store, as far as the error does not say otherwise.
    ///
    /// Only the committer calls this, on its own thread.
    fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn bytes(&self) -> Result<u64, StoreError>;

    /// Closes it, so that it can be opened again in this process. Nobody reads or writes any more.
    fn close(&self);
}
