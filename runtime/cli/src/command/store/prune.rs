//! `pawl store prune`: removes runs that are over.

use clap::Args;
use pawl_core::Duration;
use pawl_engine::{Pruned, Retention};
use serde_json::json;

use super::count;
use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Only runs that ended longer ago: 90m, 12h, 30d
    #[arg(long, value_name = "AGE")]
    older_than: Option<Duration>,
    /// Never the newest runs that are over, so many of them
    #[arg(long, value_name = "N")]
    keep: Option<u64>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(super) async fn run(args: &PruneArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let retention = Retention { older_than: args.older_than, keep: args.keep };
    let session = Session::open(place, out).await?;
    let pruned = session.backend.prune(retention).await.map(|pruned| show(&pruned, out));
    session.end(pruned).await
}

fn show(pruned: &Pruned, out: Output) -> Exit {
    out.document(&json!(pruned));
    out.text(&format!(
        "removed {} with {}, and {} that no journal named any more",
        count(pruned.runs, "run"),
        count(pruned.events, "event"),
        count(pruned.blobs, "blob"),
    ));
    if pruned.needed > 0 {
        out.note(&format!(
            "{} that others need, or that went on meanwhile, stay",
            count(pruned.needed, "run")
        ));
    }
    for run in &pruned.unreadable {
        out.note(&format!("run {run} stays: its journal does not read; `pawl verify {run}` says why"));
    }
    if let Some(run) = pruned.blobs_kept_for {
        out.note(&format!("blobs stay: what run {run} names cannot be told; `pawl verify {run}` says why"));
    }
    let is_well = pruned.unreadable.is_empty() && pruned.blobs_kept_for.is_none();
    if is_well { Exit::Ok } else { Exit::Failed }
}
