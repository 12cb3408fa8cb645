//! What sled leaves to us of its own files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// How long to wait for the lock of sled's log: a process that was killed gives it back only when the system
/// has cleared it away, and sled's threads when they are done with their last task.
const LOCK_WAIT_MAX_MS: u64 = 5_000;
/// How long between two tries.
const LOCK_RETRY_MS: u64 = 5;

/// Removes the snapshots that sled had not finished when it was killed: it takes them for whole ones, and
/// refuses to open. Nothing is lost, for a snapshot only saves reading the log.
pub(super) fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(%name, "an unfinished snapshot of sled is removed");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Waits until nobody holds the lock of sled's log; says whether that came about.
pub(super) fn wait_until_free(log: &File) -> io::Result<bool> {
    let since = Instant::now();
    loop {
        match rustix::fs::flock(log, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                rustix::fs::flock(log, FlockOperation::Unlock)?;
                return Ok(true);
            }
            Err(Errno::WOULDBLOCK) if since.elapsed() < Duration::from_millis(LOCK_WAIT_MAX_MS) => {
                std::thread::sleep(Duration::from_millis(LOCK_RETRY_MS));
            }
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many transactions the log held when this was noted last; none, where it was not.
pub(super) fn noted_transactions(dir: &Path) -> io::Result<u64> {
    match fs::read_to_string(dir.join("transactions")) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Notes how many transactions the log holds on disk. sled takes a log that was cut off for one that ends there;
/// by this the next to open it sees that it does not.
pub(super) fn note_transactions(dir: &Path, transactions: u64) -> io::Result<()> {
    let new = dir.join("transactions.new");
    let mut file = File::create(&new)?;
    writeln!(file, "{transactions}")?;
    file.sync_all()?;
    fs::rename(&new, dir.join("transactions"))
}

/// The bytes of all files of a folder.
pub(super) fn bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let metadata = entry?.metadata()?;
        if metadata.is_file() {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
