//! `pawl fork`: makes a new run that begins with the events of another.

use clap::Args;

use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Opened, Request};
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::rehearsal;
use crate::session::Session;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// The run's id, or its start or end
    run: String,
    /// The last event that the new run takes over; `pawl events RUN` numbers them
    #[arg(long, value_name = "SEQ")]
    at: u64,
    /// A recorded value that shall be another; may be repeated
    #[arg(long = "set", value_name = "inputs.NAME=VALUE|steps.ID.output.FIELD=VALUE")]
    settings: Vec<String>,
    /// Rehearses: what tools and models are asked is answered from the journal of RUN where it asked the same.
    /// With another component of an agent (a file, `sha256:…` of one that the store has, or without either the one
    /// that its name leads to now), another model in place of all, or another input; may be repeated
    #[arg(long = "with", value_name = "agent=NAME[=FILE|sha256:…]|model=NAME|input=NAME=VALUE")]
    with: Vec<String>,
    /// Rehearses, and refuses what has no recorded answer and would change something outside
    #[arg(long)]
    dry: bool,
    /// Never ask on the terminal: print the commands that answer, and end
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ForkArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let mut session = Session::serving(place, out, stop).await?;
    let ended = fork(&mut session, args).await;
    session.end(ended).await
}

async fn fork(session: &mut Session, args: ForkArgs) -> Result<Exit, Fault> {
    let from = session.backend.find_run(&args.run).await?.id;
    let seq = args.at;
    let mut settings = args.settings;
    let rehearse = rehearsal::read(&args.with, args.dry, &mut settings)?;
    let rehearses = rehearse.is_some();
    let request = Request::Fork { run: from, seq, settings, rehearse, by: actor::operator() };
    let Opened { run, workflow, version, .. } = session.backend.start(request).await?;
    let how = if rehearses { ", a rehearsal" } else { "" };
    session.out.note(&format!("run {run}  {workflow} {version}, from event {seq} of {from} on{how}"));
    drive(session, run, seq + 1, !args.no_interactive).await
}
