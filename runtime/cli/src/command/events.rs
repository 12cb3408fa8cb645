//! `pawl events`: the journal of a run.

use clap::Args;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;
use crate::{shape, summary};

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The run's id, or its start or end
    run: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: EventsArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let session = Session::open(place, out).await?;
    let shown = show(&session, &args.run).await;
    session.end(shown).await
}

async fn show(session: &Session, run: &str) -> Result<Exit, Fault> {
    let run = session.backend.find_run(run).await?.id;
    let envelopes = session.backend.history(run).await?.envelopes;
    session.out.document(&envelopes.iter().map(shape::event).collect());
    let rows = envelopes.iter().map(|envelope| {
        let event = &envelope.event;
        let (seq, time) = (envelope.seq.to_string(), envelope.time.to_string());
        [seq, time, event.name().to_owned(), summary::of(event)]
    });
    session.out.text(&table(["seq", "time", "event", ""], rows));
    Ok(Exit::Ok)
}
