//! What only LMDB has: a size, and a store that goes on when it is full.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use pawl_core::view::Status;
use pawl_store::conformance::sample::{self, append, batch};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::{Batch, Blob, Store, StoreError};

fn blob(byte: u8, bytes: usize) -> Batch {
    Batch { blobs: vec![Blob::new(vec![byte; bytes])], ..Batch::default() }
}

/// Fills a store until it says so, then shows that nothing was lost and that small commits go on.
async fn fill(store: &LmdbStore) {
    let mut kept: Vec<Batch> = Vec::new();
    let full = loop {
        let next = blob(u8::try_from(kept.len()).expect("a small count"), 100_000);
        match store.commit(&next).await {
            Ok(()) => kept.push(next),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(kept.len() > 3);
    let run = sample::run(1);
    let mut small = append(run, 0, 2);
    small.header = Some(sample::header(run, Status::Running));
    // The large one does not fail the small one, whether or not they share a transaction.
    let (large, small) = (blob(255, 200_000), batch([small]));
    let (large, small) = tokio::join!(store.commit(&large), store.commit(&small));
    assert!(matches!(large, Err(StoreError::Full(_))));
    small.expect("room for a small one");
    assert_eq!(store.journal(run, 1).await.expect("a journal").len(), 2);
    for batch in kept {
        let Blob { digest, bytes } = &batch.blobs[0];
        assert_eq!(store.blob(digest).await.expect("a blob").as_ref(), Some(bytes));
    }
}

#[tokio::test]
async fn a_full_map_loses_nothing_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = LmdbOptions { map_size_bytes: 1 << 20, map_max_bytes: 2 << 20, ..LmdbOptions::default() };
    let store = LmdbStore::open(dir.path(), options.clone()).unwrap();
    fill(&store).await;
    drop(store);
    let store = LmdbStore::open(dir.path(), LmdbOptions { map_max_bytes: 1 << 30, ..options }).unwrap();
    store.commit(&blob(255, 200_000)).await.unwrap();
}

/// It is written through a memory map: without room for it the system would end the process.
#[test]
fn the_lock_file_has_its_room_before_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = LmdbStore::open(dir.path(), LmdbOptions::default()).unwrap();
        let file = dir.path().join("lmdb/lock.mdb").metadata().unwrap();
        let room = file.blocks() * 512;
        assert!(room >= file.len() && file.len() > 200_000, "{room} of {} bytes", file.len());
        drop(store);
        // As a copy of the folder may have left it out.
        std::fs::remove_file(dir.path().join("lmdb/lock.mdb")).unwrap();
    }
}

const CHILD: &str = "PAWL_TEST_FULL_DIR";

/// A limit on the size of files cuts writes short as a full disk does, and can be set without rights.
#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 4000; exec \"$0\" --exact a_full_disk_child --ignored";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    LmdbStore::open(dir.path(), LmdbOptions::default()).unwrap();
}

#[tokio::test]
#[ignore = "run by a_full_disk_loses_nothing_and_the_store_goes_on"]
async fn a_full_disk_child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    fill(&LmdbStore::open(dir.as_ref(), LmdbOptions::default()).unwrap()).await;
}
