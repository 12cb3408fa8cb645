//! `pawl cancel`: ends a run.

use clap::Args;
use pawl_core::view::Status;

use crate::actor::ActorArgs;
use crate::args::DataArgs;
use crate::backend::Request;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::shape;

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run's id, or its start or end
    run: String,
    /// Why, in your words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    by: ActorArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: CancelArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let ended = cancel(&session, args).await;
    session.end(ended).await
}

async fn cancel(session: &Session, args: CancelArgs) -> Result<Exit, Fault> {
    let by = args.by.actor()?;
    let run = session.backend.find_run(&args.run).await?.id;
    let header = session.backend.cancel(Request::Cancel { run, by, reason: args.reason }).await?;
    session.out.document(&shape::run(&header));
    if header.status == Status::Cancelled {
        session.out.note(&format!("run {run} is cancelled"));
    } else {
        session.out.note(&format!(
            "run {run} undoes what it did, and is cancelled then; `pawl resume {run}` goes on with it, another \
             `pawl cancel` stops it at once"
        ));
    }
    Ok(Exit::Ok)
}
