//! Making a run of another.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pawl_core::fork::Change;
use pawl_core::view::RunHeader;
use pawl_core::{Digest, StepId};
use pawl_engine::{Rehearse, Replacement, Workflow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bound::within;
use super::find;
use super::once::once;
use crate::Problem;
use crate::api::workflows::prepared;
use crate::api::{Body, OptionalBody, Path, Refusals};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::Run;
use crate::identity::Verb;
use crate::problem::Code;
use crate::trace::Trace;

/// What is other in a run that is started anew.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rerun {
    /// Other inputs; the same, where nothing is said.
    #[schema(value_type = Option<Object>)]
    inputs: Option<Value>,
    /// The workflow's text as it is now, with the plugins that there are now; the one that the run was started with,
    /// where nothing is said.
    source: Option<String>,
}

/// Starts a new run as another was started: with the same definition and components, or with another text of its
/// workflow.
#[utoipa::path(post, path = "/v1/runs/{run}/rerun", operation_id = "rerun_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
    ("Idempotency-Key" = Option<String>, Header, description = "by which a repeated request is recognized, for 24 hours",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
), request_body = Option<Rerun>, responses(
    (status = 201, description = "the new run", body = Run, headers(("Location" = String, description = "where it is"))),
    (status = 200, description = "the run that this key made before", body = Run,
        headers(("Idempotent-Replay" = String, description = "`true`"))),
    (status = 410, description = "the run that this key made was removed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn rerun(
    State(app): State<App>,
    caller: Caller,
    trace: Trace,
    headers: HeaderMap,
    Path(run): Path<String>,
    OptionalBody(rerun): OptionalBody<Rerun>,
) -> Result<Response, Problem> {
    let RunHeader { id, workflow, namespace, .. } = find(&app, &caller, &run).await?;
    let request = digest(&json!(["rerun", id, rerun.inputs, rerun.source]));
    once(&app, &caller, (trace, &headers), request, async |making| {
        let latest = match &rerun.source {
            Some(source) => Some(latest(&app, &caller, source, &workflow).await?),
            None => None,
        };
        let engine = app.engine.clone();
        let anew = async move { engine.rerun(id, latest.as_ref(), rerun.inputs, making).await };
        within(&app, &namespace, anew).await
    })
    .await
}

/// The text of a workflow as it is now, which must be the one that the run is of.
async fn latest(app: &App, caller: &Caller, source: &str, workflow: &str) -> Result<Workflow, Problem> {
    let latest = prepared(app, caller, source).await?;
    if latest.definition.name == workflow {
        return Ok(latest);
    }
    let text = format!(
        "the text is the workflow '{}', and the run is one of '{workflow}'; start it with POST /v1/runs",
        latest.definition.name
    );
    Err(Problem::of(Code::NotPossible, text))
}

/// What tells a request from others.
fn digest(request: &Value) -> Digest {
    Digest::of(request.to_string().as_bytes())
}

/// A recorded value that shall be another.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedValue {
    /// The output of this step; the inputs, where there is none.
    step: Option<String>,
    /// The way to the value: fields of objects, numbers of items.
    #[serde(default)]
    path: Vec<String>,
    /// What it shall be.
    value: Value,
}

/// Where a run is forked, and what is other.
#[derive(Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkRun {
    /// The last event that both have.
    #[schema(minimum = 1)]
    at: u64,
    /// Values that shall be others.
    #[serde(default)]
    changes: Vec<ChangedValue>,
    /// Whether it is a rehearsal: what it asks is answered from the journal, where that asked the same, and what would
    /// change something outside is refused where it has no recorded answer.
    #[serde(default)]
    dry: bool,
    /// Rehearses with other components of agents: each name with `current`, the one that the name leads to now, or with
    /// `sha256:…` of one that the store has.
    #[serde(default)]
    agents: BTreeMap<String, String>,
    /// Rehearses with this model in place of all others.
    model: Option<String>,
}

fn replacement((name, place): (String, String)) -> Result<(String, Replacement), Problem> {
    let replacement = match place.strip_prefix("sha256:") {
        Some(digest) => digest.parse::<Digest>().ok().map(Replacement::Stored),
        None => (place == "current").then_some(Replacement::Current),
    };
    let wrong = || {
        let text = format!("agents.{name}: write `current`, or `sha256:` and the 64 digits of a component");
        Problem::of(Code::BodyDoesNotFit, text)
    };
    let replacement = replacement.ok_or_else(wrong)?;
    Ok((name, replacement))
}

/// Makes a new run that begins with the events of another.
///
/// It goes on with answers of people only for a caller who has the right to `decide` and could have given them; a dry
/// rehearsal, which does nothing, for everybody.
#[utoipa::path(post, path = "/v1/runs/{run}/fork", operation_id = "fork_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
    ("Idempotency-Key" = Option<String>, Header, description = "by which a repeated request is recognized, for 24 hours",
        min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
), request_body = ForkRun, responses(
    (status = 201, description = "the new run", body = Run, headers(("Location" = String, description = "where it is"))),
    (status = 200, description = "the run that this key made before", body = Run,
        headers(("Idempotent-Replay" = String, description = "`true`"))),
    (status = 410, description = "the run that this key made was removed", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn fork(
    State(app): State<App>,
    caller: Caller,
    trace: Trace,
    headers: HeaderMap,
    Path(run): Path<String>,
    Body(body): Body<ForkRun>,
) -> Result<Response, Problem> {
    let RunHeader { id, namespace, .. } = find(&app, &caller, &run).await?;
    let request = digest(&json!(["fork", id, body]));
    once(&app, &caller, (trace, &headers), request, async |mut making| {
        // What is a right of its own here, the core cannot know.
        making.decides = caller.may(Verb::Decide).is_ok();
        let ForkRun { at, changes, dry, agents, model } = body;
        let change = |ChangedValue { step, path, value }| Change { step: step.map(StepId::new), path, value };
        let changes = changes.into_iter().map(change).collect();
        let agents = agents.into_iter().map(replacement).collect::<Result<BTreeMap<_, _>, _>>()?;
        let rehearses = dry || model.is_some() || !agents.is_empty();
        let how = rehearses.then_some(Rehearse { agents, model, dry });
        let engine = app.engine.clone();
        let fork = async move {
            match how {
                Some(how) => engine.rehearse(id, at, changes, how, making).await,
                None => engine.fork(id, at, changes, making).await,
            }
        };
        within(&app, &namespace, fork).await
    })
    .await
}
