//! What retention needs of a store while it is in use.

use async_trait::async_trait;
use pawl_core::{Digest, RunId};

use crate::StoreError;

/// What is asked beside the verbs of [`Store`](crate::Store) to remove what nobody needs any more.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The runs that have a journal, in order, those after `after`, at most `limit`.
    async fn journals(&self, after: Option<RunId>, limit: usize) -> Result<Vec<RunId>, StoreError>;

    /// The digests of blobs, in order, those after `after`, at most `limit`.
    async fn blobs(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Digest>, StoreError>;

    /// From when this returns until [`Upkeep::end_sweep`], blobs that commits bring are noted, and
    /// [`Batch::unused`](crate::Batch::unused) removes others. All that was committed before can be read
    /// then, so a blob that no journal names now, and that no commit brings from now on, is named nowhere.
    /// There is one sweep at a time.
    async fn begin_sweep(&self) -> Result<(), StoreError>;

    /// Ends it.
    fn end_sweep(&self);
}
