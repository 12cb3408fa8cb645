//! Runs and approvals of other namespaces are not there, for whoever names them in a path.

use pawl_core::{ApprovalId, RunId};

use crate::Problem;
use crate::app::App;
use crate::caller::Caller;

/// Refuses a path below a run or an approval that the caller does not see, in the words of one that is not there.
pub(super) async fn check(app: &App, caller: &Caller, pattern: &str, path: &str) -> Result<(), Box<Problem>> {
    if !caller.is_scoped {
        return Ok(());
    }
    let (mut parts, mut named) = (pattern.split('/').skip(1), path.split('/').skip(1));
    let (Some("v1"), Some(kind), Some(part)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(());
    };
    let Some(text) = named.nth(2).filter(|_| part.starts_with('{')) else { return Ok(()) };
    let store = app.engine.store();
    match kind {
        "runs" => {
            // What is no id the handler refuses, as it does for everybody.
            let Ok(run) = text.parse::<RunId>() else { return Ok(()) };
            caller.run(store.run(run).await.map_err(Problem::from)?, text)?;
        }
        "approvals" => {
            let Ok(id) = text.parse::<ApprovalId>() else { return Ok(()) };
            // One that was answered is not open, but still somebody's.
            let run = store.run_of_approval(&id).await.map_err(Problem::from)?;
            let header = match run {
                Some(run) => store.run(run).await.map_err(Problem::from)?,
                None => None,
            };
            if !header.is_some_and(|header| caller.sees(&header.namespace)) {
                return Err(Problem::not_found("open approval", text).into());
            }
        }
        _ => {}
    }
    Ok(())
}
