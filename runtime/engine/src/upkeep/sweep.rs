//! Blobs that no journal and no registered workflow names any more.
//!
//! Every journal is read for a part of the blobs at a time. A commit that comes meanwhile brings the blobs that it
//! names, and the store spares those; what it only names by way of another run is in that one's journal, and no
//! journal is removed meanwhile.

use std::collections::HashSet;

use pawl_core::journal::{self, Head};
use pawl_core::{Digest, RunId};
use pawl_store::{Batch, Upkeep};

use super::references;
use crate::driver::Context;
use crate::{EngineError, register};

/// Blobs that are looked for in all journals at once.
const BLOBS_AT_ONCE_MAX: usize = 65_536;
/// Blobs removed by one commit.
const BATCH_MAX_BLOBS: usize = 64;
/// Runs that are asked for at once.
const PAGE_RUNS: usize = 256;

/// What a sweep came to.
pub(super) enum Swept {
    /// How many blobs were removed.
    Removed(u64),
    /// None more, because it cannot be told what this run's journal names.
    Unreadable(RunId),
}

pub(super) async fn sweep(context: &Context) -> Result<Swept, EngineError> {
    let Some(upkeep) = context.store.upkeep() else { return Ok(Swept::Removed(0)) };
    upkeep.begin_sweep().await?;
    let _ends = Ends(upkeep);
    let (mut after, mut removed) = (None, 0);
    loop {
        let page = upkeep.blobs(after, BLOBS_AT_ONCE_MAX).await?;
        let Some(last) = page.last() else { return Ok(Swept::Removed(removed)) };
        after = Some(*last);
        let mut unused: HashSet<Digest> = page.into_iter().collect();
        if let Some(run) = take_out_used(context, upkeep, &mut unused).await? {
            return Ok(Swept::Unreadable(run));
        }
        let unused: Vec<Digest> = unused.into_iter().collect();
        for some in unused.chunks(BATCH_MAX_BLOBS) {
            context.store.commit(&Batch { unused: some.to_vec(), ..Batch::default() }).await?;
            removed += some.len() as u64;
        }
    }
}

/// Ends the sweep, however it ends.
struct Ends<'s>(&'s dyn Upkeep);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end_sweep();
    }
}

/// Takes out of a set what journals name; gives a run whose journal does not read.
async fn take_out_used(
    context: &Context,
    upkeep: &dyn Upkeep,
    unused: &mut HashSet<Digest>,
) -> Result<Option<RunId>, EngineError> {
    for digest in register::named(context.store.as_ref()).await? {
        unused.remove(&digest);
    }
    let mut after = None;
    while !unused.is_empty() {
        let runs = upkeep.journals(after, PAGE_RUNS).await?;
        let Some(last) = runs.last() else { break };
        after = Some(*last);
        for run in runs {
            if !context.is_alive() {
                return Err(EngineError::Closed);
            }
            let records = context.store.journal(run, 1).await?;
            let Ok(envelopes) =
                journal::decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice))
            else {
                return Ok(Some(run));
            };
            for mut envelope in envelopes {
                for digest in references::pinned(&envelope.event) {
                    unused.remove(&digest);
                }
                if let Some(digest) = references::value(&mut envelope.event) {
                    unused.remove(&digest);
                }
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(None)
}
