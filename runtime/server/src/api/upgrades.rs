//! Runs that go on with another version of their workflow.

use axum::Json;
use axum::extract::State;
use pawl_core::RunId;
use pawl_engine::{EngineError, Workflow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Refusals, rows, workflows};
use crate::Problem;
use crate::app::App;
use crate::caller::Caller;
use crate::documents::{UpgradeCheck, Upgraded};
use crate::identity::Verb;
use crate::problem::Code;

/// Runs that are moved by one request.
const UPGRADE_RUNS_MAX: usize = 100;

/// Which runs are looked at, and what they would go on with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckUpgrade {
    /// The name of a registered workflow. Either this or `source`.
    workflow: Option<String>,
    /// Its version; the active one, where nothing is said.
    version: Option<String>,
    /// The new version's text, YAML.
    source: Option<String>,
    /// Only this run.
    #[schema(format = "uuid")]
    run: Option<String>,
    /// `next` of the page before.
    #[schema(format = "uuid")]
    cursor: Option<String>,
    /// How many runs are looked at, at most 500; 50 where nothing is said.
    #[schema(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// A run that the caller sees.
async fn seen(app: &App, caller: &Caller, text: &str) -> Result<RunId, Problem> {
    let run: RunId = text.parse().map_err(|_| Problem::not_found("run", text))?;
    Ok(caller.run(app.engine.store().run(run).await?, text)?.id)
}

fn answer(to: &Workflow, items: &Value, next: Option<RunId>) -> Value {
    let definition = &to.definition;
    json!({
        "workflow": definition.name,
        "version": definition.version,
        "definition": definition.digest,
        "items": items,
        "next": next,
    })
}

/// Says which runs of a workflow can go on with another version of it, and why others cannot. Changes nothing.
#[utoipa::path(post, path = "/v1/upgrades/check", operation_id = "check_upgrade", tag = "workflows", request_body = CheckUpgrade, responses(
    (status = 200, description = "a page of the runs that go on, each with what came of the check", body = UpgradeCheck),
    (status = 404, description = "there is no such workflow or run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "what is registered is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn check(
    State(app): State<App>,
    caller: Caller,
    Body(CheckUpgrade { workflow, version, source, run, cursor, limit }): Body<CheckUpgrade>,
) -> Result<Json<Value>, Problem> {
    let limit = rows(limit)?;
    let after = cursor.as_deref().map(str::parse::<RunId>).transpose();
    let after = after.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
    let to =
        workflows::wanted(&app, &caller, source.as_deref(), workflow.as_deref(), version.as_deref()).await?;
    let (runs, next) = if let Some(run) = run {
        let run = seen(&app, &caller, &run).await?;
        (vec![app.engine.check_upgrade_of(run, &to).await?], None)
    } else {
        let scope = caller.scope();
        let page = app.engine.check_upgrade_in(scope.as_ref(), &to, after, limit).await?;
        (page.runs, page.next)
    };
    Ok(Json(answer(&to, &json!(runs), next)))
}

/// Which runs are moved, and to what.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyUpgrade {
    /// The name of a registered workflow. Either this or `source`.
    workflow: Option<String>,
    /// Its version; the active one, where nothing is said.
    version: Option<String>,
    /// The new version's text, YAML.
    source: Option<String>,
    /// The runs, 100 at most.
    #[schema(min_items = 1, max_items = 100)]
    runs: Vec<String>,
    /// Why.
    reason: Option<String>,
}

/// Moves runs to another version of their workflow. Those that cannot go on with it stay where they are, and the answer
/// says why. Each that is moved is on disk when this is answered.
#[utoipa::path(post, path = "/v1/upgrades/apply", operation_id = "apply_upgrade", tag = "workflows", request_body = ApplyUpgrade, responses(
    (status = 200, description = "what became of each run", body = Upgraded),
    (status = 404, description = "there is no such workflow or run", body = Problem, content_type = "application/problem+json"),
    (status = 500, description = "what is registered is damaged", body = Problem, content_type = "application/problem+json"),
    Refusals,
))]
pub(crate) async fn apply(
    State(app): State<App>,
    caller: Caller,
    Body(ApplyUpgrade { workflow, version, source, runs, reason }): Body<ApplyUpgrade>,
) -> Result<Json<Value>, Problem> {
    if runs.is_empty() || runs.len() > UPGRADE_RUNS_MAX {
        let text = format!(
            "one request moves 1 to upgrade_runs_max ({UPGRADE_RUNS_MAX}) runs, and this one names {}",
            runs.len()
        );
        return Err(Problem::of(Code::BodyDoesNotFit, text));
    }
    // A text that nobody registered would be what other people's runs go by.
    if source.is_some() {
        caller.may(Verb::Register)?;
    }
    let mut ids = Vec::new();
    for run in &runs {
        ids.push(seen(&app, &caller, run).await?);
    }
    let to =
        workflows::wanted(&app, &caller, source.as_deref(), workflow.as_deref(), version.as_deref()).await?;
    let mut items = Vec::new();
    for run in ids {
        let refused = match app.engine.upgrade(run, &to, caller.actor.clone(), reason.clone()).await {
            Ok(()) => None,
            // Nothing was moved, and nothing more will be.
            Err(error @ EngineError::Closed) if items.is_empty() => return Err(error.into()),
            // What was moved before stays so, and is told.
            Err(error) => Some(error.to_string()),
        };
        items.push(json!({ "run": run, "moved": refused.is_none(), "refused": refused }));
    }
    Ok(Json(answer(&to, &items.into(), None)))
}
