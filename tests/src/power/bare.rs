//! Cuts the power of a writer that does nothing but commit: while it makes its store, while it writes, and
//! while it opens and goes on with what an earlier cut has left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{Disk, FORGETS};
use super::record::{Act, Record, Tick};
use super::strace::record;
use super::whole::looking;
use super::writer::Acks;
use super::{Options, Report, ask};

/// Cuts of one record; the next one begins with what a cut of it has left.
const CUTS_OF_A_RECORD: usize = 25;
/// Commits of each run in one record.
const COMMITS: u64 = 25;
/// The list of what was acknowledged.
const ACKS: &str = "acks";

/// What is wrong on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is.
    None,
    /// The writer says that a commit is acknowledged before it is.
    Early,
    /// The system says that data is durable (`fdatasync`), and it is not. With sled nothing but its own
    /// `flush` is left then.
    Data,
    /// The system says that files and names are durable (`fsync`), and they are not.
    Names,
    /// The disk is full for a moment, once for each thread that writes: nothing may be lost for that.
    Full,
}

impl Fault {
    /// The fault with a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "early" => Some(Self::Early),
            "data" => Some(Self::Data),
            "names" => Some(Self::Names),
            "full" => Some(Self::Full),
            _ => None,
        }
    }

    pub(super) const fn faults(self) -> &'static [&'static str] {
        match self {
            Self::None | Self::Early => &[],
            Self::Data => &["fdatasync:retval=0"],
            Self::Names => &["fsync:retval=0"],
            Self::Full => &["pwrite64:error=ENOSPC:when=20..21"],
        }
    }
}

/// The place of a writer: its root, with the disk that forgets and the list beside it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) store: String,
}

impl Place {
    /// A new one. The data folder is some folders down, and none of them is there.
    pub(super) fn new(root: &Path, store: &str) -> Result<Self> {
        fs::create_dir_all(root.join(FORGETS))?;
        Ok(Self { root: root.canonicalize()?, store: store.to_owned() })
    }

    pub(super) fn acks(&self) -> PathBuf {
        self.root.join(ACKS)
    }

    /// A part that is played here.
    pub(super) fn part(&self, tool: &Path, name: &str, more: &[&str]) -> Command {
        let mut command = Command::new(tool);
        command.args([name, &self.store]).arg(self.root.join(FORGETS).join("some/place"));
        command.arg(self.acks()).args(more).env("RUST_BACKTRACE", "0");
        command
    }
}

/// Cuts the power of a writer.
pub fn bare(options: &Options, fault: Fault) -> Result<Report> {
    let begun = Instant::now();
    let folder = tempfile::Builder::new().prefix("pawl-powercut").tempdir()?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut report = Report { of: options.store.clone(), seed: options.seed, ..Report::default() };
    let mut left: Option<PathBuf> = None;
    for number in 0.. {
        let cuts = CUTS_OF_A_RECORD.min(options.cuts.saturating_sub(report.cuts));
        if cuts == 0 || !report.violations.is_empty() {
            break;
        }
        let round = folder.path().join(number.to_string());
        fs::create_dir(&round)?;
        let mut round = Round::record(options, fault, round, left.as_deref())?;
        left = round.cut(&mut rng, cuts, &mut report)?;
    }
    finish(&mut report, folder);
    report.took = begun.elapsed();
    Ok(report)
}

/// Keeps the records of a failure.
pub(super) fn finish(report: &mut Report, folder: TempDir) {
    report.kept = finish_kept(&report.violations, folder);
}

pub(super) fn finish_kept(violations: &[String], folder: TempDir) -> Option<PathBuf> {
    (!violations.is_empty()).then(|| folder.keep())
}

/// One record, and what is cut of it.
struct Round<'o> {
    options: &'o Options,
    folder: PathBuf,
    place: Place,
    record: Record,
}

