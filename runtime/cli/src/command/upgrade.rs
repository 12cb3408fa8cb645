//! `pawl upgrade`: runs that go on with another version of their workflow.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pawl_core::RunId;
use pawl_engine::RunVerdict;
use serde_json::{Value, json};

use super::workflow::at;
use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Checked, Request, Upgraded, WorkflowAt};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;
use crate::summary::one_line;

/// Runs that are checked, and moved, at once.
const PAGE_RUNS: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    #[command(subcommand)]
    command: UpgradeCommand,
}

#[derive(Debug, Subcommand)]
enum UpgradeCommand {
    /// Say which runs can go on with another version, and why others cannot; changes nothing
    Check(CheckArgs),
    /// Move runs to another version; those that cannot go on with it stay where they are
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    to: ToArgs,
    /// Only this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    #[command(flatten)]
    to: ToArgs,
    #[command(flatten)]
    which: Which,
    /// Why, in your words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
struct ToArgs {
    /// The new version: a workflow's file, or the name of one that is registered, of which the active version
    /// is meant
    workflow: PathBuf,
    /// This registered version, whichever is active
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Only this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Every run of the workflow that goes on and can be moved
    #[arg(long)]
    all: bool,
}

impl UpgradeArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.command {
            UpgradeCommand::Check(args) => args.data.folder.clone(),
            UpgradeCommand::Apply(args) => args.data.folder.clone(),
        }
    }
}

pub(crate) async fn run(args: UpgradeArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let done = match args.command {
        UpgradeCommand::Check(args) => check(&session, args).await,
        UpgradeCommand::Apply(args) => apply(&session, args).await,
    };
    session.end(done).await
}

async fn one(session: &Session, run: Option<&String>) -> Result<Option<RunId>, Fault> {
    match run {
        Some(run) => Ok(Some(session.backend.find_run(run).await?.id)),
        None => Ok(None),
    }
}

/// What was found of all runs, told as it comes where there are many.
async fn look(session: &Session, to: &WorkflowAt, run: Option<RunId>) -> Result<Checked, Fault> {
    let (mut all, mut after) = (None::<Checked>, None);
    loop {
        let request = Request::CheckUpgrade { to: to.clone(), run, after, limit: PAGE_RUNS };
        let page = session.backend.check_upgrade(request).await?;
        after = page.next;
        let checked = match all {
            None => page,
            Some(mut checked) => {
                checked.runs.extend(page.runs);
                checked
            }
        };
        if after.is_none() {
            return Ok(checked);
        }
        session.out.note(&format!("{} runs looked at", checked.runs.len()));
        all = Some(checked);
    }
}

async fn check(session: &Session, args: CheckArgs) -> Result<Exit, Fault> {
    let to = at(session.out, &args.to.workflow, args.to.to)?;
    let run = one(session, args.run.as_ref()).await?;
    let checked = look(session, &to, run).await?;
    let Checked { workflow, version, definition, runs, .. } = &checked;
    let can = runs.iter().filter(|run| run.verdict.can_move()).count();
    let cannot = runs.iter().filter(|run| !run.verdict.obstacles.is_empty()).count();
    session.out.document(&json!({
        "workflow": workflow,
        "version": version,
        "definition": definition,
        "can": can,
        "cannot": cannot,
        "runs": runs.iter().map(|run| shape(run, None)).collect::<Vec<_>>(),
    }));
    if runs.is_empty() {
        session.out.text(&format!("no run of {workflow} goes on"));
        return Ok(Exit::Ok);
    }
    let rows = runs.iter().map(|run| {
        let verdict = &run.verdict;
        let word = if verdict.already {
            "has it already"
        } else if verdict.can_move() {
            "can move"
        } else {
            "cannot move"
        };
        [run.run.to_string(), run.version.clone(), run.status.name().to_owned(), word.to_owned()]
    });
    session.out.text(&table(["run", "version", "status", &format!("to {version}")], rows));
    tell_why(session.out, runs);
    session.out.text(&format!("{can} can move, {cannot} cannot"));
    Ok(if cannot == 0 { Exit::Ok } else { Exit::Failed })
}

