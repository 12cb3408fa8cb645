//! `pawl store restore`: a store made of a backup.

use std::path::PathBuf;

use clap::Args;
use pawl_store::maintain::{self, EngineKind, NewStore, TableRow};
use serde_json::json;

use super::{Progress, count, kind};
use crate::args::DataArgs;
use crate::backend::{BACKUP_NOTE, BackedUp, copy_files};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The folder that `pawl store backup` has made
    #[arg(value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(super) async fn run(args: &RestoreArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let RestoreArgs { from, .. } = args;
    let made = note(args)?;
    let engine = EngineKind::ALL.into_iter().find(|engine| engine.name() == made.engine);
    let engine = engine.ok_or_else(|| {
        Fault::usage(format!("the backup {} is of the engine '{}'", from.display(), made.engine))
            .hint("restore it with the pawl that made it")
    })?;
    let old = maintain::open(engine, from)?;
    place.create()?;
    let new = NewStore::begin(kind(place.store.engine), place.store_folder())?;
    let mut progress = Progress::new(out);
    let mut told = |table: maintain::Table, rows| {
        progress.say(|| format!("restored {} (at {})", count(rows, "row"), table.name()));
    };
    maintain::copy(old.as_ref(), new.store(), &mut told).await?;
    let compared = maintain::compare(old.as_ref(), new.store(), &mut told).await?;
    let copied = compared.map_err(|difference| {
        let row = TableRow { key: difference.key, value: Vec::new() };
        let (table, row) = (difference.table.name(), maintain::row_name(difference.table, &row));
        Fault::failed(format!("nothing was restored: {row} of the table {table}: {}", difference.what))
            .hint("the backup was altered since it was made; use another")
    })?;
    if (copied.journals, copied.events, copied.rows) != (made.journals, made.events, made.rows) {
        return Err(Fault::failed(format!(
            "nothing was restored: the backup has {} with {}, and was made with {} and {}",
            count(copied.journals, "journal"),
            count(copied.events, "event"),
            made.journals,
            made.events,
        ))
        .hint("the backup was altered since it was made; use another"));
    }
    copy_files(&from.join("plugins"), &place.plugins())?;
    new.finish()?;
    out.document(&json!({
        "path": place.folder.display().to_string(),
        "made_at": made.made_at, "rows": copied.rows, "journals": copied.journals, "events": copied.events,
    }));
    out.text(&format!(
        "{} is as the store was at {}: {} with {}, all whole",
        place.folder.display(),
        made.made_at,
        count(copied.journals, "journal"),
        count(copied.events, "event"),
    ));
    out.note(&format!("go on with the runs: {}", place.command("resume")));
    Ok(Exit::Ok)
}

/// What the backup says of itself.
fn note(args: &RestoreArgs) -> Result<BackedUp, Fault> {
    let path = args.from.join(BACKUP_NOTE);
    let text = pawl_engine::read_text(&path).map_err(|error| {
        Fault::usage(format!("{} is no backup: cannot read {BACKUP_NOTE}: {error}", args.from.display()))
            .hint("name a folder that `pawl store backup` has made; one that was cut off has no such file")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        Fault::usage(format!("{} does not read: {error}", path.display())).hint("use another backup")
    })
}
