//! The data folder: who holds it, what it stands on, and how a store comes into it.
//!
//! A store is made in `lmdb.new` (or `sled.new`) and renamed to `lmdb` when it
//! is complete and on disk. A kill in between leaves an `lmdb.new` that the next
//! open removes. A folder holds one store, of one engine. All of this happens under an exclusive lock on the file `lock`, which the
//! system gives back when its holder dies, however it dies.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::failure::{BROKEN_HINT, is_broken};
use crate::StoreError;

/// The engines that keep their files in a folder of their name.
const ENGINES: [&str; 2] = ["lmdb", "sled"];

/// A data folder that this process holds until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    engine: &'static str,
    /// Absent for a store that is made beside one that this process holds.
    lock: Option<File>,
    /// Whether the store in it is a new one that is not in its place yet.
    is_staged: bool,
}

impl Drop for Folder {
    /// Closing the file would not do: a child that this process is just
    /// starting shares the open file until it executes its own program, and
    /// with it the lock.
    fn drop(&mut self) {
        if self.is_staged
            && let Err(error) = fs::remove_dir_all(self.new_dir())
        {
            tracing::warn!(%error, path = %self.new_dir().display(), "a store that was not finished is left there");
        }
        if let Some(lock) = &self.lock
            && let Err(error) = rustix::fs::flock(lock, FlockOperation::Unlock)
        {
            tracing::warn!(%error, path = %self.path.display(), "the lock of the data folder was not given back");
        }
    }
}

impl Folder {
    /// Makes the folder if need be, looks at what it stands on, takes its lock, and refuses it when it holds
    /// a store of another engine than `engine`.
    pub(crate) fn hold(path: &Path, engine: &'static str) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|error| unusable(path, &error))?;
        refuse_network(path)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| unusable(&lock_path, &error))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(StoreError::InUse { path: path.to_owned(), pid: holder(&mut lock) });
            }
            Err(error) => return Err(unusable(&lock_path, &error.into())),
        }
        note_holder(&mut lock).map_err(|error| unusable(&lock_path, &error))?;
        let folder = Self { path: path.to_owned(), engine, lock: Some(lock), is_staged: false };
        folder.refuse_other_engines()?;
        Ok(folder)
    }

    /// Where the engine's files are.
    pub(crate) fn engine_dir(&self) -> PathBuf {
        if self.is_staged { self.new_dir() } else { self.place() }
    }

    /// Where they belong.
    fn place(&self) -> PathBuf {
        self.path.join(self.engine)
    }

    /// For a new store, in a folder that holds none: it is made beside its place.
    pub(crate) fn staged(mut self) -> Result<Self, StoreError> {
        if self.place().exists() {
            return Err(StoreError::Exists { path: self.path.clone() });
        }
        self.begin_new()?;
        self.is_staged = true;
        Ok(self)
    }

    /// For a new store beside the one that is held.
    pub(crate) fn beside(&self) -> Result<Self, StoreError> {
        self.begin_new()?;
        Ok(Self { path: self.path.clone(), engine: self.engine, lock: None, is_staged: true })
    }

    /// Leaves a new store beside its place, for who puts it there.
    pub(crate) const fn leave_new(&mut self) {
        self.is_staged = false;
    }

    /// Puts a new store in the place of the one that is held, in one step, and removes the old one.
    pub(crate) fn exchange_new(&self) -> Result<(), StoreError> {
        let exchange = || {
            let (new, place) = (self.new_dir(), self.place());
            sync_tree(&new)?;
            swap(&new, &place)?;
            File::open(&self.path)?.sync_all()?;
            // What stands beside it now is the old one.
            fs::remove_dir_all(&new)
        };
        exchange().map_err(|error| unusable(&self.path, &error))
    }

    /// Where a new store is made.
    fn new_dir(&self) -> PathBuf {
        self.path.join(format!("{}.new", self.engine))
    }

    /// A folder with runs in it must not look empty because it was opened with another engine.
    fn refuse_other_engines(&self) -> Result<(), StoreError> {
        let is_there = |engine: &str| {
            let dir = self.path.join(engine);
            dir.try_exists().map_err(|error| unusable(&dir, &error))
        };
        let wanted = self.engine;
        if is_there(wanted)? {
            return Ok(());
        }
        for found in ENGINES.into_iter().filter(|other| *other != wanted) {
            if is_there(found)? {
                return Err(StoreError::OtherEngine { path: self.path.clone(), found, wanted });
            }
        }
        Ok(())
    }

    /// An empty folder for a new store; what a kill left there is removed.
    pub(crate) fn begin_new(&self) -> Result<PathBuf, StoreError> {
        let dir = self.new_dir();
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&dir, &error)),
            _ => {}
        }
        // Journals may hold private data, and not every engine keeps others from its files.
        DirBuilder::new().mode(0o700).create(&dir).map_err(|error| unusable(&dir, &error))?;
        Ok(dir)
    }

    /// Puts a new store in its place, durably: its files, its names, and the name of its folder.
    pub(crate) fn finish_new(&mut self) -> Result<(), StoreError> {
        let finish = || {
            let (new, place) = (self.new_dir(), self.place());
            sync_tree(&new)?;
            fs::rename(&new, &place)?;
            File::open(&self.path)?.sync_all()?;
            sync_names(&self.path.canonicalize()?)
        };
        finish().map_err(|error| unusable(&self.path, &error))?;
        self.is_staged = false;
        Ok(())
    }
}

