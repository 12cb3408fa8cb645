//! Many cases of one target, with what is found in them.
//!
//! Cases run on a thread of their own, so that one that does not come to an end is noticed: by the
//! thread that waits for the end of all. A panic is caught and its input kept. What ends the whole
//! process (a stack that overflows, memory that is not there) leaves the number of its case in a file.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{Corpus, Mutator, Target};

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all cases follow from.
    pub seed: u64,
    /// The number of the first case.
    pub from: u64,
    /// How many.
    pub cases: u64,
    /// A case that takes longer does not come to an end.
    pub case_max: Duration,
    /// After so many finds it is enough.
    pub found_max: usize,
    /// Where inputs that were found are kept, and the number of the case under way.
    pub folder: PathBuf,
}

/// Something that does not hold.
#[derive(Debug, Clone)]
pub struct Found {
    /// The case; nothing where it was a known input.
    pub case: Option<u64>,
    /// What was said.
    pub what: String,
    /// The input.
    pub file: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Known inputs that were tried as they are.
    pub known: u64,
    /// Cases that came to their end.
    pub cases: u64,
    /// What was found.
    pub found: Vec<Found>,
    /// How long all took.
    pub took: Duration,
    /// How long the slowest case took, and which it was.
    pub slowest: (Duration, u64),
}

thread_local! {
    /// What the last panic of this thread said; nothing on threads where panics are told as ever.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what panics say, on threads that ask for it, with their place.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let kept = SAID.with_borrow_mut(|said| said.as_mut().map(|said| *said = panic.to_string()));
            if kept.is_none() {
                usual(panic);
            }
        }));
    });
}

/// Tries one input; what it panics with.
pub fn try_one(target: &Target, input: &[u8]) -> Result<(), String> {
    listen();
    SAID.set(Some(String::new()));
    let ended = catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    let said = SAID.take().unwrap_or_default();
    ended.map_err(|_| said)
}

/// What the thread of the cases and the one that watches share.
#[derive(Debug, Default)]
struct Watch {
    /// Counts every input that was begun.
    begun: AtomicU64,
}

/// Tries the known inputs, then the cases of a plan.
pub fn run(target: &'static Target, plan: &Plan) -> Result<Report> {
    let corpus = Corpus::of(target)?;
    std::fs::create_dir_all(&plan.folder).with_context(|| plan.folder.display().to_string())?;
    let under_way = plan.folder.join(format!("{}.case", target.name));
    let numbers = File::create(&under_way).with_context(|| under_way.display().to_string())?;
    let watch = Arc::new(Watch::default());
    let (ended, end) = channel();
    let (corpus, plan) = (Arc::new(corpus), plan.clone());
    let worker = {
        let (watch, corpus, plan) = (Arc::clone(&watch), Arc::clone(&corpus), plan.clone());
        thread::Builder::new().name(format!("fuzz-{}", target.name)).spawn(move || {
            // Nobody listens any more only where a case was given up before.
            let _ = ended.send(all(target, &corpus, &plan, &watch, &numbers));
        })?
    };
    let mut seen = 0;
    loop {
        match end.recv_timeout(plan.case_max) {
            Ok(report) => {
                worker.join().map_err(|_| anyhow::anyhow!("the thread of the cases panicked"))?;
                std::fs::remove_file(&under_way)?;
                return report;
            }
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the thread of the cases is gone"),
            Err(RecvTimeoutError::Timeout) => {
                let begun = watch.begun.load(Relaxed);
                if begun == seen {
                    return hung(target, &corpus, &plan, begun);
                }
                seen = begun;
            }
        }
    }
}

/// A case that was under way when the time was up twice.
fn hung(target: &Target, corpus: &Corpus, plan: &Plan, begun: u64) -> Result<Report> {
    let known = corpus.inputs.len() as u64;
    let (case, input) = if let Some(number) = begun.checked_sub(known + 1) {
        let number = plan.from + number;
        (Some(number), Mutator::new(target, corpus, plan.seed).case(number))
    } else {
        let at = usize::try_from(begun.saturating_sub(1)).unwrap_or_default();
        (None, corpus.inputs.get(at).map(|(_, bytes)| bytes.clone()).unwrap_or_default())
    };
    let what = format!("it does not come to an end in {} ms", plan.case_max.as_millis());
    let found = keep(target, plan, case, what, &input)?;
    Ok(Report { known, cases: begun.saturating_sub(known + 1), found: vec![found], ..Report::default() })
}

fn all(target: &Target, corpus: &Corpus, plan: &Plan, watch: &Watch, numbers: &File) -> Result<Report> {
    let begun = Instant::now();
    let mut report = Report::default();
    for (path, input) in &corpus.inputs {
        watch.begun.fetch_add(1, Relaxed);
        if let Err(what) = try_one(target, input) {
            let what = format!("{what} (known as {})", path.display());
            report.found.push(keep(target, plan, None, what, input)?);
        }
        report.known += 1;
    }
    let mutator = Mutator::new(target, corpus, plan.seed);
    for number in plan.from..plan.from.saturating_add(plan.cases) {
        if report.found.len() >= plan.found_max {
            break;
        }
        let input = mutator.case(number);
        numbers.write_at(format!("{number:020}\n").as_bytes(), 0)?;
        watch.begun.fetch_add(1, Relaxed);
        let case_begun = Instant::now();
        if let Err(what) = try_one(target, &input) {
            report.found.push(keep(target, plan, Some(number), what, &input)?);
        }
        report.slowest = report.slowest.max((case_begun.elapsed(), number));
        report.cases += 1;
    }
    report.took = begun.elapsed();
    Ok(report)
}

fn keep(target: &Target, plan: &Plan, case: Option<u64>, what: String, input: &[u8]) -> Result<Found> {
    let name = case.map_or_else(
        || format!("{}-known", target.name),
        |case| format!("{}-{}-{case}", target.name, plan.seed),
    );
    let file = plan.folder.join(name);
    write(&file, input)?;
    Ok(Found { case, what, file })
}

fn write(file: &Path, input: &[u8]) -> Result<()> {
    std::fs::write(file, input).with_context(|| format!("{} cannot be written", file.display()))
}
