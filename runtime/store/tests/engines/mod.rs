//! The engines that keep a store in a folder, for tests that all of them must pass.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;
use std::sync::Arc;

use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{Store, StoreError};

/// An engine.
#[derive(Clone, Copy)]
pub(crate) struct Engine {
    /// Its name, and that of its folder.
    pub(crate) name: &'static str,
    /// The file that holds what was committed, in the data folder.
    pub(crate) data: &'static str,
    /// The newest format that it reads.
    pub(crate) format: u32,
    /// Opens a store with the usual options.
    pub(crate) open: fn(&Path) -> Result<Arc<dyn Store>, StoreError>,
}

pub(crate) const LMDB: Engine = Engine {
    name: "lmdb",
    data: "lmdb/data.mdb",
    format: pawl_store::lmdb::FORMAT,
    open: |dir| Ok(Arc::new(LmdbStore::open(dir, LmdbOptions::default())?)),
};

pub(crate) const SLED: Engine = Engine {
    name: "sled",
    data: "sled/db",
    format: pawl_store::sled::FORMAT,
    open: |dir| Ok(Arc::new(SledStore::open(dir, SledOptions::default())?)),
};

pub(crate) const ALL: [Engine; 2] = [LMDB, SLED];

/// The engine with a name.
pub(crate) fn named(name: &str) -> Engine {
    ALL.into_iter().find(|engine| engine.name == name).expect("an engine")
}
