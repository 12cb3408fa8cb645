//! `pawl check`: every problem of a workflow, without running it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use pawl_engine::{Engine, EngineConfig, LockMode};
use pawl_store::memory::MemoryStore;
use pawl_testing::{Suite, is_test};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::{configured, unasked};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The workflows, and the files with their tests
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Refuse plugins that are not as `pawl.lock` beside the workflow has them
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: CheckArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    // Nothing is kept, so the data folder may be in use or not there at all.
    let lock = if args.locked { LockMode::Strict } else { LockMode::Free };
    let bench = EngineConfig { lock, ..unasked(&place)? };
    let bench = Engine::open(Arc::new(MemoryStore::new()), bench).await?;
    let config = EngineConfig { lock, ..configured(&place)? };
    let engine = bench.beside(Arc::new(MemoryStore::new()), config);
    let mut documents = Vec::new();
    let mut exit = Exit::Ok;
    for file in &args.files {
        // Tests say themselves what models say.
        let checked = check(if is_test(file) { &bench } else { &engine }, file).await;
        if checked.is_err() {
            exit = Exit::Usage;
        }
        documents.push(report(out, file, checked));
    }
    out.document(&documents.into());
    Ok(exit)
}

/// An engine on which workflows are prepared and nothing is kept.
pub(crate) async fn workbench(place: &Place) -> Result<Engine, Fault> {
    Ok(Engine::open(Arc::new(MemoryStore::new()), unasked(place)?).await?)
}

/// What was found: how much of what, and what is no error.
struct Checked {
    counts: Vec<(&'static str, usize)>,
    warnings: Vec<String>,
}

async fn check(engine: &Engine, file: &Path) -> Result<Checked, Fault> {
    if is_test(file) {
        let (tests, _) = Suite::on(engine.clone()).load(file).await?;
        return Ok(Checked { counts: vec![("tests", tests.tests.len())], warnings: Vec::new() });
    }
    let workflow = engine.load_workflow(file).await?;
    let denied = engine.denied(&workflow).await?;
    if !denied.is_empty() {
        return Err(Fault::not_granted(&denied));
    }
    let counts = vec![("steps", workflow.definition.steps.len()), ("plugins", workflow.plugins.len())];
    Ok(Checked { counts, warnings: workflow.warnings })
}

fn report(out: Output, file: &Path, checked: Result<Checked, Fault>) -> Value {
    let shown = file.display().to_string();
    match checked {
        Ok(Checked { counts, warnings }) => {
            for warning in &warnings {
                out.note(warning);
            }
            let said: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
            out.text(&format!("ok    {shown}: {}", said.join(", ")));
            let mut report = json!({ "file": shown, "ok": true, "warnings": warnings, "problems": [] });
            for (what, count) in counts {
                report[what] = count.into();
            }
            report
        }
        Err(fault) => {
            out.text(&format!("fail  {shown}"));
            let problems = fault.details.clone().unwrap_or_else(|| json!([{ "message": fault.message }]));
            out.note(&fault.text());
            json!({ "file": shown, "ok": false, "problems": problems, "warnings": [] })
        }
    }
}
