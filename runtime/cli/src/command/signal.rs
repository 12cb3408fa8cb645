//! `pawl signal`: tells a run something that it waits for, or will wait for.

use clap::Args;
use serde_json::{Map, Value};

use crate::actor::ActorArgs;
use crate::backend::{Request, Signalled};
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;
use crate::{shape, values};

#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    /// The run's id, or its start or end
    #[arg(index = 1)]
    run: String,
    /// The signal's name
    #[arg(index = 2, value_name = "NAME")]
    signal: String,
    /// A field of what the signal brings, read as the step's schema wants it; may be repeated. A
    /// value without `=` names the data folder, as with every command
    #[arg(long = "data", value_name = "NAME=VALUE | DIR")]
    fields: Vec<String>,
    /// What the signal brings as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "fields")]
    data_json: Option<String>,
    /// A key of your own: a signal with a key that came before changes nothing
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    #[command(flatten)]
    by: ActorArgs,
    /// Show no progress, and do not wait through timers: end when no step is under way
    #[arg(long)]
    no_wait: bool,
    /// Never ask on the terminal if the run waits for a person
    #[arg(long)]
    no_interactive: bool,
}

impl SignalArgs {
    /// The data folder, where `--data` names it.
    pub(crate) fn folder(&self) -> Option<std::path::PathBuf> {
        values::folder(&self.fields)
    }
}

pub(crate) async fn run(args: SignalArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let fields = values::fields(&args.fields)?;
    let mut session = Session::serving(place, out, stop).await?;
    let ended = signal(&mut session, args, &fields).await;
    session.end(ended).await
}

async fn signal(session: &mut Session, args: SignalArgs, fields: &[String]) -> Result<Exit, Fault> {
    let by = args.by.actor()?;
    let run = session.backend.find_run(&args.run).await?.id;
    let data = match &args.data_json {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| Fault::usage(format!("--data-json is not JSON: {error}")))?,
        None => Value::Null,
    };
    // The engine knows the schema; here the fields are text, and it reads them as the schema wants.
    let mut texts = Map::new();
    values::read_pairs(None, fields, &mut texts)?;
    let (name, key) = (args.signal.clone(), args.key.clone());
    let Signalled { from_seq } =
        session.backend.signal(Request::Signal { run, name, data, texts, by, key }).await?;
    session.out.note(&format!("run {run} has the signal '{}'", args.signal));
    if args.no_wait {
        let header = session.backend.find_run(&run.to_string()).await?;
        session.out.document(&shape::run(&header));
        return Ok(Exit::Ok);
    }
    drive(session, run, from_seq, !args.no_interactive).await
}
