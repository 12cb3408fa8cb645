//! `sim`: simulates seeds, and says of each that breaks an invariant which one and how.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use pawl_sim::{FAULT_RATES, Simulator};

/// Simulates pawl: many runs and many faults from one seed, with what may never be checked after
/// every commit.
#[derive(Debug, Parser)]
struct Args {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Only this one
    #[arg(long, conflicts_with_all = ["from", "seeds"])]
    seed: Option<u64>,
    /// Say what happens
    #[arg(long, requires = "seed")]
    tell: bool,
    /// Simulate each twice, and compare the two
    #[arg(long)]
    twice: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).context("the project")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let simulator = runtime.block_on(Simulator::open(root))?;
    let seeds = args.seed.map_or(args.from..args.from + args.seeds, |seed| seed..seed + 1);
    let (begun, mut failed, mut done) = (Instant::now(), 0, 0);
    let (mut runs, mut events, mut crashes) = (0, 0, 0);
    let (mut retried, mut made, mut removed) = (0, 0, 0);
    for seed in seeds {
        let report = if args.tell {
            simulator.tell(seed, FAULT_RATES)?
        } else {
            simulator.simulate(seed, FAULT_RATES)?
        };
        for line in &report.story {
            println!("{line}");
        }
        let mut violations = report.violations.clone();
        if args.twice && simulator.simulate(seed, FAULT_RATES)? != report {
            violations.push("the same seed gave another simulation".to_owned());
        }
        for violation in &violations {
            eprintln!("seed {seed}: {violation}");
        }
        failed += u64::from(!violations.is_empty());
        done += 1;
        (runs, events, crashes) =
            (runs + report.runs, events + report.events, crashes + u64::from(report.crashes));
        (retried, made, removed) = (retried + report.retried, made + report.made, removed + report.removed);
        if done % 500 == 0 {
            eprintln!("{done} seeds, {failed} failed, {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    println!(
        "{done} seeds, {failed} failed: {runs} runs ({made} made of others, {retried} times retried, {removed} \
         removed meanwhile), {events} events, {crashes} crashes in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
