//! `pawl approvals`: what waits for a person.

use clap::Args;
use pawl_core::view::OpenApproval;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::{question, shape};

#[derive(Debug, Args)]
pub(crate) struct ApprovalsArgs {
    /// Only those of this run: its id, or its start or end
    #[arg(long)]
    run: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ApprovalsArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let listed = list(&session, args.run.as_deref()).await;
    session.end(listed).await
}

async fn list(session: &Session, run: Option<&str>) -> Result<Exit, Fault> {
    let run = match run {
        Some(run) => Some(session.backend.find_run(run).await?.id),
        None => None,
    };
    let open = session.backend.approvals(run).await?;
    session.out.document(&open.iter().map(shape::approval).collect());
    if open.is_empty() {
        session.out.text("nothing waits for a person");
        return Ok(Exit::Ok);
    }
    let texts: Vec<_> = open.iter().map(|approval| describe(session, approval)).collect();
    session.out.text(&texts.join("\n\n"));
    Ok(Exit::Ok)
}

fn describe(session: &Session, open: &OpenApproval) -> String {
    let (asked, run) = (question::describe(open), open.run);
    let mut lines = vec![asked, format!("  {:<10}  {run} ({}, step {})", "run", open.workflow, open.step)];
    for command in question::commands(open, &session.place) {
        lines.push(format!("  {:<10}  {command}", "answer"));
    }
    lines.join("\n")
}
