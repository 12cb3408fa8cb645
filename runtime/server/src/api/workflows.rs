//! Workflows: checking one, and those that are registered.

use std::path::Path as FilePath;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pawl_core::oci::Reference;
use pawl_core::{Digest, Timestamp};
use pawl_engine::{Workflow, WorkflowName};
use pawl_store::Page;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Path, Query, Refusals, Rejections, rows};
use crate::Problem;
use crate::app::App;
use crate::caller::Caller;
use crate::documents::{
    ActiveWorkflow, Checked, Registration, WorkflowDetail, WorkflowPage, WorkflowVersionDetail,
};
use crate::problem::Code;

/// What a text that was sent is called in messages.
const FILE: &str = "workflow.yaml";

/// The longest name of a file that a version is registered with, in bytes.
const FILE_MAX_BYTES: usize = 255;

/// The workflow that a body names: a text, or a registered one.
pub(crate) async fn wanted(
    app: &App,
    caller: &Caller,
    source: Option<&str>,
    workflow: Option<&str>,
    version: Option<&str>,
) -> Result<Workflow, Problem> {
    match (source, workflow) {
        (Some(source), None) => prepared(app, caller, source).await,
        (None, Some(name)) => Ok(app.engine.registered_workflow(caller.named(name), version).await?),
        _ => Err(Problem::of(
            Code::BodyDoesNotFit,
            "give either `source`, a workflow's text, or `workflow`, the name of a registered one",
        )),
    }
}

/// Instants are text in the API.
fn shown(mut value: Value) -> Value {
    for place in ["/at", "/active/at"] {
        if let Some(at) = value.pointer_mut(place)
            && let Some(ms) = at.as_u64()
        {
            *at = Timestamp(ms).to_string().into();
        }
    }
    value
}

/// A page of workflows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkflowsQuery {
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many rows, at most 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// A workflow whose text came over the network: it names no file of this machine, and no step of it would be denied
/// what its plugin imports.
pub(crate) async fn prepared(app: &App, caller: &Caller, source: &str) -> Result<Workflow, Problem> {
    // What does not load is told with all its problems below, and leads to no file before.
    if let Ok(loaded) = pawl_core::source::load(FILE, source) {
        let definition = &loaded.definition;
        let is_path = |at: &&String| at.parse::<Reference>().is_err();
        let mut named = definition.plugins.values().filter(is_path).chain(definition.workflows.values());
        if let Some(path) = named.next() {
            let text = format!(
                "the workflow names the file {path}, and texts that are sent name none; register it where its files \
                 are, with `pawl workflow register`, or name plugins of the plugin folder or of a registry"
            );
            return Err(Problem::of(Code::NotPossible, text));
        }
    }
    let workflow =
        app.engine.prepare_workflow_in(&caller.namespace, FILE, source, FilePath::new(".")).await?;
    let denied = app.engine.denied(&workflow).await?;
    if denied.is_empty() {
        return Ok(workflow);
    }
    Err(Problem::of(Code::NotGranted, denied.join("; ")).errors(denied.into()))
}

/// A name that no workflow can have is that of none.
fn none_such(error: pawl_engine::EngineError, name: &str) -> Problem {
    match Problem::from(error) {
        problem if problem.status == 422 => Problem::not_found("registered workflow", name),
        problem => problem,
    }
}

/// Registered workflows, by name.
#[utoipa::path(get, path = "/v1/workflows", operation_id = "list_workflows", tag = "workflows", params(WorkflowsQuery), responses(
    (status = 200, description = "a page of workflows", body = WorkflowPage),
    Rejections,
))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<WorkflowsQuery>,
) -> Result<Json<Value>, Problem> {
    let limit = rows(which.limit)?;
    // One more than is shown says whether there is more.
    let mut found = app
        .engine
        .registered(WorkflowName::key_of(&caller.namespace), &Page { after: which.cursor, limit: limit + 1 })
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.name.clone());
    let items: Vec<_> = found.iter().map(|workflow| shown(json!(workflow))).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// A workflow's text, and whether it is what a start by name starts from now on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterWorkflow {
    /// YAML.
    source: String,
    /// Whether it is activated at once.
    #[serde(default)]
    activate: bool,
    /// The name of the file that it came from, to be shown.
    #[schema(min_length = 1, max_length = 255)]
    file: Option<String>,
}

