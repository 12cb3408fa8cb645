//! `pawl store copy`: everything into a new store.

use clap::Args;
use pawl_store::maintain::{self, Copied, NewStore};
use serde_json::json;

use super::{Progress, count, folder_of, kind, size};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::StoreAt;

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// The store that is copied: lmdb:PATH or sled:PATH
    #[arg(value_name = "FROM")]
    from: StoreAt,
    /// Where the new one is made: lmdb:PATH or sled:PATH, in a folder that holds no store
    #[arg(value_name = "TO")]
    to: StoreAt,
}

pub(super) async fn run(args: &CopyArgs, out: Output) -> Result<Exit, Fault> {
    let CopyArgs { from, to } = args;
    let old = super::open_at(from)?;
    let new = NewStore::begin(kind(to.engine), folder_of(to)?)?;
    let mut progress = Progress::new(out);
    let mut told = |what: &str, table: maintain::Table, rows| {
        progress.say(|| format!("{what} {} (at {})", count(rows, "row"), table.name()));
    };
    maintain::copy(old.as_ref(), new.store(), &mut |table, rows| told("copied", table, rows)).await?;
    let mut compared = |table, rows| told("compared", table, rows);
    let copied = maintain::compare(old.as_ref(), new.store(), &mut compared).await?;
    let copied = copied.map_err(|difference| {
        let row = maintain::TableRow { key: difference.key, value: Vec::new() };
        let (table, row) = (difference.table.name(), maintain::row_name(difference.table, &row));
        Fault::failed(format!("no store was made: {row} of the table {table}: {}", difference.what))
            .hint("`pawl verify` says more of the store that was to be copied; `pawl store salvage` copies what is whole")
    })?;
    new.finish()?;
    show(copied, args, out);
    Ok(Exit::Ok)
}

fn show(copied: Copied, args: &CopyArgs, out: Output) {
    let Copied { rows, bytes, journals, events } = copied;
    let (from, to) = (args.from.to_string(), args.to.to_string());
    out.document(&json!({
        "from": from, "to": to, "rows": rows, "bytes": bytes, "journals": journals, "events": events,
    }));
    out.text(&format!(
        "{from} is in {to} as well: {} ({}), the same in both; the chains of {} with {} are whole",
        count(rows, "row"),
        size(bytes),
        count(journals, "journal"),
        count(events, "event"),
    ));
}
