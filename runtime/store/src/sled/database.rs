//! The opened database: how it is opened, written durably, given up and closed.

use std::any::Any;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};
use sled::{Config, Db, Tree};
use tokio::sync::RwLock;

use super::rows::{Change, META, Reading, Writing, tree_names};
use super::{FORMAT, SledOptions, files};
use crate::StoreError;
use crate::embedded::{
    BROKEN_HINT, Engine, Folder, Table, Transaction, WriteError, damaged, disk_full, is_full, unusable,
};

/// The key in `meta` of the number of transactions.
pub(super) const TRANSACTIONS: &str = "transactions";

/// Below this sled panics.
const CACHE_MIN_BYTES: u64 = 256;

/// The database of one store.
pub struct Database {
    dir: PathBuf,
    /// Readers share it. The committer takes it alone from the moment when a transaction would be seen until
    /// it is on disk, so that nobody sees what a power cut could take back. Absent once closed.
    opened: RwLock<Option<Opened>>,
    fatal: Fatal,
}

/// The parts that exist while the database is open.
struct Opened {
    db: Db,
    /// By [`tree_names`].
    trees: Vec<Tree>,
    /// Our own descriptor of sled's log.
    log: File,
    /// How many transactions are on disk.
    transactions: AtomicU64,
}

/// Why the database is not used any more, once it is so.
#[derive(Debug, Default)]
pub(super) struct Fatal(OnceLock<String>);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Fatal {
    /// Notes an error after which sled cannot be trusted: it may have part of a write in memory and not on
    /// disk, or the other way round.
    pub(super) fn because(&self, error: &dyn std::fmt::Display) -> StoreError {
        let reason = self.0.get_or_init(|| {
            tracing::error!("sled failed: {error}");
            error.to_string()
        });
        StoreError::Failed(reason.clone())
    }

