//! One suite, every store.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::path::PathBuf;
use std::sync::Arc;

use pawl_store::Store;
use pawl_store::conformance::{Subject, check};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::memory::MemoryStore;

/// Memory has nothing to be opened again from: the store stays.
struct Memory(MemoryStore);

impl Subject for Memory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn reopen(&mut self) {}
}

struct Lmdb {
    store: Option<Arc<LmdbStore>>,
    dir: PathBuf,
    options: LmdbOptions,
    _guard: tempfile::TempDir,
}

impl Lmdb {
    fn new(options: LmdbOptions) -> Self {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("data");
        let store = Some(Arc::new(LmdbStore::open(&dir, options.clone()).unwrap()));
        Self { store, dir, options, _guard: guard }
    }
}

impl Subject for Lmdb {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().unwrap()) as _
    }

    fn reopen(&mut self) {
        assert!(Arc::into_inner(self.store.take().unwrap()).is_some(), "the store is still in use");
        self.store = Some(Arc::new(LmdbStore::open(&self.dir, self.options.clone()).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    check(|| Memory(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lmdb_conforms() {
    check(|| Lmdb::new(LmdbOptions::default())).await;
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
    check(|| Lmdb::new(options.clone())).await;
}
