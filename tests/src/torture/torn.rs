//! A folder that torture has left in the midst of everything: compared as it is, and gone on with.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::check::{Moment, Violation, check};
use super::evidence::{Evidence, open_once};
use super::herd::Herd;
use super::ledger::{self, Command};
use super::{prepare, verify};
use crate::{TallyServer, TimedCall, calls_of};

/// Puts plugins into the data folder of a folder, and lets `pawl` compile them.
pub(crate) fn prepare_folder(pawl: &Path, folder: &Path) -> Result<()> {
    prepare(&Herd::new(pawl.to_owned(), folder.to_owned(), None))
}

/// The commands that the list in a folder has.
pub(crate) fn commands_of(folder: &Path) -> Result<Vec<Command>> {
    ledger::read(folder)
}

/// Such a folder.
#[derive(Debug)]
pub(crate) struct Torn {
    /// The binary.
    pub(crate) pawl: PathBuf,
    /// Where the data folder and the lists lie.
    pub(crate) folder: PathBuf,
    /// `lmdb` or `sled`.
    pub(crate) store: String,
}

impl Torn {
    /// Compares the store with the lists.
    pub(crate) fn inspect(&self) -> Result<Vec<Violation>> {
        self.compare(calls_of(&self.folder)?)
    }

    /// Lets `pawl resume` take up all runs, and compares again.
    pub(crate) fn go_on(&self) -> Result<Vec<Violation>> {
        let mut calls = calls_of(&self.folder)?;
        let beside = self.folder.join("later");
        std::fs::create_dir(&beside)?;
        let server = TallyServer::start(&beside)?;
        let (code, text) = self.herd().start(&["resume"], true)?.end()?;
        calls.extend(server.timed());
        let mut found = self.compare(calls)?;
        // Runs that fail, and runs that wait for a person or a signal.
        if ![0, 1, 3].contains(&code) {
            let what = format!("pawl resume ended with {code}: {text}");
            found.push(Violation { check: "progress", run: None, what });
        }
        Ok(found)
    }

    fn herd(&self) -> Herd {
        Herd::new(self.pawl.clone(), self.folder.clone(), Some(self.store.clone()))
    }

    fn compare(&self, calls: Vec<TimedCall>) -> Result<Vec<Violation>> {
        let herd = self.herd();
        let commands = commands_of(&self.folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let read = async {
            match open_once(&self.store, &herd.data()) {
                Ok(store) => Evidence::read(&*store, commands, calls).await,
                Err(error) => Err(error.into()),
            }
        };
        let mut evidence = match runtime.block_on(read) {
            Ok(evidence) => evidence,
            Err(error) => {
                let what = format!("the store cannot be read: {error:#}");
                return Ok(vec![Violation { check: "whole", run: None, what }]);
            }
        };
        evidence.verified = verify(&herd)?;
        Ok(check(&evidence, Moment::Between))
    }
}
