//! A guard against code that grows slower: it counts instructions, which a busy machine does not change.
//!
//! Authoritative is `baseline.toml`, and nothing is timed here. Each scenario runs in a process of its own
//! under valgrind, some rounds and twice as many: the difference is what the rounds cost, without what a
//! process costs. Counted is the build that tests use, so that no other is needed: what is guarded is what
//! the code does, not what the optimizer makes of it.

mod baseline;
mod count;
mod scenario;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use baseline::Baseline;
use scenario::Scenario;

/// Counts the instructions of what pawl does most.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares with `baseline.toml`; exit code 1 where something grew beyond the tolerance.
    Check,
    /// Writes what is counted now into `baseline.toml`.
    Record,
    /// Only does so many rounds of a scenario: what the others run under valgrind.
    Do { scenario: Scenario, rounds: u32 },
}

fn main() -> Result<ExitCode> {
    match Args::parse().command {
        Command::Do { scenario, rounds } => {
            scenario.run(rounds)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Record => {
            Baseline::of(&count::all()?).write()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check => {
            let report = Baseline::read()?.compare(&count::all()?);
            #[expect(clippy::print_stdout, reason = "the program's result")]
            {
                println!("{report}");
            }
            Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
