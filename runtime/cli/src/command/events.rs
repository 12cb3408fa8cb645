//! `pawl events`: the journal of a run, as it is or as it grows.

use clap::Args;
use pawl_core::RunId;
use pawl_core::journal::Envelope;
use pawl_core::view::Status;

use crate::args::DataArgs;
use crate::backend::Next;
use crate::drive::MOVES_MAX;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::progress::{said_by_model, said_of_progress};
use crate::session::Session;
use crate::stop::Stop;
use crate::{shape, summary};

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The run's id, or its start or end
    run: String,
    /// The first event to show
    #[arg(long, default_value_t = 1, value_name = "SEQ")]
    from: u64,
    /// Show events as they come, until the run ends. Goes on with the run if no other process does;
    /// with --json, each event is a document on a line of its own
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// With --follow, what models say while they say it, on stderr
    #[arg(long, requires = "follow")]
    tokens: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: EventsArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    if !args.follow {
        let session = Session::open(place, out).await?;
        let shown = show(&session, &args).await;
        return session.end(shown).await;
    }
    // Others can answer what the run asks through this process.
    let mut session = Session::serving(place, out, stop.clone()).await?;
    session.aloud = args.tokens;
    let mut stop = stop;
    let ended = tokio::select! {
        biased;
        exit = stop.wait() => Ok(exit),
        ended = follow(&mut session, &args) => ended,
    };
    session.end(ended).await
}

async fn show(session: &Session, args: &EventsArgs) -> Result<Exit, Fault> {
    let run = session.backend.find_run(&args.run).await?.id;
    let envelopes = session.backend.history(run).await?.envelopes;
    let envelopes = || envelopes.iter().filter(|envelope| envelope.seq >= args.from);
    session.out.document(&envelopes().map(shape::event).collect());
    session.out.text(&table(["seq", "time", "event", ""], envelopes().map(cells)));
    Ok(Exit::Ok)
}

fn cells(envelope: &Envelope) -> [String; 4] {
    let event = &envelope.event;
    let (seq, time) = (envelope.seq.to_string(), envelope.time.to_string());
    [seq, time, event.name().to_owned(), summary::of(event)]
}

/// Shows events as they come, from one process after the other, until the run has ended.
async fn follow(session: &mut Session, args: &EventsArgs) -> Result<Exit, Fault> {
    let run = session.backend.find_run(&args.run).await?.id;
    session.out.note(&format!("follows run {run} until it ends; Ctrl-C stops watching"));
    let (mut next, mut moves) = (args.from.max(1), 0);
    loop {
        let before = next;
        if let Some(status) = follow_on(session, run, &mut next).await? {
            session.out.note(&format!("the run ended: {}", status.name()));
            return Ok(Exit::Ok);
        }
        moves = if next > before { 0 } else { moves + 1 };
        if moves > MOVES_MAX {
            return Err(Fault::unusable("the process that holds the data folder ends again and again")
                .hint("the run is kept; try again"));
        }
        session.reopen().await?;
    }
}

/// Shows the events that one process gives; how the run ended, if it did there.
async fn follow_on(session: &Session, run: RunId, next: &mut u64) -> Result<Option<Status>, Fault> {
    let mut feed = session.backend.follow_to_end(run, *next, session.aloud).await?;
    loop {
        match feed.next().await? {
            Next::Event(envelope) => {
                *next = envelope.seq + 1;
                print(session.out, &envelope);
            }
            // It is not of the journal, so it does not stand among what is.
            Next::Progress(note) => session.out.note(&said_of_progress(&note)),
            Next::Said(said) => session.out.note(&said_by_model(&said)),
            Next::Settled(header) => return Ok(Some(header.status)),
            Next::Moved => return Ok(None),
        }
    }
}

fn print(out: Output, envelope: &Envelope) {
    let [seq, time, name, says] = cells(envelope);
    out.json_line(&shape::event(envelope));
    out.text(format!("{seq:>4}  {time}  {name:<18}  {says}").trim_end());
}
