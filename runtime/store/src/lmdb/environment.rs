//! The opened LMDB environment: how it is opened, grown and closed.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use heed::types::Bytes;
use heed::{CommitOrAbort, CompactionOption, Database, Env, EnvOpenOptions, MdbError, WithoutTls};
use rustix::fs::FallocateFlags;

use super::failure::{cut_short, from_heed, from_write};
use super::tables::{self, Reading, Tables, Writing};
use super::{FORMAT, LmdbOptions};
use crate::StoreError;
use crate::embedded::{
    Engine, Folder, Transaction, WriteError, damaged, disk_full, is_full, same_rows, unusable,
};
use crate::maintain::Compacted;

/// How many reads may be under way at once. A read keeps its thread until it is done, so no process comes
/// near it; it stands here because LMDB must be told a number.
const READERS_MAX: u32 = 4_096;

/// What the file takes in which readers and writers announce themselves: a line of 64 bytes each.
const LOCK_BYTES: u64 = READERS_MAX as u64 * 64 + 4_096;

/// More than a new store takes.
const NEW_BYTES: usize = 65_536;

/// Maps are made of whole units; this is a multiple of every page size.
const MAP_UNIT_BYTES: u64 = 65_536;

/// The environment of one store.
pub struct Environment {
    dir: PathBuf,
    map_max_bytes: u64,
    /// Readers and the committer share it; it is taken alone only to grow the
    /// map, when no transaction may be open, and to close. Absent once closed.
    opened: RwLock<Option<Opened>>,
}

/// The parts that exist while the environment is open.
struct Opened {
    env: Env<WithoutTls>,
    tables: Tables,
}

impl Opened {
    fn reading(&self) -> Result<Reading<'_>, StoreError> {
        Ok(Reading { txn: self.env.read_txn().map_err(from_heed)?, tables: self.tables })
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Environment {
    /// Opens the store of a folder; makes it first when there is none.
    pub(super) fn open(folder: &mut Folder, options: &LmdbOptions) -> Result<Self, StoreError> {
        let dir = folder.engine_dir();
        if !dir.try_exists().map_err(|error| unusable(&dir, &error))? {
            create(folder, options.map_size_bytes)?;
        }
        Self::open_at(folder, options)
    }

    /// Makes and opens a store that stays beside its place for now.
    pub(super) fn open_new(folder: &Folder, options: &LmdbOptions) -> Result<Self, StoreError> {
        create_in(&folder.path, &folder.engine_dir(), options.map_size_bytes)?;
        Self::open_at(folder, options)
    }

    fn open_at(folder: &Folder, options: &LmdbOptions) -> Result<Self, StoreError> {
        let dir = folder.engine_dir();
        let opened = open_existing(&folder.path, &dir, options.map_size_bytes)?;
        Ok(Self { dir, map_max_bytes: options.map_max_bytes, opened: RwLock::new(Some(opened)) })
    }

    /// Lets `act` use the environment, which stays open meanwhile.
    fn with<T, E: From<StoreError>>(&self, act: impl FnOnce(&Opened) -> Result<T, E>) -> Result<T, E> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().ok_or(StoreError::Closed.into()).and_then(act)
    }

    /// Makes the map twice as large, when it may; says whether it did.
    ///
    /// LMDB allows this only while no transaction is open, so it waits for the
    /// reads that are under way. The environment is closed and opened again,
    /// which is safe in itself, where resizing it in place would not be.
    fn grow(&self) -> Result<bool, StoreError> {
        let mut place = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let opened = place.take().ok_or(StoreError::Closed)?;
        let size = opened.env.info().map_size as u64;
        let larger = size.saturating_mul(2).min(self.map_max_bytes) / MAP_UNIT_BYTES * MAP_UNIT_BYTES;
        if larger <= size {
            *place = Some(opened);
            return Ok(false);
        }
        close(opened.env);
        match self.open_existing(larger) {
            Ok(opened) => *place = Some(opened),
            // Where the address space is limited, the old size still fits.
            Err(error) => {
                tracing::warn!(%error, larger, "the map could not grow");
                *place = Some(self.open_existing(size)?);
                return Ok(false);
            }
        }
        tracing::info!(from = size, to = larger, "the map grew");
        Ok(true)
    }

