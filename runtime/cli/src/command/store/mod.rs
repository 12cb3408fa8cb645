//! `pawl store`: looking after the store.
//!
//! What looks at runs or removes them (`stats`, `export`, `prune`, `backup`) goes through the process that holds the folder, as
//! other commands do. What works on rows needs the store for itself, and is refused while another process has it.

mod backup;
mod compact;
mod copy;
mod export;
mod prune;
mod rebuild;
mod restore;
mod salvage;
mod stats;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use pawl_store::StoreError;
use pawl_store::maintain::{EngineKind, Maintain};

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::{Place, StoreAt, StoreEngine};

/// How long between two lines about how far a command is, in milliseconds.
pub(crate) const PROGRESS_MS: u64 = 1_000;

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Show what is in the store: tables, runs by status, bytes
    Stats(JustData),
    /// Make everything anew that follows from journals, and say what was different
    Rebuild(JustData),
    /// Copy everything into a new store, of the same engine or the other
    Copy(copy::CopyArgs),
    /// Copy the store as it is now, while others use it, and check the copy
    Backup(backup::BackupArgs),
    /// Make a store of a backup, in a data folder that holds none
    Restore(restore::RestoreArgs),
    /// Make the store smaller
    Compact(JustData),
    /// Remove runs that are over, and blobs that nothing names any more
    Prune(prune::PruneArgs),
    /// Print journals as JSON, an event a line
    Export(export::ExportArgs),
    /// Save what is whole of a damaged store into a new one
    Salvage(salvage::SalvageArgs),
}

#[derive(Debug, Args)]
struct JustData {
    #[command(flatten)]
    data: DataArgs,
}

impl StoreArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            StoreCommand::Stats(args) | StoreCommand::Rebuild(args) | StoreCommand::Compact(args) => {
                args.data.folder.clone()
            }
            StoreCommand::Backup(args) => args.data.folder.clone(),
            StoreCommand::Restore(args) => args.data.folder.clone(),
            StoreCommand::Prune(args) => args.data.folder.clone(),
            StoreCommand::Export(args) => args.data.folder.clone(),
            StoreCommand::Copy(_) | StoreCommand::Salvage(_) => None,
        }
    }
}

pub(crate) async fn run(args: StoreArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    if place.ephemeral {
        return Err(Fault::usage("with --ephemeral there is no store to look after").hint("leave it out"));
    }
    match args.command {
        StoreCommand::Stats(_) => stats::run(place, out).await,
        StoreCommand::Rebuild(_) => rebuild::run(&place, out).await,
        StoreCommand::Copy(args) => copy::run(&args, out).await,
        StoreCommand::Backup(args) => backup::run(&args, place, out).await,
        StoreCommand::Restore(args) => restore::run(&args, &place, out).await,
        StoreCommand::Compact(_) => compact::run(&place, out).await,
        StoreCommand::Prune(args) => prune::run(&args, place, out).await,
        StoreCommand::Export(args) => export::run(args, place, out).await,
        StoreCommand::Salvage(args) => salvage::run(&args, out).await,
    }
}

const fn kind(engine: StoreEngine) -> EngineKind {
    match engine {
        StoreEngine::Lmdb => EngineKind::Lmdb,
        StoreEngine::Sled => EngineKind::Sled,
    }
}

/// A store that is there, for this command alone.
fn open(place: &Place) -> Result<Arc<dyn Maintain>, Fault> {
    pawl_store::maintain::open(kind(place.store.engine), place.store_folder()).map_err(alone)
}

/// A store that stands at a place that the command names.
fn open_at(at: &StoreAt) -> Result<Arc<dyn Maintain>, Fault> {
    pawl_store::maintain::open(kind(at.engine), folder_of(at)?).map_err(alone)
}

fn folder_of(at: &StoreAt) -> Result<&std::path::Path, Fault> {
    at.folder().ok_or_else(|| {
        Fault::usage(format!("'{at}' names no folder")).hint("write lmdb:PATH or sled:PATH, with the path")
    })
}

/// What another process holds cannot be worked on.
fn alone(error: StoreError) -> Fault {
    let is_held = matches!(error, StoreError::InUse { .. });
    let fault = Fault::from(error);
    if !is_held {
        return fault;
    }
    fault.hint(
        "this command needs the store for itself: wait until that process has ended, or stop it with SIGTERM; \
         `pawl store stats`, `export` and `prune` go through it",
    )
}

/// Says now and then how far a command is.
struct Progress {
    out: Output,
    said: Instant,
}

impl Progress {
    fn new(out: Output) -> Self {
        Self { out, said: Instant::now() }
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.said.elapsed() >= Duration::from_millis(PROGRESS_MS) {
            self.out.note(&line());
            self.said = Instant::now();
        }
    }
}

/// Bytes for people: `812 bytes`, `4.0 KiB`, `1.5 GiB`.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, name)| format!("{:.1} {name}", bytes as f64 / unit as f64),
    )
}

/// `1 run`, `2 runs`.
fn count(number: u64, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {what}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_easily() {
        let cases = [(0, "0 bytes"), (1_023, "1023 bytes"), (4_096, "4.0 KiB"), (3 << 29, "1.5 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count(0, "run"), "0 runs");
    }
}
