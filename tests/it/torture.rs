//! The short form of crash torture: a few kills, tens of runs. The long one is a program of its own,
//! `cargo run -p pawl-tests --bin torture`; `docs/proof.md` says what it proves.

use anyhow::{Result, ensure};
use pawl_tests::binary;
use pawl_tests::torture::{Options, torture};

#[test]
fn nothing_is_lost_and_nothing_is_done_twice() -> Result<()> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let kills = number("PAWL_KILLS").and_then(|kills: u64| usize::try_from(kills).ok()).unwrap_or(10);
    let options = Options {
        pawl: binary()?.to_owned(),
        store: std::env::var("PAWL_STORE").ok(),
        kills,
        runs: 3 * kills,
        seed: number("PAWL_SEED").unwrap_or_else(rand::random),
        inspections: 2,
        folder: None,
        interrupts: true,
    };
    let mut lines = Vec::new();
    let report = torture(&options, |line| lines.push(line.to_owned()))?;
    ensure!(report.violations.is_empty(), "{report}\n{}", lines.join("\n"));
    ensure!(
        report.kills.all >= kills && report.kills.amid_calls + report.kills.amid_commands > 0,
        "{report}"
    );
    Ok(())
}
