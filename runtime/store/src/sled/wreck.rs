//! A sled store that is damaged, read as far as sled gives it: from a copy, since sled writes when it opens.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sled::{Config, Db, Tree};

use super::database::TRANSACTIONS;
use super::files;
use super::pieces::{self, Stored};
use super::rows::tree_names;
use crate::StoreError;
use crate::embedded::{Table, damaged, unusable};
use crate::maintain::TableRow;

/// A copy of a damaged store, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Wreck {
    db: Option<Db>,
    copy: PathBuf,
}

impl Wreck {
    /// Opens the store in `dir` by way of a copy in `copy`.
    pub(crate) fn open(dir: &Path, copy: PathBuf) -> Result<Self, StoreError> {
        let log = dir.join("db");
        // sled would take it for a store that was just made.
        if fs::metadata(&log).map_err(|error| unusable(&log, &error))?.len() == 0 {
            return Err(damaged(&log, "it is empty"));
        }
        let mut wreck = Self { db: None, copy };
        // A snapshot only saves reading the log, and may be what is damaged.
        let mut why = String::new();
        for with_snapshot in [true, false] {
            copy_files(dir, &wreck.copy, with_snapshot).map_err(|error| unusable(dir, &error))?;
            let open = || Config::new().path(&wreck.copy).flush_every_ms(None).open();
            match catch_unwind(AssertUnwindSafe(open)) {
                Ok(Ok(db)) => {
                    wreck.db = Some(db);
                    return Ok(wreck);
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => "it panicked".clone_into(&mut why),
            }
        }
        Err(damaged(&dir.join("db"), &format!("sled gives nothing of it ({why})")))
    }

    /// What is missing as a whole: sled takes a log that is damaged for one that ends there.
    pub(crate) fn missing(&self) -> Option<String> {
        let noted = files::noted_transactions(&self.copy).unwrap_or(0);
        let found = || {
            let meta = self.db.as_ref()?.open_tree("meta").ok()?;
            let bytes = meta.get(TRANSACTIONS).ok()??;
            bytes[..].try_into().ok().map(u64::from_be_bytes)
        };
        let found = catch_unwind(AssertUnwindSafe(found)).ok().flatten().unwrap_or(0);
        let what = || format!("the log ends after {found} of {noted} transactions; what came later is lost");
        (found < noted).then(what)
    }

    /// The rows of a table as far as they read, and what is wrong.
    pub(crate) fn table(
        &self,
        table: Table,
    ) -> Box<dyn Iterator<Item = Result<TableRow, String>> + Send + '_> {
        match self.trees(table) {
            Ok((tree, pieces)) => Box::new(Rows { left: tree.iter(), pieces, table, has_ended: false }),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    fn trees(&self, table: Table) -> Result<(Tree, Tree), String> {
        let db = self.db.as_ref().ok_or("it is closed")?;
        let known = db.tree_names();
        for name in [table.name(), "pieces"] {
            if !known.iter().any(|found| found == name.as_bytes()) || !tree_names().any(|tree| tree == name) {
                return Err(format!("the table {name} is not found"));
            }
        }
        let open = || Ok::<_, sled::Error>((db.open_tree(table.name())?, db.open_tree("pieces")?));
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(opened) => opened.map_err(|error| format!("the table {}: {error}", table.name())),
            Err(_) => Err(format!("sled panics at the table {}", table.name())),
        }
    }
}

impl Drop for Wreck {
    fn drop(&mut self) {
        let db = self.db.take();
        // Whatever it does at its end, it is a copy.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
        if let Err(error) = fs::remove_dir_all(&self.copy) {
            tracing::warn!(path = %self.copy.display(), "the copy of the damaged store is left there: {error}");
        }
    }
}

fn copy_files(from: &Path, to: &Path, with_snapshot: bool) -> io::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_snapshot = name.to_string_lossy().starts_with("snap.");
        let is_unfinished = name.to_string_lossy().ends_with(".generating");
        if entry.file_type()?.is_file() && !is_unfinished && (with_snapshot || !is_snapshot) {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

struct Rows {
    left: sled::Iter,
    pieces: Tree,
    table: Table,
    has_ended: bool,
}

impl Rows {
    fn value(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, String> {
        let count = match pieces::read(stored).map_err(|error| error.to_string())? {
            Stored::Whole(value) => return Ok(value.to_vec()),
            Stored::Pieces(count) => count,
        };
        let mut value = Vec::new();
        for number in 0..count {
            let piece = self.pieces.get(pieces::key(self.table, key, number));
            let piece = piece.map_err(|error| error.to_string())?;
            value.extend_from_slice(&piece.ok_or("a piece of a value is missing")?);
        }
        Ok(value)
    }
}

impl Iterator for Rows {
    type Item = Result<TableRow, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let name = self.table.name();
        let next = catch_unwind(AssertUnwindSafe(|| {
            let (key, stored) = match self.left.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err((true, error.to_string()))),
            };
            let value = self.value(&key, &stored).map_err(|error| (false, error));
            Some(value.map(|value| TableRow { key: key.to_vec(), value }))
        }));
        match next.unwrap_or_else(|_| Some(Err((true, "sled panics there".to_owned())))) {
            None => None,
            Some(Ok(row)) => Some(Ok(row)),
            Some(Err((ends, error))) => {
                // What follows is not reached by sled either.
                self.has_ended = ends;
                Some(Err(format!("the table {name}: {error}")))
            }
        }
    }
}
