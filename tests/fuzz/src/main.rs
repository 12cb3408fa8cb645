//! `fuzz`: gives pawl's readers broken inputs, and says which of them it does not stand.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use pawl_fuzz::{Corpus, Mutator, Plan, TARGETS, Target, project, run, target, try_one};

/// Gives pawl's readers broken inputs: known ones as they are, then cases that are made of them.
#[derive(Debug, Parser)]
struct Args {
    /// Only this target; `--list` names them
    #[arg(long)]
    target: Option<String>,
    /// Names the targets
    #[arg(long)]
    list: bool,
    /// How many cases of each target
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// Where all cases follow from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The number of the first case
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// A case that takes longer is a find, in milliseconds
    #[arg(long, default_value_t = 2_000)]
    case_max_ms: u64,
    /// Where inputs that were found are kept
    #[arg(long, default_value = "target/fuzz")]
    folder: PathBuf,
    /// Tries this file instead, and nothing else
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Writes the case of `--from` into this file, and does nothing else
    #[arg(long, requires = "target", conflicts_with = "input")]
    write: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if args.list {
        for target in TARGETS {
            println!("{:<12} {}", target.name, target.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&'static Target> = match &args.target {
        None => TARGETS.iter().collect(),
        Some(name) => vec![target(name).with_context(|| format!("there is no target `{name}`; see --list"))?],
    };
    if let Some(path) = &args.input {
        let input = std::fs::read(path).with_context(|| path.display().to_string())?;
        if let Err(what) = try_one(chosen[0], &input) {
            bail!("{what}");
        }
        println!("{} stands {}", chosen[0].name, path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.write {
        let corpus = Corpus::of(chosen[0])?;
        std::fs::write(path, Mutator::new(chosen[0], &corpus, args.seed).case(args.from))?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan {
        seed: args.seed,
        from: args.from,
        cases: args.cases,
        case_max: Duration::from_millis(args.case_max_ms),
        found_max: 10,
        folder: if args.folder.is_absolute() { args.folder } else { project().join(args.folder) },
    };
    let (mut cases, mut found) = (0, 0);
    for target in chosen {
        let report = run(target, &plan)?;
        let (slowest, case) = report.slowest;
        println!(
            "{:<12} {:>5} known, {:>9} cases in {:>6.1} s, slowest {:>5} ms (case {case}), {} found",
            target.name,
            report.known,
            report.cases,
            report.took.as_secs_f64(),
            slowest.as_millis(),
            report.found.len(),
        );
        for one in &report.found {
            println!("  {}: {}", one.file.display(), one.what);
            println!("  again: fuzz --target {} --input {}", target.name, one.file.display());
        }
        cases += report.cases;
        found += report.found.len();
    }
    println!("{cases} cases, {found} found, seed {}", args.seed);
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