/// Makes two folders change places. The system does it in one step, or not at all.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn swap(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "two folders cannot change places here in one step"))
}

/// Syncs a folder with all that is in it.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}

/// Syncs the folders above a folder, as far as its file system goes: any of them may have been made for it,
/// by this process or by one that was killed right after, and a power cut must not take them back.
fn sync_names(dir: &Path) -> io::Result<()> {
    let device = dir.metadata()?.dev();
    for above in dir.ancestors().skip(1) {
        if above.metadata()?.dev() != device {
            break;
        }
        match File::open(above) {
            Ok(above) => above.sync_all()?,
            // One that only others may read was not made for it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn note_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// An error of the file system, with what to do about it.
pub(crate) fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give yourself the right to write there, or choose another folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; choose a folder on a file system that can be written",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file stands there, choose another folder"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        _ if is_broken(error) => BROKEN_HINT,
        _ => "",
    };
    StoreError::Folder { path: path.to_owned(), reason: format!("{error}{hint}") }
}

#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<(), StoreError> {
    let stat = rustix::fs::statfs(path).map_err(|error| unusable(path, &error.into()))?;
    // The type of the field differs between architectures; the number has 32 bits.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a magic number, not a quantity"
    )]
    let magic = stat.f_type as u32;
    match network_name(magic) {
        None => Ok(()),
        Some(name) => Err(StoreError::Folder {
            path: path.to_owned(),
            reason: format!(
                "it is on {name}, whose locks and memory maps the store cannot rely on; \
                 choose a folder on a local disk"
            ),
        }),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it cannot be seen what a folder is on")]
fn refuse_network(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The name of a file system that is not on a local disk, by its magic number.
#[cfg(target_os = "linux")]
const fn network_name(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB (CIFS)"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => Some("FUSE"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x5346_414F | 0x6B41_4653 => Some("AFS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_given_back_although_a_starting_child_still_shares_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::hold(dir.path(), "lmdb").unwrap();
        // What a fork leaves in the child until it executes its own program.
        let inherited = folder.lock.as_ref().unwrap().try_clone().unwrap();
        assert!(matches!(Folder::hold(dir.path(), "lmdb"), Err(StoreError::InUse { pid: Some(_), .. })));
        drop(folder);
        drop(Folder::hold(dir.path(), "lmdb").unwrap());
        drop(inherited);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        for magic in [0x6969, 0xFE53_4D42, 0x0102_1997, 0x6573_5546] {
            assert!(network_name(magic).is_some());
        }
        let (ext4, xfs, btrfs, tmpfs, overlay) = (0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630);
        for magic in [ext4, xfs, btrfs, tmpfs, overlay] {
            assert_eq!(network_name(magic), None);
        }
    }
}
