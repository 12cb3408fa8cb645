//! `pawl suspend`: stops a run from beginning anything new.

use clap::Args;

use crate::actor;
use crate::args::DataArgs;
use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::shape;

#[derive(Debug, Args)]
pub(crate) struct SuspendArgs {
    /// The run's id, or its start or end
    run: String,
    /// Why, in your words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: SuspendArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = suspend(&session, args).await;
    session.end(ended).await
}

async fn suspend(session: &Session, args: SuspendArgs) -> Result<Exit, Fault> {
    let run = session.backend.find_run(&args.run).await?.id;
    let request = Request::Suspend { run, by: actor::operator(), reason: args.reason };
    let header = session.backend.cancel(request).await?;
    session.out.document(&shape::run(&header));
    let resume = session.place.command(&format!("resume {run}"));
    session.out.note(&format!("run {run} is suspended, go on with:\n  {resume}"));
    Ok(Exit::Ok)
}
