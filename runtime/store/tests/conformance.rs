//! One suite, every store.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pawl_store::conformance::{Subject, check};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::memory::MemoryStore;
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{Store, StoreError};

/// Memory has nothing to be opened again from: the store stays.
struct Memory(MemoryStore);

impl Subject for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn reopen(&mut self) {}
}

/// A store in a folder.
struct Durable<S, F> {
    store: Option<Arc<S>>,
    dir: PathBuf,
    open: F,
    guard: tempfile::TempDir,
}

impl<S, F: Fn(&Path) -> Result<S, StoreError>> Durable<S, F> {
    fn new(open: F) -> Self {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("data");
        Self { store: Some(Arc::new(open(&dir).unwrap())), dir, open, guard }
    }
}

impl<S: Store, F: Fn(&Path) -> Result<S, StoreError>> Subject for Durable<S, F> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap()) as _
    }

    fn reopen(&mut self) {
        assert!(self.guard.path().exists());
        assert!(Arc::into_inner(self.store.take().unwrap()).is_some(), "the store is still in use");
        self.store = Some(Arc::new((self.open)(&self.dir).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    check(|| Memory(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lmdb_conforms() {
    check(|| Durable::new(|dir| LmdbStore::open(dir, LmdbOptions::default()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lmdb_conforms_with_the_smallest_limits() {
    let options = LmdbOptions {
        map_size_bytes: 1 << 17,
        map_max_bytes: 1 << 30,
        queue_max_commits: 1,
        group_max_appends: 1,
        group_max_bytes: 1,
    };
    check(|| Durable::new(|dir| LmdbStore::open(dir, options.clone()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sled_conforms() {
    check(|| Durable::new(|dir| SledStore::open(dir, SledOptions::default()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sled_conforms_with_the_smallest_limits() {
    let options = SledOptions {
        cache_capacity_bytes: 1,
        queue_max_commits: 1,
        group_max_appends: 1,
        group_max_bytes: 1,
    };
    check(|| Durable::new(|dir| SledStore::open(dir, options.clone()))).await;
}
