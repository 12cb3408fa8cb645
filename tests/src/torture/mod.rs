//! Crash torture: "nothing lost and nothing done twice", in figures.
//!
//! Hundreds of runs of the workflows in `tests/torture` go on in one data folder, driven by the `pawl`
//! binary as people start it, while processes are killed with SIGKILL at random moments. Two lists are
//! kept outside of pawl: the tool server writes down every call before it answers, and the ledger every
//! command before it is given and when it was acknowledged. The checks compare both with the journals.

mod check;
mod evidence;
mod facts;
mod give;
mod herd;
mod killer;
mod ledger;
mod people;
mod plan;
mod queue;
mod report;
mod state;
mod torn;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::{Scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tempfile::TempDir;

pub use check::{Moment, Violation, check};
pub use evidence::{Book, Evidence};
pub use ledger::{Command, Heard, Order};
pub use plan::receipt;
pub use report::Report;
pub use state::Kills;

pub(crate) use evidence::open_once;
pub(crate) use torn::{Torn, commands_of, prepare_folder};

use crate::{TALLY_HOST, TallyServer, root};
use herd::Herd;
use ledger::Ledger;
use people::People;
use state::Torture;

/// The host that the tools report to.
const ALLOWED_HOST: &str = TALLY_HOST;
/// The `at-most-once` tool.
const PAYMENT: &str = "payments.refund";
/// The tool that only `slots.yaml` calls, and how many calls of it may be under way at once.
const SLOT_CALLS: (&str, u32) = ("orders.list", 2);
/// The guests, and the plugins that they stand in for.
const PLUGINS: [(&str, &str); 3] =
    [("orders_tally", "orders"), ("payments_tally", "payments"), ("script", "script")];
/// How long the tool server takes for an answer at most.
const ANSWER_MAX: Duration = Duration::from_millis(60);
/// Those who give commands.
const HANDS: u64 = 3;
/// How long nothing may be achieved until the torture is given up.
const STUCK_MAX: Duration = Duration::from_mins(2);
/// The pause between two looks, and before `pawl resume` is started anew.
const LOOK: Duration = Duration::from_millis(50);
/// The pause between two lines of progress.
const TELL: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary.
    pub pawl: PathBuf,
    /// `--store`, where it is not the default.
    pub store: Option<String>,
    /// Kills that there are at least.
    pub kills: usize,
    /// Runs that there are at least, those that steps start not counted.
    pub runs: usize,
    /// Where all that is drawn comes from.
    pub seed: u64,
    /// How often the store is looked into between two processes.
    pub inspections: usize,
    /// Where everything is to lie; in a folder that is removed when all was well, where this does not say.
    pub folder: Option<PathBuf>,
    /// Whether people press Ctrl-C now and then.
    pub interrupts: bool,
}

/// Where everything lies.
#[derive(Debug)]
enum Folder {
    Given(PathBuf),
    Own(TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Own(folder) => folder.path(),
        }
    }

    /// Lets it stay.
    fn keep(self) -> PathBuf {
        match self {
            Self::Given(path) => path,
            Self::Own(folder) => folder.keep(),
        }
    }
}

/// Tortures; `tell` is given lines of progress. Fails where the torture itself cannot go on; what pawl
/// did wrong is in the report.
pub fn torture(options: &Options, mut tell: impl FnMut(&str)) -> Result<Report> {
    let begun = Instant::now();
    let folder = match &options.folder {
        Some(folder) => Folder::Given(folder.clone()),
        None => Folder::Own(tempfile::Builder::new().prefix("pawl-torture").tempdir()?),
    };
    let herd = Herd::new(options.pawl.clone(), folder.path().to_owned(), options.store.clone());
    prepare(&herd)?;
    let server = TallyServer::start(folder.path())?;
    server.slow(options.seed ^ 3, ANSWER_MAX);
    let ledger = Ledger::open(folder.path())?;
    let torture = Torture::new(options, herd, server, ledger);
    tell(&format!("seed {}, data folder {}", options.seed, torture.herd.data().display()));

    let stuck = std::thread::scope(|scope| {
        let ended = among(&torture, options, scope, &mut tell);
        torture.end();
        // What is still there has nothing to do any more, or never will.
        torture.herd.close();
        ended
    });
    torture.herd.reopen();
    if let Some(error) = torture.failure() {
        return Err(error);
    }
    tell("everything has ended; comparing");
    let mut evidence = killer::read(&torture, torture.ledger.all())?;
    evidence.verified = verify(&torture.herd)?;
    let mut violations = torture.found().1;
    if stuck {
        let what = format!("nothing was achieved for {} s", STUCK_MAX.as_secs());
        violations.push(Violation { check: "progress", run: None, what });
    }
    violations.extend(check(&evidence, Moment::End));
    // What one inspection finds, the next ones find again.
    let mut told = BTreeSet::new();
    violations.retain(|violation| told.insert(violation.to_string()));
    Ok(Report::new(options, &torture, &evidence, violations, begun.elapsed(), folder))
}

