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
pub(super) struct ListArgs {
    /// Only those of this run: its id, or its start or end
    #[arg(long)]
    run: Option<String>,
    /// Only those that this person, or somebody in this group, may answer; may be repeated
    #[arg(long = "for", value_name = "user:NAME | group:NAME")]
    asked: Vec<String>,
    /// Only those that somebody holds
    #[arg(long)]
    claimed: bool,
    /// Only those that nobody holds
    #[arg(long, conflicts_with = "claimed")]
    unclaimed: bool,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: ListArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let listed = list(&session, args).await;
    session.end(listed).await
}

async fn list(session: &Session, args: ListArgs) -> Result<Exit, Fault> {
    let run = match args.run.as_deref() {
        Some(run) => Some(session.backend.find_run(run).await?.id),
        None => None,
    };
    let claimed = args.claimed.then_some(true).or(args.unclaimed.then_some(false));
    let open = session.backend.approvals_for(run, args.asked, claimed).await?;
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
