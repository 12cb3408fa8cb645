//! `pawl rerun`: starts a run as another was started.

use std::path::PathBuf;

use clap::Args;

use crate::actor;
use crate::args::DataArgs;
use crate::backend::{Latest, Opened, Request};
use crate::command::run::source;
use crate::drive::drive;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(crate) struct RerunArgs {
    /// The run's id, or its start or end
    run: String,
    /// An input that shall be another; may be repeated
    #[arg(long = "set", value_name = "inputs.NAME=VALUE")]
    settings: Vec<String>,
    /// Use this file and the plugins as they are now, not the ones that the run started with
    #[arg(long, value_name = "FILE")]
    latest: Option<PathBuf>,
    /// Refuse plugins that are not in the pawl.lock beside that file
    #[arg(long, requires = "latest")]
    locked: bool,
    /// Never ask on the terminal: print the commands that answer, and end
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: RerunArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let latest = match &args.latest {
        Some(path) => {
            let (file, text, base) = source(path)?;
            Some(Latest { file, text, base, locked: args.locked })
        }
        None => None,
    };
    let mut session = Session::serving(place, out, stop).await?;
    let ended = rerun(&mut session, args, latest).await;
    session.end(ended).await
}

async fn rerun(session: &mut Session, args: RerunArgs, latest: Option<Latest>) -> Result<Exit, Fault> {
    let before = session.backend.find_run(&args.run).await?.id;
    let request = Request::Rerun { run: before, settings: args.settings, latest, by: actor::operator() };
    let Opened { run, workflow, version, warnings } = session.backend.start(request).await?;
    for warning in warnings {
        session.out.note(&warning);
    }
    session.out.note(&format!("run {run}  {workflow} {version}, as {before}"));
    drive(session, run, 1, !args.no_interactive).await
}
