//! Power cuts and full disks: `target/release/powercut --cuts 100 --store sled`. See `docs/proof.md`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use pawl_tests::power::{Fault, Options, again, bare, full, part, whole};

const USAGE: &str = "\
usage: powercut [--cuts N] [--seed N] [--store STORE] [--runs N] [--pawl PATH] [--only PART] [--fault FAULT]
       powercut --again FOLDER --moment N --draw N

Records what is written to disk, makes the disk again as it is when the power is cut at a random
moment, opens the store on it and compares it with what was acknowledged. Ends with 1 when anything
was lost. Needs strace and the right to trace.

  --cuts N         cuts of each kind (100)
  --seed N         repeats what is drawn of a record (at random)
  --store STORE    lmdb or sled (both)
  --runs N         runs that `pawl` has while it is recorded (36)
  --pawl PATH      the binary (pawl beside this program)
  --only PART      bare: a writer that does nothing but commit; whole: pawl; full: full and broken disks
  --fault FAULT    to see that it is found: early, data (fdatasync does nothing), names (fsync does
                   nothing); or full: now and then the disk is full while `pawl` is recorded

  --again FOLDER   cuts a record of a writer that was kept, as a violation says
";

#[derive(Debug)]
struct Wanted {
    options: Options,
    stores: Vec<String>,
    runs: usize,
    only: Option<String>,
    fault: Fault,
    again: Option<PathBuf>,
    moment: usize,
    draw: u64,
}

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
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((code, said)) = part(&words)? {
        if !said.is_null() {
            print(&format!("{said}\n"));
        }
        return Ok(ExitCode::from(code));
    }
    let Some(mut wanted) = wanted(words.into_iter())? else {
        print(USAGE);
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(folder) = &wanted.again {
        let problems = again(&wanted.options.tool, folder, wanted.moment, wanted.draw)?;
        print(&format!("{}\n", problems.join("\n")));
        return Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut violations = 0;
    for store in std::mem::take(&mut wanted.stores) {
        wanted.options.store = store;
        violations += of_store(&wanted)?;
    }
    Ok(if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn of_store(wanted: &Wanted) -> Result<usize> {
    let Wanted { options, runs, only, fault, .. } = wanted;
    let is_wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let mut violations = 0;
    if is_wanted("bare") {
        let report = bare(options, *fault)?;
        violations += report.violations.len();
        print(&format!("{report}\n"));
    }
    if is_wanted("whole") {
        if !options.pawl.exists() {
            bail!("{} is not there; `cargo build --workspace --release` makes it", options.pawl.display());
        }
        let report = whole(options, *runs, *fault)?;
        violations += report.violations.len();
        print(&format!("{report}\n"));
    }
    if is_wanted("full") {
        let refusals = full(options, 1)?;
        violations += refusals.violations.len();
        print(&format!("{refusals}\n"));
    }
    Ok(violations)
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
fn wanted(mut words: impl Iterator<Item = String>) -> Result<Option<Wanted>> {
    let tool = std::env::current_exe()?;
    let pawl = tool.with_file_name("pawl");
    let options = Options { tool, pawl, store: String::new(), cuts: 100, seed: rand::random() };
    let stores = vec!["lmdb".to_owned(), "sled".to_owned()];
    let mut wanted =
        Wanted { options, stores, runs: 36, only: None, fault: Fault::None, again: None, moment: 0, draw: 0 };
    while let Some(name) = words.next() {
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        let value = words.next().with_context(|| format!("{name} needs a value; see --help"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{name} is a number, not '{value}'"));
        match name.as_str() {
            "--cuts" => wanted.options.cuts = usize::try_from(number()?)?,
            "--seed" => wanted.options.seed = number()?,
            "--runs" => wanted.runs = usize::try_from(number()?)?,
            "--moment" => wanted.moment = usize::try_from(number()?)?,
            "--draw" => wanted.draw = number()?,
            "--store" => wanted.stores = vec![value],
            "--pawl" => wanted.options.pawl = PathBuf::from(value),
            "--only" => wanted.only = Some(value),
            "--again" => wanted.again = Some(PathBuf::from(value)),
            "--fault" => {
                wanted.fault =
                    Fault::named(&value).with_context(|| format!("there is no fault '{value}'"))?;
            }
            _ => bail!("there is no option {name}; see --help"),
        }
    }
    Ok(Some(wanted))
}
