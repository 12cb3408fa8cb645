//! What only sled has: files that it leaves behind, memory that it takes, and errors that end it.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use pawl_core::view::Status;
use pawl_core::{MemoryScope, Remembered};
use pawl_store::conformance::sample::{self, append, batch};
use pawl_store::sled::{GROUP_MAX_APPENDS, SledOptions, SledStore};
use pawl_store::{Batch, Blob, RunCommit, Store, StoreError};

/// What a process that writes [`CHILD_APPENDS`] commits to sled may keep resident, its program and its
/// threads included: twice what was measured, 60 MiB. sled's garbage must not be kept until the end.
const RESIDENT_MAX_BYTES: u64 = 120 << 20;
const CHILD_APPENDS: u64 = 20_480;
const CHILD_CACHE_BYTES: u64 = 16 << 20;

const CHILD: &str = "PAWL_TEST_SLED_DIR";

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, SledOptions::default()).unwrap()
}

/// Runs one of the ignored tests below in a process of its own; gives what it printed.
fn run_child(test: &str, before: &str, dir: &Path) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("{before} exec \"$0\" --exact {test} --ignored --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, dir)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}{said}");
    printed
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

fn said(printed: &str, what: &str) -> u64 {
    let line = printed.lines().find_map(|line| line.strip_prefix(what)).expect(what);
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn a_snapshot_that_a_kill_left_half_written_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(&batch([append(sample::run(1), 0, 3)])).await.unwrap();
    drop(store);
    let place = dir.path().join("sled");
    let left = place.join("snap.00000000FFFFFFFF.generating");
    fs::write(&left, "half").unwrap();
    // sled by itself takes it for a snapshot, and does not open.
    assert!(sled::Config::new().path(&place).flush_every_ms(None).open().is_err());
    let store = open(dir.path());
    assert!(!left.exists());
    assert_eq!(store.journal(sample::run(1), 1).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_store_of_the_first_format_gets_the_tables_that_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit(&batch([append(sample::run(1), 0, 3)])).await.unwrap();
    drop(store);
    let place = dir.path().join("sled");
    let db = sled::Config::new().path(&place).flush_every_ms(None).open().unwrap();
    for table in ["changes", "records"] {
        assert!(db.drop_tree(table).unwrap());
    }
    db.open_tree("meta").unwrap().insert("format", &1_u32.to_be_bytes()).unwrap();
    db.flush().unwrap();
    drop(db);
    for _ in 0..2 {
        let store = open(dir.path());
        assert_eq!(store.info().await.unwrap().format, 2);
        assert_eq!(store.journal(sample::run(1), 1).await.unwrap().len(), 3);
        assert_eq!(store.remembers().await.unwrap(), None);
    }
    // Any other table that is missing is damage, as before.
    let db = sled::Config::new().path(&place).flush_every_ms(None).open().unwrap();
    assert!(db.drop_tree("runs").unwrap());
    db.flush().unwrap();
    drop(db);
    let error = SledStore::open(dir.path(), SledOptions::default()).unwrap_err().to_string();
    assert!(error.contains("a table is missing"), "{error}");
}

#[test]
fn memory_stays_bounded_over_many_commits() {
    let dir = tempfile::tempdir().unwrap();
    let printed = run_child("many_commits_child", "", dir.path());
    let resident = said(&printed, "resident ");
    assert!(resident > 0 && resident < RESIDENT_MAX_BYTES, "{} MiB are resident", resident >> 20);
}

#[tokio::test]
#[ignore = "run by memory_stays_bounded_over_many_commits"]
async fn many_commits_child() {
    let Some(dir) = child_dir() else { return };
    let options = SledOptions { cache_capacity_bytes: CHILD_CACHE_BYTES, ..SledOptions::default() };
    let store = SledStore::open(&dir, options).unwrap();
    let group = GROUP_MAX_APPENDS as u64;
    for first in (0..CHILD_APPENDS / 4).step_by(GROUP_MAX_APPENDS) {
        // Four commits a run, as the yardstick of bare commits has them.
        for commit in 0..4 {
            let runs = (first..first + group).map(|number| {
                let run = sample::run(number);
                let events = (1..=4).map(|n| sample::event(run, commit * 4 + n, 250)).collect();
                let header = Some(sample::header(run, Status::Running));
                RunCommit { header, ..RunCommit::new(run, commit * 4, events) }
            });
            store.commit(&batch(runs)).await.unwrap();
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    say(&format!("resident {}", resident << 10));
}

fn blob(number: u64) -> Batch {
    let bytes: Vec<u8> = number.to_be_bytes().into_iter().cycle().take(100_000).collect();
    Batch { blobs: vec![Blob::new(bytes)], ..Batch::default() }
}

/// A limit on the size of files cuts writes short as a full disk does, and can be set without rights.
#[tokio::test]
async fn an_error_ends_the_store_and_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let printed = run_child("a_failed_store_child", "trap '' XFSZ; ulimit -f 8000;", dir.path());
    let acknowledged = said(&printed, "acknowledged ");
    assert!(acknowledged > 3);
    let store = open(dir.path());
    for number in 0..acknowledged {
        let Blob { digest, bytes } = &blob(number).blobs[0];
        assert_eq!(store.blob(digest).await.unwrap().as_ref(), Some(bytes), "blob {number}");
    }
    assert_eq!(store.journal(sample::run(1), 1).await.unwrap().len(), 2);
    store.commit(&batch([append(sample::run(1), 2, 1)])).await.unwrap();
}

#[tokio::test]
#[ignore = "run by an_error_ends_the_store_and_loses_nothing_that_was_acknowledged"]
async fn a_failed_store_child() {
    let Some(dir) = child_dir() else { return };
    let store = open(&dir);
    store.commit(&batch([append(sample::run(1), 0, 2)])).await.unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match store.commit(&blob(acknowledged)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    // A small commit would have room, and the run is on disk: it is not tried.
    let small = store.commit(&batch([append(sample::run(2), 0, 1)])).await.err();
    let read = store.journal(sample::run(1), 1).await.err();
    for error in [Some(error), small, read] {
        let Some(StoreError::Failed(reason)) = &error else { panic!("{error:?}") };
        assert!(reason.contains("free some space"), "{reason}");
        assert!(error.unwrap().to_string().contains("start pawl again"));
    }
    say(&format!("acknowledged {acknowledged}"));
}

/// Values and keys as large as they can be, in an order that fills pages, splits and merges them.
#[tokio::test]
async fn no_value_becomes_a_file_that_sled_does_not_sync() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let scope = MemoryScope::Workflow("w".into());
    let put = |number: u64, there: bool| {
        let digits = format!("{number:020}");
        // With its scope the key has 511 bytes; as MessagePack the value has 4,032.
        let key = format!("{digits}{}", "k".repeat(511 - 3 - digits.len()));
        let value = if there { serde_json::json!("v".repeat(4_032 - 3)) } else { serde_json::Value::Null };
        Remembered { scope: scope.clone(), key, value }
    };
    let shuffled = |number: u64| number * 7_919 % 997;
    for (there, keep) in [(true, 1), (false, 3), (true, 2), (false, 5), (true, 1)] {
        for first in (0..997).step_by(100) {
            let numbers = (first..997.min(first + 100)).filter(|number| number % keep == 0).map(shuffled);
            let remembered = numbers.map(|number| put(number, there)).collect();
            store.commit(&Batch { remembered, ..Batch::default() }).await.unwrap();
        }
    }
    let large: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    store.commit(&Batch { blobs: vec![Blob::new(large)], ..Batch::default() }).await.unwrap();
    assert_eq!(store.memory(&scope).await.unwrap().len(), 997);
    let beside = fs::read_dir(dir.path().join("sled/blobs")).unwrap().count();
    assert_eq!(beside, 0, "sled wrote values beside its log");
}
