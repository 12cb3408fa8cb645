//! What LMDB's errors mean for who called.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use heed::MdbError;

use crate::StoreError;
use crate::embedded::{BROKEN_HINT, disk_full, is_broken, is_full};

/// What an engine's error means for who called.
pub(super) fn from_heed(error: heed::Error) -> StoreError {
    match error {
        heed::Error::Mdb(MdbError::MapFull) => StoreError::Full(
            "the map has no room left and cannot grow; raise map_max_bytes. Nothing was lost".into(),
        ),
        heed::Error::Mdb(
            error @ (MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::Invalid
            | MdbError::VersionMismatch),
        ) => StoreError::Damaged(format!("{error}; restore the data folder from a backup")),
        heed::Error::Decoding(error) => StoreError::Damaged(error.to_string()),
        heed::Error::Io(error) if is_full(&error) => disk_full(&error),
        heed::Error::Io(error) if is_broken(&error) => StoreError::Engine(format!("{error}{BROKEN_HINT}")),
        other => StoreError::Engine(other.to_string()),
    }
}

/// A write error of LMDB, with the one that it hides: a write that the system
/// cut short, because there was no room for all of it, comes as an IO error.
///
/// So the folder is asked for as much again: whether a file beside the data,
/// as long as the data would have become, takes `bytes` more.
pub(super) fn from_write(error: heed::Error, env_dir: &Path, bytes: usize) -> StoreError {
    cut_short(&error, env_dir, bytes).unwrap_or_else(|| from_heed(error))
}

/// The error that LMDB hides behind this one, if it does.
pub(super) fn cut_short(error: &heed::Error, env_dir: &Path, bytes: usize) -> Option<StoreError> {
    let refused = match error {
        heed::Error::Io(error) if is_broken(error) => probe(env_dir, bytes).err()?,
        _ => return None,
    };
    is_full(&refused).then(|| disk_full(&refused))
}

fn probe(env_dir: &Path, bytes: usize) -> io::Result<()> {
    static CHUNK: [u8; 65_536] = [0; 65_536];
    let path = env_dir.join("probe");
    let attempt = || {
        let start = env_dir.join("data.mdb").metadata()?.len();
        let file = File::create(&path)?;
        for place in 0..=bytes / CHUNK.len() {
            file.write_all_at(&CHUNK, start + (place * CHUNK.len()) as u64)?;
        }
        file.sync_data()
    };
    let outcome = attempt();
    // The probe holds nothing; one that stays is overwritten by the next.
    let _ = std::fs::remove_file(&path);
    outcome
}