/// Plugins in place, workflows checked, components compiled: what is not to be tortured.
fn prepare(herd: &Herd) -> Result<()> {
    let plugins = herd.data().join("plugins");
    std::fs::create_dir_all(&plugins)?;
    for (guest, name) in PLUGINS {
        let guest = root().join("tests/guests").join(format!("{guest}.wasm"));
        let plugin = plugins.join(format!("{name}.wasm"));
        if !plugin.exists() {
            std::fs::copy(guest, plugin)?;
        }
    }
    let shout = format!("parts/{}", plan::SHOUT);
    let names = plan::KINDS.iter().map(|kind| kind.name).chain([&*shout]);
    let files: Vec<String> = names.map(|name| workflow(name).display().to_string()).collect();
    let words: Vec<&str> = std::iter::once("check").chain(files.iter().map(String::as_str)).collect();
    let mut check = herd.start(&words, false)?;
    let mut said = Vec::new();
    while let Some(line) = check.line() {
        said.push(line);
    }
    let (code, _) = check.end()?;
    ensure!(code == 0, "pawl check ended with {code}: {}", said.join("; "));
    Ok(())
}

/// The file of a workflow.
fn workflow(name: &str) -> PathBuf {
    root().join("tests/torture").join(name).with_extension("yaml")
}

/// Lets everybody at it until all is over; gives whether it is stuck instead.
fn among<'scope>(
    torture: &'scope Torture,
    options: &'scope Options,
    scope: &'scope Scope<'scope, '_>,
    tell: &mut impl FnMut(&str),
) -> bool {
    scope.spawn(move || torture.or_fail(drive(torture)));
    for hand in 0..HANDS {
        let mut rng = StdRng::seed_from_u64(options.seed ^ (16 + hand));
        scope.spawn(move || {
            let given = std::iter::repeat_with(|| give::give_next(torture, scope, &mut rng));
            torture.or_fail(
                given
                    .take_while(|given| !matches!(given, Ok(false)))
                    .find_map(Result::err)
                    .map_or(Ok(()), Err),
            );
        });
    }
    scope.spawn(move || torture.or_fail(killer::kill(torture, options.inspections)));
    watch(torture, tell)
}

/// `pawl resume`, again and again.
fn drive(torture: &Torture) -> Result<()> {
    while !torture.is_over() {
        torture.herd.start(&["resume"], false)?.end()?;
        sleep(LOOK);
    }
    Ok(())
}

/// Looks and plans until every run has ended and there were enough kills; gives whether it is stuck instead.
fn watch(torture: &Torture, tell: &mut impl FnMut(&str)) -> bool {
    let mut people = People::new(torture.seed);
    let (mut told, mut moved, mut progress) = (Instant::now(), Instant::now(), (0, 0));
    let mut ended = 0;
    while !torture.is_over() {
        // A look that is cut off, as many are, is followed by another.
        if let Ok(seen) = people.look(torture) {
            let all =
                people.started() >= torture.runs_allowed() && seen.open == 0 && torture.queue.len() == 0;
            // A start that was cut off is not made again; another run takes its place.
            let missing = torture.wanted.0.saturating_sub(seen.own);
            if all && missing == 0 && !torture.kills_on() {
                return false;
            }
            if all {
                let more = if torture.kills_on() { people::OPEN_MAX / 2 } else { missing };
                torture.more.fetch_add(more, Ordering::SeqCst);
            }
            ended = seen.ended;
        }
        if progress != (torture.progress(), ended) {
            (progress, moved) = ((torture.progress(), ended), Instant::now());
        }
        if moved.elapsed() > STUCK_MAX {
            return true;
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            let (kills, started) = (torture.kills(), people.started());
            tell(&format!(
                "{} kills ({} amid calls, {} amid commands), {started} runs started, {ended} ended, {} calls outside",
                kills.all,
                kills.amid_calls,
                kills.amid_commands,
                torture.server.timed().len(),
            ));
        }
        sleep(LOOK);
    }
    false
}

/// What `pawl verify` finds.
fn verify(herd: &Herd) -> Result<Vec<(pawl_core::RunId, String)>> {
    let (code, text) = herd.start(&["verify", "--json"], true)?.end()?;
    let document: Value =
        serde_json::from_str(&text).with_context(|| format!("pawl verify ended with {code}: {text}"))?;
    let mut found = Vec::new();
    for run in document.as_array().context("a list of runs")? {
        let id = run["run"].as_str().context("a run")?.parse()?;
        for problem in run["problems"].as_array().into_iter().flatten() {
            found.push((id, problem.as_str().unwrap_or_default().to_owned()));
        }
    }
    Ok(found)
}
