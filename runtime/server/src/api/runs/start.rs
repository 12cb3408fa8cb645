//! Starting a run, once for each key.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pawl_core::{Digest, RunId};
use pawl_engine::{EngineError, StartOptions, Workflow};
use pawl_store::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::bound::within;
use super::{made, now};
use crate::Problem;
use crate::api::idempotency::{self, Seen};
use crate::api::{Body, Refusals, workflows};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Run;
use crate::problem::Code;
use crate::trace::Trace;

/// What a run is started with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRun {
    /// The workflow's text, YAML. Either this or `workflow`.
    source: Option<String>,
    /// The name of a registered workflow.
    workflow: Option<String>,
    /// Its version; the active one, where nothing is said.
    version: Option<String>,
    /// Its inputs.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    inputs: Value,
}

impl StartRun {
    /// What tells this request from others.
    fn digest(&self) -> Digest {
        let all = json!([self.source, self.workflow, self.version, self.inputs]);
        Digest::of(all.to_string().as_bytes())
    }

    async fn workflow(&self, app: &App, caller: &Caller) -> Result<Workflow, Problem> {
        let Self { source, workflow, version, .. } = self;
        workflows::wanted(app, caller, source.as_deref(), workflow.as_deref(), version.as_deref()).await
    }
}

/// Starts a run. It is on disk when this is answered.
///
/// With an `Idempotency-Key`, a request that comes again starts nothing: it is answered with the run that the first one
/// started, with status 200 and `Idempotent-Replay: true`.
#[utoipa::path(post, path = "/v1/runs", operation_id = "start_run", tag = "runs", request_body = StartRun, params(
    ("Idempotency-Key" = Option<String>, Header, description = "by which a repeated request is recognized, for 24 hours",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
), responses(
    (status = 201, description = "the run that was started", body = Run,
        headers(("Location" = String, description = "where it is"))),
    (status = 200, description = "the run that this key started before", body = Run,
        headers(("Idempotent-Replay" = String, description = "`true`"))),
    (status = 404, description = "there is no such workflow", body = Problem, content_type = "application/problem+json"),
    (status = 410, description = "the run that this key started was removed", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    Trace(trace): Trace,
    headers: HeaderMap,
    Body(start): Body<StartRun>,
) -> Result<Response, Problem> {
    let by = caller.actor.clone();
    let Some(key) = idempotency::key(&headers, &caller)? else {
        let workflow = start.workflow(&app, &caller).await?;
        let namespace = caller.namespace.clone();
        let options = StartOptions { by, trace, namespace, ..StartOptions::default() };
        let run = begin(&app, workflow, start.inputs, options).await??;
        return made(&app, &caller, run).await;
    };
    let digest = start.digest();
    if let Some(seen) = idempotency::seen(&app, &key).await? {
        return again(&app, &caller, &seen, digest).await;
    }
    let workflow = start.workflow(&app, &caller).await?;
    let run = app.engine.new_run_id();
    let records = vec![idempotency::record(&key, run, digest)];
    let namespace = caller.namespace.clone();
    let options = StartOptions { by, trace, run: Some(run), records, namespace, ..StartOptions::default() };
    match begin(&app, workflow, start.inputs, options).await? {
        Ok(run) => made(&app, &caller, run).await,
        // The same request came twice at once, and the other one was first.
        Err(error @ EngineError::Store(StoreError::Stale { .. })) => {
            match idempotency::seen(&app, &key).await? {
                Some(seen) => again(&app, &caller, &seen, digest).await,
                None => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Starts a run where its namespace has room for one more.
async fn begin(
    app: &App,
    workflow: Workflow,
    inputs: Value,
    options: StartOptions,
) -> Result<Result<RunId, EngineError>, Problem> {
    let (engine, namespace) = (app.engine.clone(), options.namespace.clone());
    within(app, &namespace, async move { engine.start(&workflow, inputs, options).await }).await
}

/// The run that was started before.
async fn again(app: &App, caller: &Caller, seen: &Seen, digest: Digest) -> Result<Response, Problem> {
    if seen.request != digest {
        return Err(Problem::of(
            Code::KeyReused,
            "the Idempotency-Key came before with another body; use a new key for a new request",
        ));
    }
    let run: Json<Value> = now(app, caller, seen.run).await.map_err(|problem| match problem.status {
        404 => Problem::of(Code::RunGone, format!("the key started run {}, which was removed", seen.run)),
        _ => problem,
    })?;
    Ok((StatusCode::OK, [("idempotent-replay", "true")], run).into_response())
}
