//! `pawl store stats`: what is in the store.

use pawl_store::maintain::StoreStats;
use serde_json::json;

use super::size;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;

pub(super) async fn run(place: Place, out: Output) -> Result<Exit, Fault> {
    let engine = super::kind(place.store.engine);
    // A command that looks makes no store.
    if !place.store_folder().join(engine.name()).exists() {
        super::open(&place)?;
    }
    let session = Session::open(place, out).await?;
    let shown = show(&session).await;
    session.end(shown).await
}

async fn show(session: &Session) -> Result<Exit, Fault> {
    let (about, stats) = (session.backend.about().await?, session.backend.stats().await?);
    let holder = (about.pid != std::process::id()).then_some(about.pid);
    session.out.document(&json!({
        "engine": about.engine,
        "place": about.place,
        "format": about.format,
        "bytes": about.bytes,
        "holder": holder,
        "runs": stats.runs,
        "unreadable": stats.unreadable,
        "events": stats.events,
        "tables": stats.tables,
    }));
    session.out.text(&format!("store    {} format {} in {}", about.engine, about.format, about.place));
    if let Some(pid) = holder {
        session.out.text(&format!("holder   process {pid}"));
    }
    session.out.text(&format!("on disk  {}", size(about.bytes)));
    session.out.text(&format!("runs     {}", runs(&stats)));
    session.out.text(&format!("events   {}\n", stats.events));
    let rows = stats.tables.iter().map(|at| [at.table.clone(), at.rows.to_string(), size(at.bytes)]);
    session.out.text(&table(["table", "rows", "keys and values"], rows));
    Ok(Exit::Ok)
}

fn runs(stats: &StoreStats) -> String {
    let all = stats.runs.values().sum::<u64>() + stats.unreadable;
    let by_status = stats.runs.iter().map(|(status, runs)| format!("{runs} {}", status.name()));
    let unreadable = (stats.unreadable > 0).then(|| format!("{} unreadable", stats.unreadable));
    let parts: Vec<_> = by_status.chain(unreadable).collect();
    if parts.is_empty() { all.to_string() } else { format!("{all}: {}", parts.join(", ")) }
}
