//! A store in fewer bytes.

use std::path::Path;

use super::open::{EngineKind, NewStore, must_be_there};
use super::{compare, copy};
use crate::lmdb::LmdbStore;
use crate::sled::{SledOptions, SledStore};
use crate::{Store, StoreError};

/// What compacting a store came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

/// Makes a store anew beside its place, without what it does not need, and puts it in the place of the old one in
/// one step: at every moment a store stands there that opens. The new one is refused when it is not the same.
pub async fn compact(engine: EngineKind, folder: &Path) -> Result<Compacted, StoreError> {
    must_be_there(engine, folder)?;
    match engine {
        // The engine's own copy knows which pages are free.
        EngineKind::Lmdb => LmdbStore::compact(folder),
        EngineKind::Sled => compact_sled(folder).await,
    }
}

async fn compact_sled(folder: &Path) -> Result<Compacted, StoreError> {
    let old = SledStore::open(folder, SledOptions::default())?;
    let before = old.info().await?.bytes;
    let new = NewStore::within(EngineKind::Sled, old.beside()?)?;
    copy(&old, new.store(), &mut |_, _| ()).await?;
    if let Err(difference) = compare(&old, new.store(), &mut |_, _| ()).await? {
        let table = difference.table.name();
        return Err(StoreError::Damaged(format!(
            "a row of the table {table} is not in its copy as it was: {}; the store stays as it is",
            difference.what
        )));
    }
    new.leave();
    old.exchange()?;
    let after = SledStore::open(folder, SledOptions::default())?.info().await?.bytes;
    Ok(Compacted { before, after })
}
