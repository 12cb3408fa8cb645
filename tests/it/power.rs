//! The short form of power cuts and full disks. The long one is a program of its own, `powercut`;
//! `docs/proof.md` says what it proves.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use pawl_tests::binary;
use pawl_tests::power::{Fault, Options, Report, bare, full, whole};

/// Of the writer and of `pawl`.
const CUTS: usize = 20;
/// Of a store that a fault makes worthless.
const FAULT_CUTS: usize = 24;
/// Runs that `pawl` has while it is recorded: two of each kind.
const RUNS: usize = 18;
/// Of so many refusals of a full disk one is tried.
const STRIDE: usize = 12;

fn options(store: &str, cuts: usize) -> Options {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    Options {
        tool: PathBuf::from(env!("CARGO_BIN_EXE_powercut")),
        pawl: PathBuf::new(),
        store: store.to_owned(),
        cuts: number("PAWL_CUTS").and_then(|cuts: u64| usize::try_from(cuts).ok()).unwrap_or(cuts),
        seed: number("PAWL_SEED").unwrap_or_else(rand::random),
    }
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() -> Result<()> {
    for store in ["lmdb", "sled"] {
        let report = bare(&options(store, CUTS), Fault::None)?;
        ensure!(report.violations.is_empty(), "{report}");
        // Else nothing was tried.
        ensure!(report.creating > 0 && report.lossy > 0 && report.acknowledged > 0, "{report}");
    }
    Ok(())
}

#[test]
fn a_power_cut_of_pawl_loses_nothing_and_does_nothing_twice() -> Result<()> {
    let options = Options { pawl: binary()?.to_owned(), ..options("lmdb", CUTS) };
    let report = whole(&options, RUNS, Fault::None)?;
    ensure!(report.violations.is_empty(), "{report}");
    ensure!(report.lossy > 0 && report.resumed > 0 && report.acknowledged > 0, "{report}");
    Ok(())
}

#[test]
fn a_full_or_broken_disk_loses_nothing_and_work_goes_on() -> Result<()> {
    for store in ["lmdb", "sled"] {
        let refusals = full(&options(store, 0), STRIDE)?;
        ensure!(refusals.violations.is_empty(), "{refusals}");
        ensure!(!refusals.messages.is_empty(), "{refusals}");
    }
    Ok(())
}

#[test]
fn an_acknowledgement_that_comes_too_early_is_found() -> Result<()> {
    for store in ["lmdb", "sled"] {
        found(store, Fault::Early, "was acknowledged")?;
    }
    Ok(())
}

/// With sled nothing but its own `flush` is left then.
#[test]
fn data_that_is_not_synced_is_found() -> Result<()> {
    found("lmdb", Fault::Data, "")?;
    found("sled", Fault::Data, "was acknowledged")
}

#[test]
fn names_that_are_not_synced_are_found() -> Result<()> {
    for store in ["lmdb", "sled"] {
        found(store, Fault::Names, "")?;
    }
    Ok(())
}

#[test]
fn data_of_pawl_that_is_not_synced_is_found() -> Result<()> {
    let options = Options { pawl: binary()?.to_owned(), ..options("sled", FAULT_CUTS) };
    let report = whole(&options, RUNS, Fault::Data)?;
    was_found(&report, Fault::Data, "")
}

fn found(store: &str, fault: Fault, what: &str) -> Result<()> {
    was_found(&bare(&options(store, FAULT_CUTS), fault)?, fault, what)
}

fn was_found(report: &Report, fault: Fault, what: &str) -> Result<()> {
    ensure!(
        report.violations.iter().any(|violation| violation.contains(what)),
        "{fault:?} was not found: {report}"
    );
    // It was kept for people, and nobody is here.
    report.kept.as_ref().map_or(Ok(()), |kept| Ok(std::fs::remove_dir_all(kept)?))
}
