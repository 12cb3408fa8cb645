//! A run is made once for each key.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pawl_core::{Digest, RunId};
use pawl_engine::{EngineError, Making};
use pawl_store::StoreError;
use serde_json::Value;

use super::{made, now};
use crate::Problem;
use crate::api::idempotency::{self, Seen};
use crate::app::App;
use crate::caller::Caller;
use crate::problem::Code;
use crate::trace::Trace;

/// Makes a run, and answers with it. With an `Idempotency-Key`, a request that comes again makes nothing: it is answered
/// with the run that the first one made. `request` tells it from others.
pub(super) async fn once<M>(
    app: &App,
    caller: &Caller,
    (Trace(trace), headers): (Trace, &HeaderMap),
    request: Digest,
    make: impl FnOnce(Making) -> M,
) -> Result<Response, Problem>
where
    M: Future<Output = Result<Result<RunId, EngineError>, Problem>>,
{
    let making = Making { trace, ..Making::from(caller.actor.clone()) };
    let Some(key) = idempotency::key(headers, caller)? else {
        let run = make(making).await??;
        return made(app, caller, run).await;
    };
    if let Some(seen) = idempotency::seen(app, &key).await? {
        return again(app, caller, &seen, request).await;
    }
    let run = app.engine.new_run_id();
    let records = vec![idempotency::record(&key, run, request)];
    match make(Making { run: Some(run), records, ..making }).await? {
        Ok(run) => made(app, caller, run).await,
        // The same request came twice at once, and the other one was first.
        Err(error @ EngineError::Store(StoreError::Stale { .. })) => {
            match idempotency::seen(app, &key).await? {
                Some(seen) => again(app, caller, &seen, request).await,
                None => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The run that was made before.
async fn again(app: &App, caller: &Caller, seen: &Seen, request: Digest) -> Result<Response, Problem> {
    if seen.request != request {
        return Err(Problem::of(
            Code::KeyReused,
            "the Idempotency-Key came before with another request; use a new key for a new request",
        ));
    }
    let run: Json<Value> = now(app, caller, seen.run).await.map_err(|problem| match problem.status {
        404 => Problem::of(Code::RunGone, format!("the key made run {}, which was removed", seen.run)),
        _ => problem,
    })?;
    Ok((StatusCode::OK, [("idempotent-replay", "true")], run).into_response())
}
