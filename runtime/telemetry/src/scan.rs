//! Runs that have something to be sent and were not heard of: at the start, and when notices came too fast.

use std::collections::BTreeSet;

use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status};
use pawl_store::{Page, RunFilter, Store, StoreError};

use crate::cursor::{Cursor, Sent, begun_at};

/// Headers that are read at once.
const PAGE_RUNS: usize = 1_000;
/// The statuses of runs that are not over.
const UNFINISHED: [Status; 4] = [Status::Pending, Status::Running, Status::Waiting, Status::Suspended];

/// Finds all runs that grew beyond what was sent of them.
pub(crate) async fn grown(store: &dyn Store, cursor: &Cursor) -> Result<BTreeSet<RunId>, StoreError> {
    let mut grown = BTreeSet::new();
    // What was begun before all this and has sent nothing is sent when it goes on, and not before.
    let is_ours = |run: RunId| cursor.sent(run).is_some() || begun_at(run) >= cursor.since();
    let unfinished = RunFilter { statuses: UNFINISHED.to_vec(), ..RunFilter::default() };
    for (filter, to) in [(unfinished, None), (RunFilter::default(), Some(cursor.since()))] {
        let mut page = Page { after: None, limit: PAGE_RUNS };
        loop {
            let found = store.runs(&filter, &page).await?;
            let is_over = found.runs.iter().any(|header| to.is_some_and(|to| begun_at(header.id) < to));
            grown.extend(found.runs.iter().filter(|h| is_ours(h.id) && is_grown(h, cursor)).map(|h| h.id));
            match found.next {
                Some(after) if !is_over => page.after = Some(after),
                _ => break,
            }
        }
    }
    for run in cursor.unfinished() {
        match store.run(run).await? {
            Some(header) if is_grown(&header, cursor) => drop(grown.insert(run)),
            _ => {}
        }
    }
    Ok(grown)
}

fn is_grown(header: &RunHeader, cursor: &Cursor) -> bool {
    match cursor.sent(header.id) {
        None => true,
        // A run that is over and goes on all the same was retried.
        Some(Sent::End(_)) => !header.status.is_final(),
        // The header of a run that is under way may lag behind.
        Some(Sent::UpTo(seq)) => header.status == Status::Running || header.head.seq > seq,
    }
}
