//! Crash torture: `target/release/torture --kills 100 --runs 300 --seed 7`. See `docs/proof.md`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use pawl_tests::torture::{Options, torture};

const USAGE: &str = "\
usage: torture [--kills N] [--runs N] [--seed N] [--store STORE] [--inspections N] [--pawl PATH]

Kills pawl with SIGKILL at random moments while it drives runs, and compares what it has recorded
with lists kept outside. Ends with 1 when anything was lost or done twice.

  --kills N        kills that there are at least (100)
  --runs N         runs that there are at least (300)
  --seed N         repeats what was drawn (at random)
  --store STORE    as with pawl: lmdb, sled or sled:PATH (lmdb)
  --inspections N  how often the store is looked into between two processes (8)
  --pawl PATH      the binary (pawl beside this program)
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let Some(options) = options(std::env::args().skip(1))? else {
        print(USAGE);
        return Ok(ExitCode::SUCCESS);
    };
    let report = torture(&options, say)?;
    print(&report.to_string());
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Progress and errors.
fn say(line: &str) {
    #[expect(clippy::print_stderr, reason = "a program's progress")]
    {
        eprintln!("{line}");
    }
}

fn print(text: &str) {
    #[expect(clippy::print_stdout, reason = "a program's result")]
    {
        print!("{text}");
    }
}

/// What the arguments ask for; nothing where they ask for help.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options {
        pawl: PathBuf::new(),
        store: None,
        kills: 100,
        runs: 300,
        seed: rand::random(),
        inspections: 8,
        folder: None,
        interrupts: true,
    };
    while let Some(name) = arguments.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let value = arguments.next().with_context(|| format!("{name} needs a value; see --help"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{name} is a number, not '{value}'"));
        match name.as_str() {
            "--kills" => options.kills = usize::try_from(number()?)?,
            "--runs" => options.runs = usize::try_from(number()?)?,
            "--seed" => options.seed = number()?,
            "--inspections" => options.inspections = usize::try_from(number()?)?,
            "--store" => options.store = Some(value),
            "--pawl" => options.pawl = PathBuf::from(value),
            _ => bail!("there is no option {name}; see --help"),
        }
    }
    if options.pawl.as_os_str().is_empty() {
        options.pawl = std::env::current_exe()?.with_file_name("pawl");
    }
    if !options.pawl.exists() {
        bail!("{} is not there; `cargo build --workspace --release` makes it", options.pawl.display());
    }
    Ok(Some(options))
}
