//! `pawl test`: runs the tests that stand beside workflows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use pawl_engine::{EngineConfig, LockMode};
use pawl_testing::{FileReport, Options, Suite, TestReport, TestingError};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::unasked;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

/// How long nothing is said of work that goes on.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Test files, workflows and folders
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Only tests whose name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run each test again with a crash at every position of its journal, and compare
    #[arg(long)]
    crash_at_every_event: bool,
    /// Where chance comes from: the same seed gives the same runs
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Refuse plugins that are not as `pawl.lock` beside the workflow has them
    #[arg(long)]
    locked: bool,
    #[arg(long, value_name = "FILE", help = "Write a JUnit report as well")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: TestArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let files = pawl_testing::find(&args.paths)?;
    let lock = if args.locked { LockMode::Strict } else { LockMode::Free };
    let suite = Suite::open(EngineConfig { lock, ..unasked(&place)? }).await?;
    let options = Options {
        filter: args.filter.clone(),
        crash_at_every_event: args.crash_at_every_event,
        seed: args.seed,
    };
    let (mut reports, mut documents, mut unusable) = (Vec::new(), Vec::new(), false);
    for file in &files {
        match suite.run(file, &options, Arc::new(progress(out))).await {
            Ok(report) => {
                show(out, &report);
                documents.push(report.to_json());
                reports.push(report);
            }
            Err(error) => {
                unusable = true;
                documents.push(broken(out, file, &error.into()));
            }
        }
    }
    let tests: usize = reports.iter().map(|report| report.tests.len()).sum();
    if tests == 0 && !unusable {
        return Err(nothing(&args));
    }
    if let Some(path) = &args.junit {
        write_junit(path, &reports)?;
    }
    let failed: usize = reports.iter().map(FileReport::failed).sum();
    out.text(&summary(tests, failed));
    out.document(&Value::Array(documents));
    Ok(if unusable {
        Exit::Usage
    } else if failed > 0 {
        Exit::Failed
    } else {
        Exit::Ok
    })
}

/// Says how far a test is that takes long.
fn progress(out: Output) -> impl Fn(&str, usize, usize) + Send + Sync {
    // From the first run on: what comes before it says nothing of how long they take.
    let said: Mutex<Option<Instant>> = Mutex::default();
    move |test, number, of| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let since = said.get_or_insert_with(Instant::now);
        if since.elapsed() >= SILENCE {
            *since = Instant::now();
            out.note(&format!("… {test}: run {} of {of}", number + 1));
        }
    }
}

fn show(out: Output, report: &FileReport) {
    if report.tests.is_empty() {
        return;
    }
    out.text(&report.file);
    for test in &report.tests {
        let mark = if test.passed() { "pass" } else { "FAIL" };
        out.text(&format!("  {mark}  {}{}", test.name, crashes(test)));
        for line in test.lines(&report.file) {
            out.text(&format!("        {line}"));
        }
    }
}

fn crashes(test: &TestReport) -> String {
    let Some(crashes) = &test.crashes else { return String::new() };
    let of = if crashes.tried < crashes.positions {
        format!(" of {} positions", crashes.positions)
    } else {
        String::new()
    };
    let differences = match crashes.differences.len() {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        many => format!("{many} differences"),
    };
    format!("  ({} crashes{of}, {differences})", crashes.tried)
}

fn summary(tests: usize, failed: usize) -> String {
    let noun = if tests == 1 { "test" } else { "tests" };
    match failed {
        0 => format!("{tests} {noun} passed"),
        failed => format!("{tests} {noun}: {} passed, {failed} failed", tests - failed),
    }
}

fn broken(out: Output, file: &Path, fault: &Fault) -> Value {
    out.text(&format!("{}\n  cannot be used", file.display()));
    out.note(&fault.text());
    json!({ "file": file.display().to_string(), "tests": [], "error": fault.to_json()["error"] })
}

fn nothing(args: &TestArgs) -> Fault {
    let places: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
    let named = args.filter.as_ref().map(|text| format!(" with '{text}' in its name")).unwrap_or_default();
    Fault::usage(format!("there is no test{named} in {}", places.join(", ")))
        .hint("the tests of NAME.yaml stand in NAME.test.yaml beside it; docs/testing.md says how")
}

fn write_junit(path: &Path, reports: &[FileReport]) -> Result<(), Fault> {
    let written = pawl_testing::to_junit(reports).and_then(|text| std::fs::write(path, text));
    written.map_err(|error| {
        Fault::usage(format!("cannot write {}: {error}", path.display()))
            .hint("name a file in a folder that is there and that you may write to")
    })
}

impl From<TestingError> for Fault {
    fn from(error: TestingError) -> Self {
        let text = error.to_string();
        match error {
            TestingError::TestFile(problems) => pawl_engine::EngineError::Definition(problems).into(),
            TestingError::Workflow(error) => error.into(),
            TestingError::Unreadable { .. } => Self::usage(text),
            TestingError::Run { .. } | TestingError::System(_) => Self::failed(text),
        }
    }
}
