//! Refuses each write in turn, as a full disk does, and each sync, as a broken disk does.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::bare::{Place, copy, finish_kept};
use super::image::Disk;
use super::record::Record;
use super::strace::record;
use super::writer::{Acks, End};
use super::{Options, ask};

/// Commits of each run.
const COMMITS: u64 = 5;
/// How many calls in a row are refused: the first try and the second.
const IN_A_ROW: usize = 2;
/// What a full disk refuses, and a broken one.
const FULL: [&str; 8] =
    ["write", "pwrite64", "pwritev", "pwritev2", "ftruncate", "fallocate", "mkdir", "rename"];
const BROKEN: [&str; 2] = ["fsync", "fdatasync"];

/// What came of refusals.
#[derive(Debug, Default)]
pub struct Refusals {
    /// The store.
    pub of: String,
    /// How long it took.
    pub took: Duration,
    /// Refused calls by name: how many there were, at how many places.
    pub places: BTreeMap<&'static str, usize>,
    /// Writers that went on by themselves, those that had to be started again, and those that found no store.
    pub ends: (usize, usize, usize),
    /// Messages, each once.
    pub messages: BTreeMap<String, usize>,
    /// What must not be.
    pub violations: Vec<String>,
    /// Where the records lie, if there were violations.
    pub kept: Option<std::path::PathBuf>,
}

/// Refuses every `stride`-th call of the writer, each in a store of its own.
pub fn full(options: &Options, stride: usize) -> Result<Refusals> {
    let begun = Instant::now();
    let folder = tempfile::Builder::new().prefix("pawl-fulldisk").tempdir()?;
    let mut refusals = Refusals { of: options.store.clone(), ..Refusals::default() };
    let mut rng = StdRng::seed_from_u64(options.seed);
    let calm = folder.path().join("calm");
    let place = Place::new(&calm, &options.store)?;
    let calm = play(options, &place, &folder.path().join("trace"), &[])?;
    ensure!(calm.0 == Some(End::Done as i32), "without refusals the writer ends with {:?}", calm.0);
    for name in FULL.into_iter().chain(BROKEN) {
        let calls = calm.1.calls.iter().filter(|((_, called), _)| called == name).map(|(_, calls)| *calls);
        let calls = calls.max().unwrap_or_default();
        for first in (1..=calls).step_by(stride) {
            let error = if BROKEN.contains(&name) { "EIO" } else { "ENOSPC" };
            let last = first + IN_A_ROW - 1;
            let fault = format!("{name}:error={error}:when={first}..{last}");
            let place = folder.path().join(format!("{name}-{first}"));
            let found = one(options, &place, (name, &fault), &mut refusals, &mut rng)?;
            if found.is_empty() {
                fs::remove_dir_all(place)?;
            }
            refusals.violations.extend(found.into_iter().map(|what| format!("[{fault}] {what}")));
        }
    }
    refusals.kept = finish_kept(&refusals.violations, folder);
    refusals.took = begun.elapsed();
    Ok(refusals)
}

/// Lets a writer write; gives its exit code and its record.
fn play(
    options: &Options,
    place: &Place,
    trace: &Path,
    faults: &[&str],
) -> Result<(Option<i32>, Record, String)> {
    let command = place.part(&options.tool, "write", &[&COMMITS.to_string(), "late"]);
    let traced = record(&command, trace, faults)?;
    Ok((traced.status.code(), Record::read(trace, &place.root)?, traced.stderr))
}

/// One refusal: what was said, what is there afterwards, and whether work goes on.
fn one(
    options: &Options,
    folder: &Path,
    (name, fault): (&'static str, &str),
    refusals: &mut Refusals,
    rng: &mut StdRng,
) -> Result<Vec<String>> {
    let place = Place::new(&folder.join("root"), &options.store)?;
    let before = folder.join("before");
    copy(&place.root, &before)?;
    let (end, record, stderr) = play(options, &place, &folder.join("trace"), &[fault])?;
    let acks = Acks::read(&place.acks())?;
    let mut problems: Vec<String> = acks.refused.iter().filter_map(|said| unclear(fault, said)).collect();
    for said in &acks.refused {
        *refusals.messages.entry(general(said, &place)).or_default() += 1;
    }
    // How commits share transactions differs, so the last calls of the calm one may be missing.
    *refusals.places.entry(name).or_default() += usize::from(record.refused > 0);
    match end {
        Some(0) => refusals.ends.0 += 1,
        Some(3) => refusals.ends.1 += 1,
        Some(4) => refusals.ends.2 += 1,
        _ => problems.push(format!("the writer ended with {end:?}: {stderr}")),
    }
    // The power goes as well, and nobody had the time to mend anything.
    let mut disk = Disk::new(&record, &before, &place.root)?;
    disk.go_on(record.ticks.len())?;
    let cut = Place { root: folder.join("cut"), store: place.store.clone() };
    disk.cut(rng.random(), |_| true)?.put(&cut.root)?;
    problems.extend(ask(cut.part(&options.tool, "look", &[]))?);
    // There is room again.
    let (end, _, stderr) = play(options, &place, &folder.join("again"), &[])?;
    if end != Some(End::Done as i32) {
        let said = Acks::read(&place.acks())?.refused;
        problems.push(format!("with room again the writer ends with {end:?}: {stderr} {said:?}"));
    }
    problems.extend(ask(place.part(&options.tool, "look", &[]))?);
    Ok(problems)
}

/// A message that does not say what is wrong, or not what to do.
fn unclear(fault: &str, said: &str) -> Option<String> {
    let full = fault.contains("ENOSPC");
    let what = if full { "No space left" } else { "Input/output error" };
    let to_do = ["free some space", "start pawl again", "look at the disk"];
    let is_clear = said.contains(what) && to_do.iter().any(|hint| said.contains(hint));
    (!is_clear).then(|| format!("it does not say what to do: {said}"))
}

/// A message without what differs from place to place.
fn general(said: &str, place: &Place) -> String {
    let said = said.replace(&place.root.display().to_string(), "…");
    said.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').to_owned()
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: usize = self.places.values().sum();
        writeln!(f, "of          {}, {:.0} s", self.of, self.took.as_secs_f64())?;
        writeln!(f, "refused     at {places} places: {:?}", self.places)?;
        let (by_themselves, again, unopened) = self.ends;
        writeln!(
            f,
            "writers     {by_themselves} went on, {again} were started again, {unopened} found no store"
        )?;
        for (message, times) in &self.messages {
            writeln!(f, "  {times:>4} {message}")?;
        }
        writeln!(f, "violations  {}", self.violations.len())?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "the records lie in {}", kept.display())?;
        }
        Ok(())
    }
}
