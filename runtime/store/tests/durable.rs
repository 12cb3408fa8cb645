//! What only a durable store has: a folder, a lock, a format, a committer.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod engines;

use std::fs;
use std::future::Future;
use std::iter;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pawl_core::view::Status;
use pawl_store::conformance::sample::{self, append, batch};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{Batch, Blob, CommitStats, PAGE_MAX_ROWS, Page, RunFilter, Store, StoreError};

#[test]
fn a_folder_is_held_by_one_store_at_a_time() {
    for held in engines::ALL {
        let dir = tempfile::tempdir().unwrap();
        let store = (held.open)(dir.path()).unwrap();
        // Whichever engine comes second.
        for second in engines::ALL {
            match (second.open)(dir.path()).err() {
                Some(StoreError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
                other => panic!("{}: {other:?}", held.name),
            }
        }
        drop(store);
        (held.open)(dir.path()).unwrap();
    }
}

#[test]
fn a_folder_with_the_store_of_another_engine_is_refused_by_its_name() {
    for (held, other) in [(engines::LMDB, engines::SLED), (engines::SLED, engines::LMDB)] {
        let dir = tempfile::tempdir().unwrap();
        drop((held.open)(dir.path()).unwrap());
        match (other.open)(dir.path()).err() {
            Some(error @ StoreError::OtherEngine { .. }) => {
                let hint = format!("--store {}:{}", held.name, dir.path().display());
                assert!(error.to_string().contains(&hint), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(!dir.path().join(other.name).exists());
        (held.open)(dir.path()).unwrap();
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for engine in engines::ALL {
        for place in [file.clone(), file.join("below")] {
            match (engine.open)(&place).err() {
                Some(StoreError::Folder { reason, .. }) => {
                    assert!(reason.contains("choose another folder"), "{reason}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What is done to a store's file.
type Spoil<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn what_is_not_a_whole_store_is_damaged() {
    let text = vec![b'x'; 20_000];
    let cases: [(&str, Spoil<'_>); 4] = [
        ("missing", &|data| fs::remove_file(data).unwrap()),
        ("empty", &|data| fs::write(data, "").unwrap()),
        ("text", &|data| fs::write(data, &text).unwrap()),
        ("cut off", &|data| fs::OpenOptions::new().write(true).open(data).unwrap().set_len(8_192).unwrap()),
    ];
    for engine in engines::ALL {
        for (name, spoil) in cases {
            let dir = tempfile::tempdir().unwrap();
            // Enough that the file is much longer than what is left of it.
            let store = (engine.open)(dir.path()).unwrap();
            store.commit(&batch((0..300).map(|number| append(sample::run(number), 0, 20)))).await.unwrap();
            drop(store);
            spoil(&dir.path().join(engine.data));
            match (engine.open)(dir.path()).err() {
                Some(StoreError::Damaged(reason)) => {
                    let said = reason.contains("backup") && reason.contains(engine.data);
                    assert!(said, "{}, {name}: {reason}", engine.name);
                }
                other => panic!("{}, {name}: {other:?}", engine.name),
            }
        }
    }
}

#[test]
fn a_newer_format_is_refused() {
    for engine in engines::ALL {
        let dir = tempfile::tempdir().unwrap();
        drop((engine.open)(dir.path()).unwrap());
        let newer = engine.format + 1;
        match engine.name {
            "lmdb" => write_lmdb_format(&dir.path().join(engine.data), engine.format, newer),
            _ => write_sled_format(&dir.path().join(engine.name), newer),
        }
        match (engine.open)(dir.path()).err() {
            Some(StoreError::Newer { found, known, .. }) => {
                assert_eq!((found, known), (newer, engine.format));
            }
            other => panic!("{}: {other:?}", engine.name),
        }
    }
}

/// The format is four bytes after its key in the one page of `meta`.
fn write_lmdb_format(data: &Path, format: u32, newer: u32) {
    let mut bytes = fs::read(data).unwrap();
    let format = [&b"format"[..], &format.to_be_bytes()].concat();
    let places: Vec<_> = bytes.windows(10).enumerate().filter(|(_, at)| *at == format).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place + 6..place + 10].copy_from_slice(&newer.to_be_bytes());
    }
    fs::write(data, bytes).unwrap();
}

fn write_sled_format(dir: &Path, newer: u32) {
    let db = sled::Config::new().path(dir).flush_every_ms(None).open().unwrap();
    db.open_tree("meta").unwrap().insert("format", &newer.to_be_bytes()).unwrap();
    db.flush().unwrap();
}

#[test]
fn what_a_kill_during_creation_left_is_cleared_away() {
    for engine in engines::ALL {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join(format!("{}.new", engine.name));
        fs::create_dir_all(new.join("blobs")).unwrap();
        fs::write(new.join("data.mdb"), "half").unwrap();
        fs::write(new.join("db"), "half").unwrap();
        drop((engine.open)(dir.path()).unwrap());
        assert!(!new.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_share_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(LmdbStore::open(dir.path(), LmdbOptions::default()).unwrap());
    let stats = Arc::clone(&store);
    share_a_transaction(store, || stats.stats()).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SledStore::open(dir.path(), SledOptions::default()).unwrap());
    let stats = Arc::clone(&store);
    share_a_transaction(store, || stats.stats()).await;
}

async fn share_a_transaction(store: Arc<dyn Store>, stats: impl Fn() -> CommitStats) {
    let commit = |batch: Batch| {
        let store = Arc::clone(&store);
        Box::pin(async move { store.commit(&batch).await })
    };
    // A task may send only so much before it must let others go on.
    tokio::task::yield_now().await;
    // Polled once, each is in the queue. The first keeps the committer busy until all the others are there.
    let batches = (0..100).map(|number| batch([append(sample::run(number), 0, 1)]));
    let mut commits: Vec<_> = iter::once(blob(1, 16 << 20)).chain(batches).map(commit).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let waiting: Vec<_> = commits.iter_mut().map(|commit| commit.as_mut().poll(&mut cx)).collect();
    for (commit, polled) in commits.into_iter().zip(waiting) {
        match polled {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => commit.await.unwrap(),
        }
    }
    let stats = stats();
    assert_eq!(stats.commits, 101);
    assert!(stats.transactions < 25, "{stats:?}");
}

#[tokio::test]
async fn what_was_queued_is_written_when_the_store_is_dropped() {
    for engine in engines::ALL {
        // A task may send only so much before it must let others go on.
        tokio::task::yield_now().await;
        let dir = tempfile::tempdir().unwrap();
        let store = (engine.open)(dir.path()).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..100 {
            let one = batch([append(sample::run(number), 0, 1)]);
            let mut commit = pin!(store.commit(&one));
            // Polled once, it is in the queue; then nobody waits for it any more.
            let _ = commit.as_mut().poll(&mut cx);
        }
        drop(store);
        let store = (engine.open)(dir.path()).unwrap();
        for number in 0..100 {
            assert_eq!(store.journal(sample::run(number), 1).await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_batch_with_two_entries_for_a_run_is_refused() {
    for engine in engines::ALL {
        let dir = tempfile::tempdir().unwrap();
        let store = (engine.open)(dir.path()).unwrap();
        let twice = batch([append(sample::run(1), 0, 1), append(sample::run(1), 1, 1)]);
        assert!(matches!(store.commit(&twice).await, Err(StoreError::Engine(_))));
    }
}

fn blob(byte: u8, bytes: usize) -> Batch {
    Batch { blobs: vec![Blob::new(vec![byte; bytes])], ..Batch::default() }
}

#[tokio::test]
async fn a_page_has_no_more_rows_than_the_limit_whatever_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::new(pawl_store::memory::MemoryStore::new())];
    stores.extend(engines::ALL.map(|engine| (engine.open)(&dir.path().join(engine.name)).unwrap()));
    for store in stores {
        let runs = (0..=PAGE_MAX_ROWS as u64).map(|number| {
            let mut commit = append(sample::run(number), 0, 1);
            commit.header = Some(sample::header(sample::run(number), Status::Waiting));
            commit
        });
        store.commit(&batch(runs)).await.unwrap();
        let mut page = Page { after: None, limit: PAGE_MAX_ROWS * 2 };
        let first = store.runs(&RunFilter::default(), &page).await.unwrap();
        assert_eq!(first.runs.len(), PAGE_MAX_ROWS);
        page.after = first.next;
        assert!(page.after.is_some());
        let rest = store.runs(&RunFilter::default(), &page).await.unwrap();
        assert_eq!((rest.runs.len(), rest.next), (1, None));
    }
}
