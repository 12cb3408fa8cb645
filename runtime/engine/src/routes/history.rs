//! What the journals of recent runs say of plugins.

use pawl_core::event::Event;
use pawl_core::journal::{self, Head};
use pawl_core::{RunId, Timestamp};
use pawl_store::{Page, RunFilter, Store, StoreError};

use super::Tracker;
use super::health::{HEALTH_WINDOW_MS, Health};

/// How many runs are looked at, the newest.
pub(crate) const HEALTH_RUNS_MAX: usize = 64;
/// How many rows of journals, of all of them together.
pub(crate) const HEALTH_ROWS_MAX: usize = 10_000;

/// Folds the journals of recent runs. What cannot be read is left out: this decides who is asked first, not more.
pub(super) async fn recent(store: &dyn Store, now: Timestamp, health: &mut Health) -> Result<(), StoreError> {
    let page = Page { after: None, limit: HEALTH_RUNS_MAX };
    let mut rows = 0;
    for header in store.runs(&RunFilter::default(), &page).await?.runs {
        if now.since(header.updated_at).0 > HEALTH_WINDOW_MS && header.status.is_final() {
            continue;
        }
        // What is too long to be read says nothing; the others do.
        let length = usize::try_from(header.head.seq).unwrap_or(usize::MAX);
        if rows + length > HEALTH_ROWS_MAX {
            continue;
        }
        let records = store.journal(header.id, 1).await?;
        rows += records.len();
        of_run(header.id, &records, health);
    }
    Ok(())
}

fn of_run(run: RunId, records: &[Vec<u8>], health: &mut Health) {
    let (mut head, mut tracker) = (Head::empty(run), Tracker::new(run));
    let mut seen = Vec::new();
    for bytes in records {
        // Values that lie elsewhere are not needed.
        let Ok(envelope) = journal::decode_next(run, &mut head, bytes) else { break };
        if let Event::RunForked(forked) = &envelope.event {
            // What comes before is another run's; what a rehearsal shows, that run has shown.
            seen.clear();
            if forked.rehearsal.is_some() {
                return;
            }
        }
        seen.extend(tracker.take(envelope.time, &envelope.event));
    }
    for seen in seen {
        health.observe(seen);
    }
}