    /// Closes the environment and opens it again: after the disk refused the
    /// page that makes a transaction count, LMDB takes nothing more until then.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut place = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let opened = place.take().ok_or(StoreError::Closed)?;
        let size = opened.env.info().map_size as u64;
        close(opened.env);
        *place = Some(self.open_existing(size)?);
        tracing::warn!("the store was opened again after a failed write");
        Ok(())
    }

    /// Copies the store without its free pages, compares the copy row by row, and puts it in the place of the
    /// store's one file, which is one step. Nobody else uses it.
    pub(super) fn compact(self, folder: &Folder) -> Result<Compacted, StoreError> {
        let before = self.bytes()?;
        let dir = folder.begin_new()?;
        let (new, data) = (dir.join("data.mdb"), self.dir.join("data.mdb"));
        self.copy_to(&new)?;
        let copy = open_existing(&folder.path, &dir, self.map_size()?)?;
        let is_same = self.with(|opened| Ok(same_rows(&opened.reading()?, &copy.reading()?)));
        close(copy.env);
        if !is_same?? {
            return Err(damaged(&data, "its copy is not the same, and the file stays as it is"));
        }
        self.close();
        let place = || {
            std::fs::rename(&new, &data)?;
            File::open(&self.dir)?.sync_all()?;
            std::fs::remove_dir_all(&dir)
        };
        place().map_err(|error| unusable(&data, &error))?;
        let after = std::fs::metadata(&data).map_err(|error| unusable(&data, &error))?.len();
        Ok(Compacted { before, after })
    }

    fn map_size(&self) -> Result<u64, StoreError> {
        self.with(|opened| Ok(opened.env.info().map_size as u64))
    }

    fn copy_to(&self, new: &Path) -> Result<(), StoreError> {
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(new);
        let mut file = file.map_err(|error| unusable(new, &error))?;
        self.with(|opened| opened.env.copy_to_file(&mut file, CompactionOption::Enabled).map_err(from_heed))?;
        file.sync_all().map_err(|error| unusable(new, &error))
    }

    fn open_existing(&self, map_size: u64) -> Result<Opened, StoreError> {
        open_existing(self.dir.parent().unwrap_or(&self.dir), &self.dir, map_size)
    }
}

impl Engine for Environment {
    const NAME: &'static str = "lmdb";
    const FORMAT: u32 = FORMAT;

    type Rows<'e> = Reading<'e>;

    /// Done when it is asked for, in one transaction: LMDB reads from its memory map without a lock that
    /// a writer could hold.
    async fn read<T: Send>(
        &self,
        act: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.with(|opened| act(&opened.reading()?))
    }

    fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let mut reopened = false;
        loop {
            match self.with(|opened| attempt(opened, transaction)) {
                Ok(()) => return Ok(()),
                Err(WriteError::Engine(heed::Error::Mdb(MdbError::MapFull))) if self.grow()? => {}
                Err(WriteError::Engine(heed::Error::Mdb(MdbError::Panic))) if !reopened => {
                    self.reopen()?;
                    reopened = true;
                }
                Err(WriteError::Engine(error)) => {
                    return Err(from_write(error, &self.dir, transaction.bytes()));
                }
                Err(WriteError::Store(error) | WriteError::Refused(error)) => return Err(error),
            }
        }
    }

    /// Bytes of the data file.
    fn bytes(&self) -> Result<u64, StoreError> {
        self.with(|opened| opened.env.real_disk_size().map_err(from_heed))
    }

    fn close(&self) {
        let opened = self.opened.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(opened) = opened {
            close(opened.env);
        }
    }
}

fn attempt(opened: &Opened, transaction: &mut Transaction<'_>) -> Result<(), WriteError<heed::Error>> {
    let txn = opened.env.write_txn().map_err(WriteError::Engine)?;
    let mut writing = Writing { txn, tables: opened.tables };
    transaction.fill(&mut writing)?;
    // Durable from here on: LMDB syncs the pages, then writes the page that makes them count, synced as well.
    writing.txn.commit().map_err(WriteError::Engine)
}

fn close(env: Env<WithoutTls>) {
    env.prepare_for_closing().wait();
}

/// Makes a store beside its place and moves it there when it is complete.
fn create(folder: &mut Folder, map_size: u64) -> Result<(), StoreError> {
    let dir = folder.begin_new()?;
    create_in(&folder.path, &dir, map_size)?;
    folder.finish_new()
}

fn create_in(data_dir: &Path, dir: &Path, map_size: u64) -> Result<(), StoreError> {
    reserve_lock(dir)?;
    let env = open_env(dir, map_size).map_err(|error| unopened(data_dir, dir, error))?;
    let created_by = concat!("pawl ", env!("CARGO_PKG_VERSION"));
    let meta: [(&str, &[u8]); 2] = [("format", &FORMAT.to_be_bytes()), ("created_by", created_by.as_bytes())];
    let made = Tables::create(&env, &meta).map_err(|error| from_write(error, dir, NEW_BYTES));
    close(env);
    made
}

/// Opens a store that is there, after looking whether it is one and whole.
fn open_existing(data_dir: &Path, dir: &Path, map_size: u64) -> Result<Opened, StoreError> {
    let data = dir.join("data.mdb");
    // LMDB would take a missing or empty file for a new store, and lose the old one for good.
    match data.metadata() {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Err(damaged(&data, "it is empty")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(&data, "it is missing")),
        Err(error) => return Err(unusable(&data, &error)),
    }
    reserve_lock(dir)?;
    let env = open_env(dir, map_size).map_err(|error| unopened(data_dir, dir, error))?;
    match check(data_dir, &data, &env) {
        Ok(tables) => Ok(Opened { env, tables }),
        Err(error) => {
            close(env);
            Err(error)
        }
    }
}