/// Each run with what keeps it, and with what will stay as it was.
fn tell_why(out: Output, runs: &[RunVerdict]) {
    for run in runs {
        let lines = run.verdict.obstacles.iter().map(|obstacle| one_line(&obstacle.to_string()));
        let notes = run.verdict.notes.iter().map(|note| format!("note: {}", one_line(note)));
        let notes = notes.filter(|_| run.verdict.can_move());
        let lines: Vec<_> = lines.chain(notes).map(|line| format!("\n  {line}")).collect();
        if !lines.is_empty() {
            out.text(&format!("\n{}{}", run.run, lines.concat()));
        }
    }
}

async fn apply(session: &Session, args: ApplyArgs) -> Result<Exit, Fault> {
    let to = at(session.out, &args.to.workflow, args.to.to)?;
    let run = one(session, args.which.run.as_ref()).await?;
    let checked = look(session, &to, run).await?;
    let able: Vec<RunId> =
        checked.runs.iter().filter(|run| run.verdict.can_move()).map(|run| run.run).collect();
    let (mut moved, mut refused) = (Vec::new(), Vec::new());
    for some in able.chunks(PAGE_RUNS) {
        let (runs, by, reason) = (some.to_vec(), actor::operator(), args.reason.clone());
        let request = Request::Upgrade { to: to.clone(), runs, by, reason };
        let Upgraded { moved: done } = session.backend.upgrade(request).await?;
        for one in done {
            match one.refused {
                None => moved.push(one.run),
                Some(why) => refused.push((one.run, why)),
            }
        }
        if able.len() > PAGE_RUNS {
            session.out.note(&format!("{} of {} runs moved", moved.len(), able.len()));
        }
    }
    session.backend.settle().await;
    Ok(tell_moved(session.out, &checked, &moved, &refused))
}

fn tell_moved(out: Output, checked: &Checked, moved: &[RunId], refused: &[(RunId, String)]) -> Exit {
    let Checked { workflow, version, definition, runs, .. } = checked;
    let left: Vec<_> = runs.iter().filter(|run| !run.verdict.obstacles.is_empty()).collect();
    let shapes: Vec<_> = runs
        .iter()
        .map(|run| {
            let mut shape = shape(run, Some(moved.contains(&run.run)));
            if let Some((_, why)) = refused.iter().find(|(refused, _)| *refused == run.run) {
                shape["refused"] = json!(why);
            }
            shape
        })
        .collect();
    let not_moved = left.len() + refused.len();
    out.document(&json!({
        "workflow": workflow,
        "version": version,
        "definition": definition,
        "moved": moved.len(),
        "not_moved": not_moved,
        "runs": shapes,
    }));
    for run in moved {
        out.text(&format!("{run} goes on with {version}"));
    }
    // What has changed since it was looked at.
    for (run, why) in refused {
        out.text(&format!("{run} was not moved: {}", one_line(why)));
    }
    tell_why(out, &left.into_iter().cloned().collect::<Vec<_>>());
    let already = runs.iter().filter(|run| run.verdict.already).count();
    let already = if already > 0 { format!(", {already} had it already") } else { String::new() };
    out.text(&format!("{} moved, {not_moved} not{already}", moved.len()));
    if not_moved == 0 { Exit::Ok } else { Exit::Failed }
}

fn shape(run: &RunVerdict, moved: Option<bool>) -> Value {
    let mut shape = json!({
        "run": run.run,
        "version": run.version,
        "definition": run.definition,
        "status": run.status,
        "already": run.verdict.already,
        "can_move": run.verdict.can_move(),
        "obstacles": run.verdict.obstacles,
        "notes": run.verdict.notes,
    });
    if let Some(moved) = moved {
        shape["moved"] = json!(moved);
    }
    shape
}
