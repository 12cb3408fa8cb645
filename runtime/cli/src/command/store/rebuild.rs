//! `pawl store rebuild`: everything that follows from journals, made anew.

use pawl_engine::upkeep::{DIFFERENCES_MAX, Rebuilt, RowDifference, rebuild};
use serde_json::json;

use super::{Progress, count};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

pub(super) async fn run(place: &Place, out: Output) -> Result<Exit, Fault> {
    let store = super::open(place)?;
    let mut progress = Progress::new(out);
    let mut told = |runs| progress.say(|| format!("read {}", count(runs, "journal")));
    let rebuilt = rebuild(store.as_ref(), place.store_folder(), &mut told).await?;
    show(&rebuilt, out);
    Ok(if is_well(&rebuilt) { Exit::Ok } else { Exit::Failed })
}

const fn is_well(rebuilt: &Rebuilt) -> bool {
    rebuilt.different == 0 && rebuilt.unreadable.is_empty()
}

fn show(rebuilt: &Rebuilt, out: Output) {
    let unreadable = rebuilt.unreadable.iter().map(|(run, why)| json!({ "run": run, "reason": why }));
    out.document(&json!({
        "ok": is_well(rebuilt),
        "runs": rebuilt.runs,
        "events": rebuilt.events,
        "rows": rebuilt.rows,
        "different": rebuilt.different,
        "differences": rebuilt.differences.iter().map(document).collect::<Vec<_>>(),
        "unreadable": unreadable.collect::<Vec<_>>(),
    }));
    for difference in &rebuilt.differences {
        out.text(&text(difference));
    }
    if rebuilt.different > DIFFERENCES_MAX as u64 {
        let more = rebuilt.different - DIFFERENCES_MAX as u64;
        out.text(&format!("and {} more", count(more, "row")));
    }
    for (run, why) in &rebuilt.unreadable {
        out.text(&format!("unreadable  run {run}: {why}"));
    }
    let made = format!(
        "{} of {} of {}",
        count(rebuilt.rows, "row"),
        count(rebuilt.events, "event"),
        count(rebuilt.runs, "run")
    );
    out.note(&match (rebuilt.different, rebuilt.unreadable.len() as u64) {
        (0, 0) => format!("{made}: all were as the journals have them"),
        (different, 0) => format!("{made}: {} made good", count(different, "row")),
        (different, wrong) => format!(
            "{made}: {} made good; the rows of {} that cannot be read are as they were\nhint: `pawl store salvage` saves what is whole of them",
            count(different, "row"),
            count(wrong, "journal")
        ),
    });
}

fn document(difference: &RowDifference) -> serde_json::Value {
    let RowDifference { table, run, row, was } = difference;
    json!({ "table": table, "run": run, "row": row, "was": was })
}

fn text(difference: &RowDifference) -> String {
    let RowDifference { table, run, row, was } = difference;
    let run = run.map_or_else(|| "no run".to_owned(), |run| format!("run {run}"));
    format!("{was:<8}  {table:<13}  {run}  {row}")
}
