//! `pawl runs`: lists runs.

use clap::Args;
use pawl_core::Timestamp;
use pawl_core::view::{RunHeader, Status, Waiting};

use crate::args::DataArgs;
use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;
use crate::shape;
use crate::summary::one_line;

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only runs with this status; may be repeated
    #[arg(long, value_parser = status)]
    status: Vec<Status>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
    /// The next page: runs that were started before this one, the last of the page before
    #[arg(long, value_name = "RUN")]
    after: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

fn status(text: &str) -> Result<Status, String> {
    let names: Vec<_> = Status::OF_RUNS.iter().map(|status| status.name()).collect();
    let known = Status::OF_RUNS.into_iter().find(|status| status.name() == text);
    known.ok_or_else(|| format!("a run is one of: {}", names.join(", ")))
}

pub(crate) async fn run(args: RunsArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let listed = list(&session, args).await;
    session.end(listed).await
}

async fn list(session: &Session, args: RunsArgs) -> Result<Exit, Fault> {
    let after = match &args.after {
        Some(run) => Some(session.backend.find_run(run).await?.id),
        None => None,
    };
    // One more than asked for shows whether there is a next page.
    let limit = args.limit.saturating_add(1);
    let request = Request::Runs { statuses: args.status, workflow: args.workflow, limit, after };
    let mut runs = session.backend.runs(request).await?;
    let is_cut = runs.len() > args.limit;
    runs.truncate(args.limit);
    let exit = print(session.out, &runs);
    if let (true, Some(last)) = (is_cut, runs.last()) {
        session.out.note(&format!("there are more; the next page is --after {}", last.id));
    }
    Ok(exit)
}

fn print(out: Output, runs: &[RunHeader]) -> Exit {
    out.document(&runs.iter().map(shape::run).collect());
    if runs.is_empty() {
        out.text("no runs");
        return Exit::Ok;
    }
    let rows = runs.iter().map(|run| {
        let started = run.created_at.to_string();
        [run.id.to_string(), run.workflow.clone(), run.status.name().to_owned(), started, notable(run)]
    });
    out.text(&table(["run", "workflow", "status", "started", ""], rows));
    Exit::Ok
}

/// What it waits for, or why it failed.
pub(crate) fn notable(run: &RunHeader) -> String {
    match (&run.waiting, &run.error) {
        (Some(Waiting::Approval { title, .. }), _) => format!("a person: {}", one_line(title)),
        (Some(Waiting::Timer { step, reason, until }), _) => {
            format!("{} of {step} until {until}", why(reason))
        }
        (Some(Waiting::Resume { by, reason }), _) => {
            let reason = reason.as_deref().map(|reason| format!(": {}", one_line(reason)));
            format!("by {by}{}", reason.unwrap_or_default())
        }
        (Some(Waiting::Signal { name, until, .. }), _) => format!("the signal '{name}'{}", at_most(*until)),
        (Some(Waiting::Topic { pattern, until, .. }), _) => {
            format!("an event whose topic matches {pattern}{}", at_most(*until))
        }
        (Some(Waiting::Slot { step, key, until }), _) => {
            let step = step.as_ref().map(|step| format!(" for {step}")).unwrap_or_default();
            format!("a slot of '{key}'{step}{}", at_most(*until))
        }
        (Some(Waiting::Route { step, wanted }), _) => format!("a plugin for {step}: {}", one_line(wanted)),
        (Some(Waiting::Run { step, run }), _) => format!("run {run} of {step}"),
        (None, Some(failure)) => one_line(&failure.to_string()),
        (None, None) => String::new(),
    }
}

fn at_most(until: Option<Timestamp>) -> String {
    until.map(|until| format!(" until {until}")).unwrap_or_default()
}

fn why(reason: &str) -> &str {
    match reason {
        "retry" => "the next attempt",
        "sleep" => "the sleep",
        _ => "the wait",
    }
}
