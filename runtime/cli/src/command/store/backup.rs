//! `pawl store backup`: a copy of the store that is in use.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::count;
use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The folder that the backup is made in; it must hold no store
    #[arg(value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(super) async fn run(args: &BackupArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    // Whoever holds the folder may stand elsewhere.
    let to = std::path::absolute(&args.to)
        .map_err(|error| Fault::usage(format!("{} is no folder: {error}", args.to.display())))?;
    let session = Session::open(place, out).await?;
    let made = session.backend.back_up(to, &mut |line| out.note(line)).await.map(|made| {
        let mut document = json!(made);
        document["path"] = args.to.display().to_string().into();
        out.document(&document);
        out.text(&format!(
            "{} holds the store as it was at {}: {} with {}, all whole, and {}",
            args.to.display(),
            made.made_at,
            count(made.journals, "journal"),
            count(made.events, "event"),
            count(made.plugins, "file") + " of plugins",
        ));
        Exit::Ok
    });
    session.end(made).await
}