impl<'o> Round<'o> {
    /// Lets a writer write, in a folder that is new or was left by a cut.
    fn record(options: &'o Options, fault: Fault, folder: PathBuf, left: Option<&Path>) -> Result<Self> {
        let (before, root) = (folder.join("before"), folder.join("root"));
        let place = Place::new(&root, &options.store)?;
        if let Some(left) = left {
            copy(left, &place.root)?;
        }
        copy(&place.root, &before)?;
        let early = if fault == Fault::Early { "early" } else { "late" };
        let command = place.part(&options.tool, "write", &[&COMMITS.to_string(), early]);
        let trace = folder.join("trace");
        let traced = record(&command, &trace, fault.faults())?;
        ensure!(traced.status.success(), "the writer ended with {}: {}", traced.status, traced.stderr);
        fs::write(
            folder.join("note.json"),
            json!({ "store": options.store, "root": place.root }).to_string(),
        )?;
        let record = Record::read(&trace, &place.root)?;
        let round = Self { options, folder, place, record };
        let mut disk = round.disk()?;
        disk.go_on(round.record.ticks.len())?;
        disk.compare()?;
        Ok(round)
    }

    fn disk(&self) -> Result<Disk<'_>> {
        Disk::new(&self.record, &self.folder.join("before"), &self.place.root)
    }

    /// Cuts; gives what one of the cuts has left.
    fn cut(&mut self, rng: &mut StdRng, cuts: usize, report: &mut Report) -> Result<Option<PathBuf>> {
        report.acts += self.record.acts.len();
        let moments = moments(&self.record, &self.place.root, rng, cuts);
        let kept = rng.random_range(0..cuts);
        let mut left = None;
        let mut disk = self.disk()?;
        for (number, moment) in moments.into_iter().enumerate() {
            let seed = rng.random();
            disk.go_on(moment)?;
            let root = self.folder.join(format!("cut-{number}"));
            let image = disk.cut(seed, |_| true)?;
            image.put(&root)?;
            if number == kept {
                let copy = self.folder.join("left");
                image.put(&copy)?;
                left = Some(copy);
            }
            let place = Place { root: root.clone(), store: self.place.store.clone() };
            let acks = Acks::read(&place.acks())?;
            let problems = ask(place.part(&self.options.tool, "look", &[]))?;
            report.cuts += 1;
            report.creating += usize::from(!acks.opened);
            report.lossy += usize::from(image.sectors_lost > 0);
            report.nameless += usize::from(image.names_lost > 0);
            report.sectors += image.sectors_lost;
            report.acknowledged += acks.events();
            let at = format!("{}, --moment {moment} --draw {seed}", self.folder.display());
            report.violations.extend(problems.into_iter().map(|problem| format!("[{at}] {problem}")));
            fs::remove_dir_all(root)?;
        }
        Ok(left)
    }
}

/// Moments of a record, in order: half of them anywhere, half right behind an acknowledgement, and of a
/// record that makes a store some before the first one.
pub(super) fn moments(record: &Record, root: &Path, rng: &mut StdRng, cuts: usize) -> Vec<usize> {
    let outside = |act: usize| match &record.acts[act] {
        Act::Write { file, .. } => !file.path.starts_with(root.join(FORGETS)),
        _ => false,
    };
    let acknowledged: Vec<usize> = record
        .ticks
        .iter()
        .enumerate()
        .filter(|(_, tick)| matches!(tick, Tick::Begun(act) if outside(*act)))
        .map(|(at, _)| at + 1)
        .collect();
    let last = record.ticks.len();
    let mut moments: Vec<usize> = (0..cuts)
        .map(|cut| match cut % 4 {
            0 if !acknowledged.is_empty() => rng.random_range(0..=acknowledged[0]),
            1 | 2 if !acknowledged.is_empty() => acknowledged[rng.random_range(0..acknowledged.len())],
            _ => rng.random_range(0..=last),
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// Cuts a record that was kept once more, at the same moment and with the same draw, into its folder `again`.
pub fn again(tool: &Path, folder: &Path, moment: usize, draw: u64) -> Result<Vec<String>> {
    let note = fs::read_to_string(folder.join("note.json")).context("a kept record has a note.json")?;
    let note: Value = serde_json::from_str(&note)?;
    let text = |key: &str| note[key].as_str().with_context(|| format!("the note has no {key}"));
    let root = PathBuf::from(text("root")?);
    let record = Record::read(&folder.join("trace"), &root)?;
    let mut disk = Disk::new(&record, &folder.join("before"), &root)?;
    disk.go_on(moment)?;
    let place = Place { root: folder.join("again"), store: text("store")?.to_owned() };
    disk.cut(draw, |_| true)?.put(&place.root)?;
    match text("pawl") {
        Ok(pawl) => ask(looking(tool, &place.store, pawl.as_ref(), &place.root, true)),
        Err(_) => ask(place.part(tool, "look", &[])),
    }
}

/// Copies what is in a folder into another.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
