//! Starting a run, once for each key.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pawl_core::{Digest, RunId};
use pawl_engine::{EngineError, Making, StartOptions, Workflow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bound::within;
use super::once::once;
use crate::Problem;
use crate::api::{Body, Refusals, workflows};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Run;
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
    trace: Trace,
    headers: HeaderMap,
    Body(start): Body<StartRun>,
) -> Result<Response, Problem> {
    let digest = start.digest();
    let (namespace, trace) = (caller.namespace.clone(), (trace, &headers));
    once(&app, &caller, trace, digest, async |making| {
        let workflow = start.workflow(&app, &caller).await?;
        let Making { by, trace, run, records, decides: _ } = making;
        let options = StartOptions { by, trace, run, records, namespace, ..StartOptions::default() };
        begin(&app, workflow, start.inputs, options).await
    })
    .await
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