fn check(data_dir: &Path, data: &Path, env: &Env<WithoutTls>) -> Result<Tables, StoreError> {
    check_length(data, env)?;
    match format(env).map_err(|error| unreadable(data, error))? {
        None => return Err(damaged(data, "it is not a store of pawl")),
        Some(found) if found > FORMAT => {
            return Err(StoreError::Newer { path: data_dir.to_owned(), found, known: FORMAT });
        }
        Some(found) if found < FORMAT => {
            let dir = data.parent().unwrap_or(data);
            Tables::create(env, &[("format", &FORMAT.to_be_bytes())])
                .map_err(|error| from_write(error, dir, NEW_BYTES))?;
        }
        Some(_) => {}
    }
    Tables::open(env)
        .map_err(|error| unreadable(data, error))?
        .ok_or_else(|| damaged(data, "a table is missing"))
}

/// Refuses a file that was cut off: reading what is missing would end the process.
///
/// The last pages may rightly be missing when the last commits freed them, so
/// a file that is only somewhat short is made long enough instead.
fn check_length(data: &Path, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    let pages = env.info().last_page_number as u64 + 1;
    let needed = pages * u64::from(env.unnamed_database_stat().page_size);
    let file = std::fs::OpenOptions::new().write(true).open(data).map_err(|error| unusable(data, &error))?;
    let found = file.metadata().map_err(|error| unusable(data, &error))?.len();
    if found < needed / 2 {
        return Err(damaged(data, &format!("it has {found} of {needed} bytes")));
    }
    if found < needed {
        file.set_len(needed).map_err(|error| unusable(data, &error))?;
    }
    Ok(())
}

/// Gives LMDB's lock file its place on the disk. It is written through a memory map: where a full disk has
/// no room for a page of it, that would end the process.
fn reserve_lock(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("lock.mdb");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| unusable(&path, &error))?;
    // LMDB takes a file that is long enough for one whose readers are as many; so it stays as long as it is.
    match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, LOCK_BYTES) {
        Err(error) if is_full(&error.into()) => Err(disk_full(&error.into())),
        Err(error) => {
            tracing::debug!(%error, "the lock file has no place of its own here");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn format(env: &Env<WithoutTls>) -> Result<Option<u32>, heed::Error> {
    let outcome = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let meta: Option<Database<'_, Bytes, Bytes>> = opener.open_database(txn, Some("meta"))?;
        let format = meta.map(|meta| meta.get(txn, b"format")).transpose()?.flatten();
        let format = format.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        Ok::<_, heed::Error>(CommitOrAbort::<(), _>::Abort(format))
    })?;
    Ok(outcome.abort().flatten())
}

#[expect(
    unsafe_code,
    reason = "a memory map is sound only while nobody else changes the file; the lock on the data folder, \
              which the caller holds, keeps other processes out, and heed this one"
)]
fn open_env(dir: &Path, map_size: u64) -> Result<Env<WithoutTls>, heed::Error> {
    let map_size = usize::try_from(map_size.next_multiple_of(MAP_UNIT_BYTES)).unwrap_or(usize::MAX);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map_size).max_dbs(tables::COUNT).max_readers(READERS_MAX);
    unsafe { options.open(dir) }
}

/// What an error means that came when the file was first read.
fn unreadable(data: &Path, error: heed::Error) -> StoreError {
    match from_heed(error) {
        StoreError::Damaged(what) => StoreError::Damaged(format!("{}: {what}", data.display())),
        other => other,
    }
}

fn unopened(data_dir: &Path, dir: &Path, error: heed::Error) -> StoreError {
    if let Some(full) = cut_short(&error, dir, NEW_BYTES) {
        return full;
    }
    match error {
        heed::Error::Mdb(MdbError::Invalid) => damaged(&dir.join("data.mdb"), "it is not a store"),
        heed::Error::Mdb(MdbError::VersionMismatch) => {
            damaged(&dir.join("data.mdb"), "it was written by another version of LMDB")
        }
        heed::Error::Io(error) if error.kind() == io::ErrorKind::OutOfMemory => StoreError::Folder {
            path: dir.to_owned(),
            reason: format!("{error}; the address space is limited, lower map_size_bytes"),
        },
        heed::Error::Io(error) => unusable(dir, &error),
        heed::Error::EnvAlreadyOpened => {
            StoreError::InUse { path: data_dir.to_owned(), pid: Some(std::process::id()) }
        }
        other => from_heed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_the_first_format_gets_the_tables_that_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("lmdb");
        std::fs::create_dir(&dir).unwrap();
        let env = open_env(&dir, MAP_UNIT_BYTES * 64).unwrap();
        Tables::create_first_format(&env).unwrap();
        assert_eq!(format(&env).unwrap(), Some(1));
        assert!(Tables::open(&env).unwrap().is_none());
        close(env);
        let opened = open_existing(folder.path(), &dir, MAP_UNIT_BYTES * 64).unwrap();
        assert_eq!(format(&opened.env).unwrap(), Some(FORMAT));
        close(opened.env);
    }
}
