//! A run: where it stands, its journal, its graph, what it used.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pawl_core::graph;
use serde::Deserialize;
use serde_json::{Value, json};

use super::find;
use crate::api::{Path, Query, Rejections, rows};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::{EventPage, Graph, RunDetail, RunUsage, RunWorkflow};
use crate::problem::Code;
use crate::{Problem, shape};

/// A run with its steps. Its `ETag` changes with every event; ask with `If-None-Match` to hear only of changes.
#[utoipa::path(get, path = "/v1/runs/{run}", operation_id = "show_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
    ("If-None-Match" = Option<String>, Header, description = "the `ETag` of the answer before"),
), responses(
    (status = 200, description = "the run", body = RunDetail, headers(("ETag" = String, description = "what it is compared by"))),
    (status = 304, description = "nothing has happened since"),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = find(&app, &caller, &run).await?.id;
    let history = app.engine.history(id).await?;
    // After the journal, so that it is never older than what the steps say.
    let header = find(&app, &caller, &run).await?;
    let tag = format!("\"{}\"", history.head.seq);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    let place = [(header::ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\"")))];
    if known.split(',').any(|known| known.trim() == tag) {
        return Ok((StatusCode::NOT_MODIFIED, place).into_response());
    }
    let mut document = shape::run(&header);
    if let Value::Object(fields) = &mut document {
        fields.extend(app.teller.detail(&header, &history.envelopes));
    }
    Ok((place, Json(document)).into_response())
}

/// Which part of a journal.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct JournalQuery {
    /// The first event; 1 where nothing is said. `next` of the page before.
    #[param(minimum = 1)]
    from: Option<u64>,
    /// How many events, at most 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// A run's journal: what happened, in order. Each event was checked to follow from the one before it; `pawl verify`
/// checks all of them.
#[utoipa::path(get, path = "/v1/runs/{run}/journal", operation_id = "read_journal", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"), JournalQuery,
), responses(
    (status = 200, description = "events", body = EventPage),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "the journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn journal(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Query(part): Query<JournalQuery>,
) -> Result<Json<Value>, Problem> {
    let rows = rows(part.limit)?;
    let from = part.from.unwrap_or(1);
    if from == 0 || i64::try_from(from).is_err() {
        return Err(Problem::bad_request(format!("from is the seq of an event, from 1 on, and not {from}")));
    }
    let run = find(&app, &caller, &run).await?.id;
    let part = app.engine.journal_part(run, from, rows).await?;
    let items: Vec<_> = part.envelopes.iter().map(shape::event).collect();
    Ok(Json(json!({ "items": items, "next": part.next.map(|seq| seq.to_string()) })))
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GraphFormat {
    /// Nodes and edges, for whoever draws it.
    #[default]
    Json,
    /// A picture, with where each step stands.
    Svg,
    /// For Markdown files.
    Mermaid,
    /// For Graphviz.
    Dot,
}

/// How a graph is written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraphQuery {
    /// `json` where nothing is said.
    #[serde(default)]
    #[param(inline)]
    format: GraphFormat,
}

/// A run's workflow, drawn.
#[utoipa::path(get, path = "/v1/runs/{run}/graph", operation_id = "draw_run", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"), GraphQuery,
), responses(
    (status = 200, description = "the drawing", content(
        (Graph = "application/json"), (String = "image/svg+xml"), (String = "text/plain"),
    )),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn graph(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Query(how): Query<GraphQuery>,
) -> Result<Response, Problem> {
    let header = find(&app, &caller, &run).await?;
    let definition = app.engine.definition_of(header.id).await?;
    let text = |text: String| ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    Ok(match how.format {
        GraphFormat::Json => {
            let mut drawing = graph::to_json(&definition);
            drawing["workflow"] = definition.name.clone().into();
            Json(drawing).into_response()
        }
        GraphFormat::Mermaid => text(graph::to_mermaid(&definition)),
        GraphFormat::Dot => text(graph::to_dot(&definition)),
        GraphFormat::Svg => {
            let history = app.engine.history(header.id).await?;
            let marks = app.teller.marks(&header, &history.envelopes);
            let drawing = graph::to_svg(&definition, Some(&marks));
            ([(header::CONTENT_TYPE, "image/svg+xml")], drawing).into_response()
        }
    })
}

/// The workflow that a run goes by, as it was when it was started or last moved, and the inputs that it was given.
#[utoipa::path(get, path = "/v1/runs/{run}/workflow", operation_id = "run_workflow", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), responses(
    (status = 200, description = "the workflow", body = RunWorkflow),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn workflow(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<Value>, Problem> {
    let header = find(&app, &caller, &run).await?;
    let definition = app.engine.definition_of(header.id).await?;
    let history = app.engine.history(header.id).await?;
    let source = app.engine.store().blob(&definition.digest).await?.ok_or_else(|| {
        Problem::of(Code::Damaged, format!("the store does not hold the definition {}", definition.digest))
    })?;
    Ok(Json(json!({
        "workflow": definition.name,
        "version": definition.version,
        "definition": definition.digest,
        "source": String::from_utf8_lossy(&source),
        "inputs": definition.inputs.json(),
        "given": history.state.inputs().as_ref(),
    })))
}

/// What a run has asked of models and tools.
#[utoipa::path(get, path = "/v1/runs/{run}/usage", operation_id = "run_usage", tag = "runs", params(
    ("run" = String, Path, description = "its id", format = "uuid"),
), responses(
    (status = 200, description = "figures", body = RunUsage),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "its journal is damaged", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn usage(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<Value>, Problem> {
    let header = find(&app, &caller, &run).await?;
    let history = app.engine.history(header.id).await?;
    Ok(Json(app.teller.usage(&header, &history.envelopes)))
}
