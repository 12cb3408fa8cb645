//! Instructions, as valgrind counts them.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum as _;

use crate::scenario::Scenario;

/// Instructions of one round, by the scenario's name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// Counts all scenarios, beside each other: what one costs does not depend on the others.
pub(crate) fn all() -> Result<Counts> {
    std::thread::scope(|threads| {
        let count = |scenario: &Scenario| {
            let scenario = *scenario;
            (scenario, threads.spawn(move || one(scenario)))
        };
        let counting: Vec<_> = Scenario::value_variants().iter().map(count).collect();
        let counted = counting.into_iter().map(|(scenario, thread)| {
            let count = thread.join().map_err(|_| anyhow!("counting {} panicked", scenario.name()))??;
            Ok((scenario.name(), count))
        });
        counted.collect()
    })
}

fn one(scenario: Scenario) -> Result<u64> {
    let rounds = scenario.rounds();
    let (once, twice) = (instructions(scenario, rounds)?, instructions(scenario, 2 * rounds)?);
    let more = twice.checked_sub(once).context("twice as many rounds cost fewer instructions")?;
    Ok(more / u64::from(rounds))
}

fn instructions(scenario: Scenario, rounds: u32) -> Result<u64> {
    let this = std::env::current_exe()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["do", &scenario.name(), &rounds.to_string()])
        .output()
        .context("valgrind cannot be started; install it with `apt-get install valgrind`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{} under valgrind ended with {}:\n{said}", scenario.name(), output.status);
    }
    counted(&said).with_context(|| format!("valgrind did not say how many instructions it counted:\n{said}"))
}

/// The number in callgrind's line `==123== Collected : 456`.
fn counted(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}
