//! Stores that are opened to be looked after, and new ones that are made beside their place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Maintain;
use crate::StoreError;
use crate::embedded::{Folder, unusable};
use crate::lmdb::{LmdbOptions, LmdbStore};
use crate::sled::{SledOptions, SledStore};

/// An engine that keeps a store in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// LMDB.
    Lmdb,
    /// sled.
    Sled,
}

impl EngineKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Lmdb, Self::Sled];

    /// Its name, and that of its folder in the data folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lmdb => "lmdb",
            Self::Sled => "sled",
        }
    }
}

/// Refuses a folder without a store of this engine: opening it would make one.
pub(super) fn must_be_there(engine: EngineKind, folder: &Path) -> Result<(), StoreError> {
    let place = folder.join(engine.name());
    if place.try_exists().map_err(|error| unusable(&place, &error))? {
        return Ok(());
    }
    if let Some(other) = EngineKind::ALL.into_iter().find(|other| folder.join(other.name()).exists()) {
        return Err(StoreError::OtherEngine {
            path: folder.to_owned(),
            found: other.name(),
            wanted: engine.name(),
        });
    }
    Err(StoreError::NoStore { path: folder.to_owned(), engine: Some(engine.name()) })
}

/// Opens a store that is there, in this process alone.
pub fn open(engine: EngineKind, folder: &Path) -> Result<Arc<dyn Maintain>, StoreError> {
    must_be_there(engine, folder)?;
    Ok(match engine {
        EngineKind::Lmdb => Arc::new(LmdbStore::open(folder, LmdbOptions::default())?),
        EngineKind::Sled => Arc::new(SledStore::open(folder, SledOptions::default())?),
    })
}

/// A new store that stands beside its place until it is finished. Dropped before that, it is removed.
#[derive(Debug)]
pub struct NewStore(Kind);

#[derive(Debug)]
enum Kind {
    Lmdb(LmdbStore),
    Sled(SledStore),
}

impl NewStore {
    /// Begins a new store in a folder that holds none.
    pub fn begin(engine: EngineKind, folder: &Path) -> Result<Self, StoreError> {
        if EngineKind::ALL.into_iter().any(|engine| folder.join(engine.name()).exists()) {
            return Err(StoreError::Exists { path: folder.to_owned() });
        }
        let folder = Folder::hold(folder, engine.name())?.staged()?;
        Self::within(engine, folder)
    }

    pub(super) fn within(engine: EngineKind, folder: Folder) -> Result<Self, StoreError> {
        Ok(Self(match engine {
            EngineKind::Lmdb => Kind::Lmdb(LmdbStore::open_new(folder, &LmdbOptions::default())?),
            EngineKind::Sled => Kind::Sled(SledStore::open_new(folder, SledOptions::default())?),
        }))
    }

    /// The store, to be filled.
    pub fn store(&self) -> &dyn Maintain {
        match &self.0 {
            Kind::Lmdb(store) => store,
            Kind::Sled(store) => store,
        }
    }

    /// Closes it; it stays beside its place.
    pub(super) fn leave(self) {
        match self.0 {
            Kind::Lmdb(store) => store.leave_new(),
            Kind::Sled(store) => store.leave_new(),
        }
    }

    /// Closes it and puts it in its place, durably.
    pub fn finish(self) -> Result<(), StoreError> {
        match self.0 {
            Kind::Lmdb(store) => store.put_in_place(),
            Kind::Sled(store) => store.put_in_place(),
        }
    }
}

/// A store for what is worked out, in a folder of its own that is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    store: Option<LmdbStore>,
    folder: PathBuf,
}

impl Scratch {
    /// Makes one; what a kill left of the last one is removed.
    pub fn new(folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.join("scratch.new");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unusable(&folder, &error));
            }
            _ => {}
        }
        let store = Some(LmdbStore::open(&folder, LmdbOptions::default())?);
        Ok(Self { store, folder })
    }

    /// The store.
    pub fn store(&self) -> Result<&dyn Maintain, StoreError> {
        self.store.as_ref().map(|store| store as &dyn Maintain).ok_or(StoreError::Closed)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.store.take());
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), "what was worked out is left there: {error}");
        }
    }
}
