//! How long `pawl run workflows/hello.yaml` takes as a process, and how large the binary is.
//!
//! `cargo bench --workspace --bench process [-- TIMES]`
//!
//! In a data folder whose compiled code is there: from the start of the process to its end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

const TIMES: usize = 40;
/// What the project wants to stay below.
const AIM: Duration = Duration::from_millis(150);
const AIM_MB: u64 = 40;

fn main() -> Result<()> {
    let times = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(TIMES).max(1);
    let folder = tempfile::tempdir()?;
    run(folder.path())?;
    let mut took = (0..times).map(|_| run(folder.path())).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    let megabytes = std::fs::metadata(env!("CARGO_BIN_EXE_pawl"))?.len() / 1_000_000;
    let p50 = took[took.len() / 2];
    let verdict = |holds: bool| if holds { "holds" } else { "is missed" };
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        println!(
            "pawl run workflows/hello.yaml, {times} processes: p50 {:.1} ms, max {:.1} ms; the binary has \
             {megabytes} MB",
            p50.as_secs_f64() * 1e3,
            took[took.len() - 1].as_secs_f64() * 1e3,
        );
        println!(
            "the aim of {} ms {}; the aim of {AIM_MB} MB {}",
            AIM.as_millis(),
            verdict(p50 < AIM),
            verdict(megabytes < AIM_MB),
        );
    }
    Ok(())
}

fn run(data: &Path) -> Result<Duration> {
    let mut pawl = Command::new(env!("CARGO_BIN_EXE_pawl"));
    pawl.args(["run", "workflows/hello.yaml"]).env("PAWL_DATA", data).env_remove("PAWL_STORE");
    pawl.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).stdin(Stdio::null());
    let begun = Instant::now();
    let output = pawl.output()?;
    let took = begun.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(took)
}
