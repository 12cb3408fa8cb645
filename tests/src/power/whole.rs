//! Cuts the power of the whole of pawl: crash torture without kills, recorded with all its processes.
//!
//! The tool server and the list of commands are part of the same record, and fault on a disk that forgets
//! nothing. So at any moment it is known what had reached outside and what had been acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tempfile::TempDir;

use super::bare::{Fault, copy, finish, moments};
use super::image::{Disk, FORGETS};
use super::record::{Record, Unsure};
use super::strace::record;
use super::{Options, Report, ask};
use crate::torture::{self, Torn, torture};

/// Of so many cuts one is taken up again by `pawl resume`.
const RESUME_EVERY: usize = 8;
/// How often it is recorded, at most: a process that ended amid a write leaves open whether it was written, and
/// such a record proves nothing either way.
const RECORDS_MAX: usize = 5;
/// Beside the store in the data folder; nothing that is compared.
const BESIDE: [&str; 2] = ["cache", "plugins"];

/// Plays crash torture in a folder.
pub(super) fn play(
    store: &str,
    pawl: PathBuf,
    folder: PathBuf,
    runs: usize,
    seed: u64,
) -> Result<torture::Report> {
    torture(
        &torture::Options {
            pawl,
            store: Some(store.to_owned()),
            kills: 0,
            runs,
            seed,
            inspections: 0,
            folder: Some(folder),
            // A process that ends amid a write leaves open whether it was written.
            interrupts: false,
        },
        |_| {},
    )
}

/// Compares what a cut has left with the lists, and, where wanted, again when its runs were taken up.
pub(super) fn compare(store: &str, pawl: PathBuf, folder: PathBuf, resumes: bool) -> Result<Vec<String>> {
    let torn = Torn { pawl, folder, store: store.to_owned() };
    let mut problems = torn.inspect()?;
    if resumes && problems.is_empty() {
        problems.extend(torn.go_on()?);
    }
    Ok(problems.iter().map(ToString::to_string).collect())
}

/// Cuts the power of `pawl` while it has so many runs.
pub fn whole(options: &Options, runs: usize, fault: Fault) -> Result<Report> {
    let begun = Instant::now();
    let mut rng = StdRng::seed_from_u64(options.seed);
    let of = format!("pawl on {}", options.store);
    let mut report = Report { of, seed: options.seed, ..Report::default() };
    let mut tries = 1..RECORDS_MAX;
    let (folder, root, recorded) = loop {
        match recorded(options, runs, fault) {
            Err(error) if error.is::<Unsure>() && tries.next().is_some() => {}
            recorded => break recorded?,
        }
    };
    let new = || Disk::new(&recorded, &folder.path().join("before"), &root);
    let mut disk = new()?;
    disk.go_on(recorded.ticks.len())?;
    disk.compare()?;
    report.acts = recorded.acts.len();
    let mut disk = new()?;
    for (number, moment) in moments(&recorded, &root, &mut rng, options.cuts).into_iter().enumerate() {
        let (seed, resumes) = (rng.random(), number % RESUME_EVERY == 1);
        disk.go_on(moment)?;
        let left = folder.path().join("left");
        let image = disk.cut(seed, |path| resumes || !is_beside(path))?;
        image.put(&left)?;
        let store = left.join(FORGETS).join(&options.store);
        report.creating += usize::from(!store.exists());
        report.acknowledged += acknowledged(&left)?;
        let problems = ask(looking(&options.tool, &options.store, &options.pawl, &left, resumes))?;
        report.cuts += 1;
        report.resumed += usize::from(resumes);
        report.lossy += usize::from(image.sectors_lost > 0);
        report.nameless += usize::from(image.names_lost > 0);
        report.sectors += image.sectors_lost;
        let at = format!("{}, --moment {moment} --draw {seed}", folder.path().display());
        report.violations.extend(problems.into_iter().map(|what| format!("[{at}] {what}")));
        if !report.violations.is_empty() {
            break;
        }
        fs::remove_dir_all(left)?;
    }
    finish(&mut report, folder);
    report.took = begun.elapsed();
    Ok(report)
}

/// Plays torture under strace, in a folder of its own.
fn recorded(options: &Options, runs: usize, fault: Fault) -> Result<(TempDir, PathBuf, Record)> {
    let folder = tempfile::Builder::new().prefix("pawl-powercut").tempdir()?;
    fs::create_dir_all(folder.path().join("root").join(FORGETS))?;
    let root = folder.path().join("root").canonicalize()?;
    torture::prepare_folder(&options.pawl, &root)?;
    copy(&root, &folder.path().join("before"))?;
    let mut command = Command::new(&options.tool);
    command.args(["torture", &options.store]).arg(&options.pawl).arg(&root);
    command.args([runs.to_string(), options.seed.to_string()]).env("RUST_BACKTRACE", "0");
    let trace = folder.path().join("trace");
    let traced = record(&command, &trace, fault.faults())?;
    if !traced.status.success() {
        let (said, kept) = (traced.stdout.replace("\\n", "\n"), folder.keep());
        bail!("torture in {} ended with {}: {}{said}", kept.display(), traced.status, traced.stderr);
    }
    let note = json!({ "store": options.store, "root": root, "pawl": options.pawl });
    fs::write(folder.path().join("note.json"), note.to_string())?;
    let recorded = Record::read(&trace, &root)?;
    Ok((folder, root, recorded))
}

/// A process that compares.
pub(super) fn looking(tool: &Path, store: &str, pawl: &Path, left: &Path, resumes: bool) -> Command {
    let mut command = Command::new(tool);
    command.args(["compare", store]).arg(pawl).arg(left);
    command.arg(if resumes { "resumes" } else { "looks" }).env("RUST_BACKTRACE", "0");
    command
}

fn is_beside(path: &Path) -> bool {
    BESIDE.iter().any(|name| path == Path::new(FORGETS).join(name))
}

fn acknowledged(folder: &Path) -> Result<u64> {
    let commands = torture::commands_of(folder).context("the list of commands")?;
    let heard: BTreeMap<u64, bool> =
        commands.iter().map(|command| (command.id, command.is_accepted())).collect();
    Ok(heard.values().filter(|accepted| **accepted).count() as u64)
}