    fn check(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |reason| Err(StoreError::Failed(reason.clone())))
    }

    /// Does something with sled, unless it failed before. A panic in it is a failure as well.
    fn guard<T>(&self, act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.check()?;
        catch_unwind(AssertUnwindSafe(act))
            .unwrap_or_else(|panic| Err(self.because(&format!("it panicked: {}", panic_text(&*panic)))))
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

impl Database {
    /// Opens the store of a folder; makes it first when there is none.
    pub(super) fn open(folder: &mut Folder, options: &SledOptions) -> Result<Self, StoreError> {
        let dir = folder.engine_dir();
        if !dir.try_exists().map_err(|error| unusable(&dir, &error))? {
            create(folder, options)?;
        }
        Self::open_at(folder, options)
    }

    /// Makes and opens a store that stays beside its place for now.
    pub(super) fn open_new(folder: &Folder, options: &SledOptions) -> Result<Self, StoreError> {
        create_in(&folder.engine_dir(), options)?;
        Self::open_at(folder, options)
    }

    fn open_at(folder: &Folder, options: &SledOptions) -> Result<Self, StoreError> {
        let dir = folder.engine_dir();
        let opened = open_existing(&folder.path, &dir, options)?;
        Ok(Self { dir, opened: RwLock::new(Some(opened)), fatal: Fatal::default() })
    }

    fn commit(&self, opened: &Opened, changes: &[Change]) -> Result<(), StoreError> {
        let before = opened.transactions.load(Ordering::Relaxed);
        let written = opened.trees[..].transaction(|trees| {
            for Change { tree, key, value } in changes {
                match value {
                    Some(value) => trees[*tree].insert(&key[..], value)?,
                    None => trees[*tree].remove(&key[..])?,
                };
            }
            trees[META].insert(TRANSACTIONS, &(before + 1).to_be_bytes())?;
            Ok::<(), ConflictableTransactionError<Infallible>>(())
        });
        match written {
            Ok(()) => {}
            Err(TransactionError::Storage(error)) => return Err(self.fatal.because(&failure(&error))),
            Err(TransactionError::Abort(never)) => match never {},
        }
        opened.db.flush().map_err(|error| self.fatal.because(&failure(&error)))?;
        opened.log.sync_data().map_err(|error| self.fatal.because(&error))?;
        opened.transactions.store(before + 1, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine for Database {
    const NAME: &'static str = "sled";
    const FORMAT: u32 = FORMAT;

    type Rows<'e> = Reading<'e>;

    async fn read<T: Send>(
        &self,
        act: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let opened = self.opened.read().await;
        let Opened { trees, .. } = opened.as_ref().ok_or(StoreError::Closed)?;
        self.fatal.guard(|| act(&Reading { trees, fatal: &self.fatal }))
    }

    fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let changes = {
            let opened = self.opened.blocking_read();
            let Opened { trees, .. } = opened.as_ref().ok_or(StoreError::Closed)?;
            self.fatal.guard(|| {
                let mut writing = Writing::new(Reading { trees, fatal: &self.fatal });
                match transaction.fill(&mut writing) {
                    Ok(()) => writing.into_changes(),
                    Err(WriteError::Refused(error) | WriteError::Store(error)) => Err(error),
                    Err(WriteError::Engine(never)) => match never {},
                }
            })?
        };
        if changes.is_empty() {
            return Ok(());
        }
        // Nobody else writes, so the rows are still those that the changes were made for.
        let opened = self.opened.blocking_write();
        let opened = opened.as_ref().ok_or(StoreError::Closed)?;
        self.fatal.guard(|| self.commit(opened, &changes))
    }

    fn bytes(&self) -> Result<u64, StoreError> {
        files::bytes(&self.dir).map_err(|error| unusable(&self.dir, &error))
    }

    fn close(&self) {
        // Nobody else has it any more.
        let Some(opened) = self.opened.try_write().ok().and_then(|mut opened| opened.take()) else { return };
        if self.fatal.check().is_err() {
            // Dropping it would write on, or wait for what never comes. It goes with the process, and
            // keeps its lock until then.
            return std::mem::forget(opened);
        }
        if let Err(error) = files::note_transactions(&self.dir, opened.transactions.load(Ordering::Relaxed)) {
            tracing::warn!(%error, "how many transactions the log holds was not noted");
        }
        if catch_unwind(AssertUnwindSafe(|| shut(opened))).is_err() {
            tracing::error!("sled panicked while it was closed; what was acknowledged is on disk");
        }
    }
}

/// Closes a database, and waits until sled's threads have given back its lock.
fn shut(Opened { db, trees, log, .. }: Opened) {
    drop(trees);
    drop(db);
    match files::wait_until_free(&log) {
        Ok(true) => {}
        Ok(false) => tracing::warn!("sled was closed and still holds its lock"),
        Err(error) => tracing::warn!(%error, "whether sled gave back its lock cannot be told"),
    }
}

/// The tables that came after the first format.
const ADDED: [&str; 2] = [Table::Changes.name(), Table::Records.name()];

/// Makes a store beside its place and moves it there when it is complete.
fn create(folder: &mut Folder, options: &SledOptions) -> Result<(), StoreError> {
    create_in(&folder.begin_new()?, options)?;
    folder.finish_new()
}

fn create_in(dir: &Path, options: &SledOptions) -> Result<(), StoreError> {
    let make = || {
        let db = config(dir, options).open()?;
        let trees = tree_names().map(|name| db.open_tree(name)).collect::<sled::Result<Vec<_>>>()?;
        let meta = db.open_tree("meta")?;
        meta.insert("format", &FORMAT.to_be_bytes())?;
        meta.insert("created_by", concat!("pawl ", env!("CARGO_PKG_VERSION")))?;
        drop(meta);
        db.flush()?;
        Ok((db, trees))
    };
    let (db, trees) = made(dir, make)?;
    let log = open_log(dir).map_err(|error| unusable(dir, &error))?;
    made(dir, move || {
        shut(Opened { db, trees, log, transactions: AtomicU64::new(0) });
        Ok(())
    })
}

/// Opens a store that is there, after looking whether it is one and whole.
fn open_existing(data_dir: &Path, dir: &Path, options: &SledOptions) -> Result<Opened, StoreError> {
    // sled would make new files in the place of missing ones, and lose what the others hold.
    for name in ["db", "conf"] {
        let file = dir.join(name);
        match file.metadata() {
            Ok(metadata) if metadata.len() > 0 => {}
            Ok(_) => return Err(damaged(&file, "it is empty")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(&file, "it is missing"));
            }
            Err(error) => return Err(unusable(&file, &error)),
        }
    }
    let log = open_log(dir).map_err(|error| unusable(dir, &error))?;
    if !files::wait_until_free(&log).map_err(|error| unusable(dir, &error))? {
        return Err(StoreError::InUse { path: data_dir.to_owned(), pid: None });
    }
    files::remove_unfinished_snapshots(dir).map_err(|error| unusable(dir, &error))?;
    let db = caught(dir, || config(dir, options).open())?;
    match look_into(data_dir, dir, &db, &log) {
        Ok((trees, found)) => Ok(Opened { db, trees, log, transactions: AtomicU64::new(found) }),
        Err(error) => {
            // sled syncs its log when it is dropped, and panics where the disk refuses that.
            if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
                tracing::error!("sled panicked while it was closed");
            }
            Err(error)
        }
    }
}

/// The trees of a database that was just opened, and how many transactions it holds, once all of it is on disk.
fn look_into(data_dir: &Path, dir: &Path, db: &Db, log: &File) -> Result<(Vec<Tree>, u64), StoreError> {
    // What a killed process wrote and had not synced is there to be read, and is to stay; and sled does not
    // sync the folder when it puts a snapshot in it.
    log.sync_all().and_then(|()| File::open(dir)?.sync_all()).map_err(|error| unusable(dir, &error))?;
    let trees = caught(dir, || check(data_dir, dir, db))??;
    let found = caught(dir, || trees[META].get(TRANSACTIONS))?;
    let found = found.and_then(|bytes| bytes[..].try_into().ok()).map_or(0, u64::from_be_bytes);
    let noted = files::noted_transactions(dir).map_err(|error| unusable(dir, &error))?;
    if found < noted {
        let what = format!("it ends after {found} of {noted} transactions");
        return Err(damaged(&dir.join("db"), &what));
    }
    files::note_transactions(dir, found).map_err(|error| unusable(dir, &error))?;
    Ok((trees, found))
}

fn open_log(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(dir.join("db"))
}

fn config(dir: &Path, options: &SledOptions) -> Config {
    let cache = options.cache_capacity_bytes.max(CACHE_MIN_BYTES);
    Config::new().path(dir).cache_capacity(cache).flush_every_ms(None)
}

/// The trees of a store, if all are there and it is of a format that is known.
fn check(data_dir: &Path, dir: &Path, db: &Db) -> sled::Result<Result<Vec<Tree>, StoreError>> {
    let log = dir.join("db");
    let names = db.tree_names();
    let is_there = |name: &str| names.iter().any(|found| found == name.as_bytes());
    if !is_there("meta") {
        return Ok(Err(damaged(&log, "it is not a store of pawl")));
    }
    let format = db.open_tree("meta")?.get("format")?;
    match format.and_then(|bytes| bytes[..].try_into().ok()).map(u32::from_be_bytes) {
        None => return Ok(Err(damaged(&log, "it is not a store of pawl"))),
        Some(found) if found > FORMAT => {
            return Ok(Err(StoreError::Newer { path: data_dir.to_owned(), found, known: FORMAT }));
        }
        Some(found) if found < FORMAT => {
            for name in tree_names().filter(|name| !is_there(name)).filter(|name| ADDED.contains(name)) {
                db.open_tree(name)?;
            }
            db.open_tree("meta")?.insert("format", &FORMAT.to_be_bytes())?;
            db.flush()?;
            File::open(&log)?.sync_data()?;
        }
        Some(_) => {}
    }
    let names = db.tree_names();
    let is_there = |name: &str| names.iter().any(|found| found == name.as_bytes());
    if !tree_names().all(is_there) {
        return Ok(Err(damaged(&log, "a table is missing")));
    }
    tree_names().map(|name| db.open_tree(name)).collect::<sled::Result<Vec<_>>>().map(Ok)
}

/// Does something with a database that is being opened.
fn caught<T>(dir: &Path, act: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    let log = dir.join("db");
    tried(act).map_err(|refused| match refused {
        Refused::Io(error) if is_full(&error) => disk_full(&error),
        Refused::Io(error) => unusable(&log, &error),
        Refused::Other(why) => damaged(&log, &format!("sled cannot open it ({why})")),
    })
}

/// Does something with a database that is being made. Nothing was there, so nothing is damaged.
fn made<T>(dir: &Path, act: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    tried(act).map_err(|refused| match refused {
        Refused::Io(error) => unusable(dir, &error),
        Refused::Other(why) => {
            let reason = format!("sled cannot make a store there ({why}){BROKEN_HINT}");
            StoreError::Folder { path: dir.to_owned(), reason }
        }
    })
}

/// Why sled did not do something.
enum Refused {
    Io(io::Error),
    Other(String),
}

/// Does something with a database that is not in use yet. sled panics on some damage, and where a disk fails.
fn tried<T>(act: impl FnOnce() -> sled::Result<T>) -> Result<T, Refused> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(sled::Error::Io(error))) => Err(Refused::Io(error)),
        Ok(Err(error)) => Err(Refused::Other(error.to_string())),
        Err(panic) => Err(Refused::Other(panic_text(&*panic).to_owned())),
    }
}

/// What an error of sled means for who runs pawl.
fn failure(error: &sled::Error) -> String {
    match error {
        // What sled keeps of an error has lost its number.
        sled::Error::Io(io)
            if matches!(
                io.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ) =>
        {
            format!("the disk takes no more ({io}); free some space")
        }
        other => other.to_string(),
    }
}