/// Registers a version of a workflow: it is checked, and kept with its plugins. The same version again changes nothing;
/// other bytes under a version that is there are refused.
#[utoipa::path(post, path = "/v1/workflows", operation_id = "register_workflow", tag = "workflows", request_body = RegisterWorkflow, responses(
    (status = 201, description = "it is registered", body = Registration),
    (status = 200, description = "it was registered before", body = Registration),
    Refusals,
))]
pub(crate) async fn register(
    State(app): State<App>,
    caller: Caller,
    Body(RegisterWorkflow { source, activate, file }): Body<RegisterWorkflow>,
) -> Result<Response, Problem> {
    let file = file.unwrap_or_else(|| FILE.to_owned());
    if file.is_empty() || file.len() > FILE_MAX_BYTES || file.chars().any(char::is_control) {
        let text = format!("`file` is the name of a file, 1 to file_max_bytes ({FILE_MAX_BYTES}) bytes long");
        return Err(Problem::of(Code::BodyDoesNotFit, text));
    }
    let workflow = prepared(&app, &caller, &source).await?;
    let namespace = WorkflowName::key_of(&caller.namespace);
    let registered = app.engine.register_in(namespace, &workflow, &file, caller.actor.clone()).await?;
    let name = caller.named(&registered.version.workflow);
    if activate {
        app.engine.activate(name, &registered.version.version, None, caller.actor.clone()).await?;
    }
    let active = app.engine.registered_name(name).await?.and_then(|head| head.active);
    let status = if registered.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut document = json!(registered);
    document["active"] = json!(active);
    document["warnings"] = json!(workflow.warnings);
    Ok((status, Json(shown(document))).into_response())
}

/// A registered workflow with its versions. Its `ETag` is the digest of the active one.
#[utoipa::path(get, path = "/v1/workflows/{name}", operation_id = "show_workflow", tag = "workflows", params(
    ("name" = String, Path, description = "its name"),
), responses(
    (status = 200, description = "the workflow", body = WorkflowDetail, headers(("ETag" = String, description = "the active digest"))),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let found =
        app.engine.registered_name(caller.named(&name)).await.map_err(|error| none_such(error, &name))?;
    let found = found.ok_or_else(|| Problem::not_found("registered workflow", &name))?;
    let versions = app.engine.versions(caller.named(&name)).await?;
    let tag = found.active.as_ref().map(|active| active.definition.to_string()).unwrap_or_default();
    let mut document = shown(json!(found));
    document["items"] = versions.iter().map(|version| shown(json!(version))).collect();
    Ok(([(header::ETAG, format!("\"{tag}\""))], Json(document)).into_response())
}

/// A version of a workflow: its source, the schema of its inputs, and how it is drawn.
#[utoipa::path(get, path = "/v1/workflows/{name}/versions/{version}", operation_id = "show_workflow_version", tag = "workflows", params(
    ("name" = String, Path, description = "the workflow's name"),
    ("version" = String, Path, description = "the version"),
), responses(
    (status = 200, description = "the version", body = WorkflowVersionDetail),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let workflow = app.engine.registered_workflow(caller.named(&name), Some(&version)).await;
    let workflow = workflow.map_err(|error| none_such(error, &name))?;
    let versions = app.engine.versions(caller.named(&name)).await?;
    let registered = versions.into_iter().find(|one| one.version == version);
    let definition = &workflow.definition;
    let source = app.engine.store().blob(&definition.digest).await?;
    let mut document = shown(json!(registered));
    document["source"] = source.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).into();
    document["inputs"] = definition.inputs.json().clone();
    document["graph"] = pawl_core::graph::to_json(definition);
    document["warnings"] = json!(workflow.warnings);
    Ok(Json(document))
}

/// Which version a start by name starts.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActivateWorkflow {
    /// The version.
    version: String,
}

/// Makes a version the one that a start by name starts; runs stay on theirs. With `If-Match`, only where the active one
/// is still the one that was seen.
#[utoipa::path(post, path = "/v1/workflows/{name}/activate", operation_id = "activate_workflow", tag = "workflows", params(
    ("name" = String, Path, description = "its name"),
    ("If-Match" = Option<String>, Header, description = "the `ETag` of the workflow"),
), request_body = ActivateWorkflow, responses(
    (status = 200, description = "the active version", body = ActiveWorkflow),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 412, description = "another one is active", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn activate(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(ActivateWorkflow { version }): Body<ActivateWorkflow>,
) -> Result<Json<Value>, Problem> {
    let expected = match headers.get(header::IF_MATCH).map(|tag| tag.to_str().unwrap_or_default()) {
        None | Some("*") => None,
        Some(tag) => {
            let digest = tag.trim_matches('"').parse::<Digest>();
            Some(digest.map_err(|_| Problem::bad_request("If-Match is not the ETag of a workflow"))?)
        }
    };
    let active = app.engine.activate(caller.named(&name), &version, expected, caller.actor.clone()).await?;
    Ok(Json(shown(json!(active))))
}

/// A workflow's text.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// YAML.
    source: String,
}

/// Checks a workflow without running it: every problem at once, and what its plugins would be denied.
#[utoipa::path(post, path = "/v1/workflows/check", operation_id = "check_workflow", tag = "workflows", request_body = Source, responses(
    (status = 200, description = "it can be run", body = Checked),
    Refusals,
))]
pub(crate) async fn check(
    State(app): State<App>,
    caller: Caller,
    Body(Source { source }): Body<Source>,
) -> Result<Json<Value>, Problem> {
    let workflow = prepared(&app, &caller, &source).await?;
    let definition = &workflow.definition;
    Ok(Json(json!({
        "workflow": definition.name,
        "version": definition.version,
        "digest": definition.digest,
        "steps": definition.steps.len(),
        "warnings": workflow.warnings,
        "inputs": definition.inputs.json(),
    })))
}
