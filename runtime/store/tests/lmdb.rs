//! What only a durable store has: a folder, a lock, a format, a size, a committer.

use std::fs;
use std::future::Future;
use std::iter;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pawl_core::view::Status;
use pawl_store::conformance::sample::{self, append, batch};
use pawl_store::lmdb::{FORMAT, LmdbOptions, LmdbStore};
use pawl_store::{Batch, Blob, PAGE_MAX_ROWS, Page, RunFilter, Store, StoreError};

fn open(dir: &Path) -> Result<LmdbStore, StoreError> {
    LmdbStore::open(dir, LmdbOptions::default())
}

#[test]
fn a_folder_is_held_by_one_store_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    match open(dir.path()) {
        Err(StoreError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below")] {
        match open(&place) {
            Err(StoreError::Folder { reason, .. }) => {
                assert!(reason.contains("choose another folder"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What is done to a store's file.
type Spoil<'a> = &'a dyn Fn(&Path);

#[test]
fn what_is_not_a_whole_store_is_damaged() {
    let text = vec![b'x'; 20_000];
    let cases: [(&str, Spoil<'_>); 4] = [
        ("missing", &|data| fs::remove_file(data).unwrap()),
        ("empty", &|data| fs::write(data, "").unwrap()),
        ("text", &|data| fs::write(data, &text).unwrap()),
        ("cut off", &|data| fs::OpenOptions::new().write(true).open(data).unwrap().set_len(8_192).unwrap()),
    ];
    for (name, spoil) in cases {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        spoil(&dir.path().join("lmdb/data.mdb"));
        match open(dir.path()) {
            Err(StoreError::Damaged(reason)) => assert!(reason.contains("backup"), "{name}: {reason}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    // The format is four bytes after its key in the one page of `meta`.
    let data = dir.path().join("lmdb/data.mdb");
    let mut bytes = fs::read(&data).unwrap();
    let format = [&b"format"[..], &FORMAT.to_be_bytes()].concat();
    let places: Vec<_> = bytes.windows(10).enumerate().filter(|(_, at)| *at == format).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place + 6..place + 10].copy_from_slice(&(FORMAT + 1).to_be_bytes());
    }
    fs::write(&data, bytes).unwrap();
    match open(dir.path()) {
        Err(StoreError::Newer { found, known, .. }) => assert_eq!((found, known), (FORMAT + 1, FORMAT)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_kill_during_creation_left_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lmdb.new")).unwrap();
    fs::write(dir.path().join("lmdb.new/data.mdb"), "half").unwrap();
    drop(open(dir.path()).unwrap());
    assert!(!dir.path().join("lmdb.new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_share_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    let commit = |batch: Batch| {
        let store = Arc::clone(&store);
        Box::pin(async move { store.commit(&batch).await })
    };
    // Polled once, each is in the queue. The first keeps the committer busy until all the others are there.
    let batches = (0..100).map(|number| batch([append(sample::run(number), 0, 1)]));
    let mut commits: Vec<_> = iter::once(blob(1, 64 << 20)).chain(batches).map(commit).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let waiting: Vec<_> = commits.iter_mut().map(|commit| commit.as_mut().poll(&mut cx)).collect();
    for (commit, polled) in commits.into_iter().zip(waiting) {
        match polled {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => commit.await.unwrap(),
        }
    }
    let stats = store.stats();
    assert_eq!(stats.commits, 101);
    assert!(stats.transactions < 25, "{stats:?}");
}

#[tokio::test]
async fn what_was_queued_is_written_when_the_store_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    for number in 0..100 {
        let one = batch([append(sample::run(number), 0, 1)]);
        let mut commit = pin!(store.commit(&one));
        // Polled once, it is in the queue; then nobody waits for it any more.
        let _ = commit.as_mut().poll(&mut cx);
    }
    drop(store);
    let store = open(dir.path()).unwrap();
    for number in 0..100 {
        assert_eq!(store.journal(sample::run(number), 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_batch_with_two_entries_for_a_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let twice = batch([append(sample::run(1), 0, 1), append(sample::run(1), 1, 1)]);
    assert!(matches!(store.commit(&twice).await, Err(StoreError::Engine(_))));
}

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
    open(dir.path()).unwrap();
}

#[tokio::test]
#[ignore = "run by a_full_disk_loses_nothing_and_the_store_goes_on"]
async fn a_full_disk_child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    fill(&open(dir.as_ref()).unwrap()).await;
}

#[tokio::test]
async fn a_page_has_no_more_rows_than_the_limit_whatever_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let stores: [Box<dyn Store>; 2] =
        [Box::new(open(dir.path()).unwrap()), Box::new(pawl_store::memory::MemoryStore::new())];
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
