//! A namespace has no more runs that are not over than it may.
//!
//! Who starts a run counts and starts in one turn, so that two who start at once do not both find the same room. A turn
//! is held until the run is on disk, also where nobody waits for the answer any more. The store belongs to this process
//! alone, so nobody else starts runs beside it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::view::Status;
use pawl_core::{Namespace, RunId};
use pawl_engine::EngineError;
use pawl_store::{Page, RunFilter, Store};

use crate::Problem;
use crate::app::App;
use crate::identity::limits_of;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is to start a run, in each namespace that has a bound.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Namespace, Turn>>);

impl Turns {
    fn of(&self, namespace: &Namespace) -> Turn {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(namespace.clone()).or_default())
    }
}

/// Makes a run in a namespace that has room for one more, or refuses it.
pub(super) fn within<'a>(
    app: &'a App,
    namespace: &'a Namespace,
    start: impl Future<Output = Result<RunId, EngineError>> + Send + 'static,
) -> impl Future<Output = Result<Result<RunId, EngineError>, Problem>> + Send + 'a {
    // What starts a run is large, and stands in the futures of all who wait for it.
    let start = Box::pin(start);
    async move {
        let store = app.engine.store();
        if limits_of(store.as_ref(), namespace).await?.runs_max.is_none() {
            return Ok(start.await);
        }
        let turn = app.turns.of(namespace).lock_owned().await;
        // Read anew: it may be another one since.
        if let Some(max) = limits_of(store.as_ref(), namespace).await?.runs_max
            && !has_room(store.as_ref(), namespace, max).await?
        {
            return Err(Problem::namespace_full(namespace, max));
        }
        let run = tokio::spawn(async move {
            let run = start.await;
            drop(turn);
            run
        });
        Ok(run.await.unwrap_or(Err(EngineError::Closed)))
    }
}

async fn has_room(store: &dyn Store, namespace: &Namespace, max: u64) -> Result<bool, Problem> {
    let statuses = Status::OF_RUNS.into_iter().filter(|status| !status.is_final()).collect();
    let filter = RunFilter { statuses, namespace: Some(namespace.clone()), ..RunFilter::default() };
    let (mut found, mut after) = (0, None);
    while found < max {
        let page = Page { after, limit: pawl_store::PAGE_MAX_ROWS };
        let page = store.runs(&filter, &page).await?;
        found += page.runs.len() as u64;
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found < max),
        }
    }
    Ok(false)
}
