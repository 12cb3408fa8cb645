//! Listing runs.

use axum::Json;
use axum::extract::State;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{RunId, Timestamp};
use pawl_store::{Page, RunFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{PAGE_MAX_ROWS, Query, Rejections, rows};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::RunPage;
use crate::{Problem, shape};

/// Which runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunsQuery {
    /// With one of these statuses, separated by commas: pending, running, waiting, suspended, completed, failed,
    /// cancelled.
    #[param(
        pattern = "^(pending|running|waiting|suspended|completed|failed|cancelled)(,(pending|running|waiting|suspended|completed|failed|cancelled))*$"
    )]
    status: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
    /// That have this text in their id, their workflow's name, their failure or what they wait for; capitals and
    /// small letters are the same.
    q: Option<String>,
    /// Started at this instant or later, RFC 3339.
    #[param(format = "date-time")]
    since: Option<String>,
    /// Started before this instant, RFC 3339.
    #[param(format = "date-time")]
    until: Option<String>,
    /// Started by a step of this run.
    #[param(format = "uuid")]
    parent: Option<String>,
    /// `next` of the page before.
    #[param(format = "uuid")]
    cursor: Option<String>,
    /// How many rows, at most 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// What the query says, read.
struct Wanted {
    filter: RunFilter,
    text: Option<String>,
    since: Timestamp,
    until: Timestamp,
    parent: Option<RunId>,
    after: Option<RunId>,
    rows: usize,
}

fn statuses(names: &str) -> Result<Vec<Status>, Problem> {
    let status = |name: &str| {
        Status::OF_RUNS.into_iter().find(|status| status.name() == name).ok_or_else(|| {
            let all = Status::OF_RUNS.map(Status::name).join(", ");
            Problem::bad_request(format!("'{name}' is no status of a run; there are {all}"))
        })
    };
    names.split(',').map(status).collect()
}

impl RunsQuery {
    fn read(self) -> Result<Wanted, Problem> {
        let instant = |name: &str, text: Option<&str>| {
            let read = text.map(Timestamp::parse).transpose();
            read.map_err(|error| Problem::bad_request(format!("{name}: {error}")))
        };
        let id = |name: &str, text: Option<&str>| {
            let read = text.map(str::parse::<RunId>).transpose();
            read.map_err(|error| Problem::bad_request(format!("{name}: {error}")))
        };
        Ok(Wanted {
            rows: rows(self.limit)?,
            since: instant("since", self.since.as_deref())?.unwrap_or(Timestamp(0)),
            until: instant("until", self.until.as_deref())?.unwrap_or(Timestamp(u64::MAX)),
            parent: id("parent", self.parent.as_deref())?,
            after: id("cursor", self.cursor.as_deref())?,
            filter: RunFilter {
                statuses: self.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
                workflow: self.workflow,
                ..RunFilter::default()
            },
            text: self.q.map(|text| text.to_lowercase()),
        })
    }
}

impl Wanted {
    fn matches(&self, header: &RunHeader) -> bool {
        (self.since..self.until).contains(&header.created_at)
            && self.parent.is_none_or(|parent| header.parent == Some(parent))
            && self.text.as_ref().is_none_or(|text| has(header, text))
    }
}

fn has(header: &RunHeader, text: &str) -> bool {
    let shown = json!([header.id, header.workflow, header.error, header.waiting]);
    shown.to_string().to_lowercase().contains(text)
}

/// Runs, newest first.
#[utoipa::path(get, path = "/v1/runs", operation_id = "list_runs", tag = "runs", params(RunsQuery), responses(
    (status = 200, description = "a page of runs", body = RunPage),
    Rejections,
))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<RunsQuery>,
) -> Result<Json<Value>, Problem> {
    let mut wanted = which.read()?;
    wanted.filter = caller.runs(wanted.filter);
    let mut page = Page { after: wanted.after, limit: PAGE_MAX_ROWS };
    let (mut items, mut scanned) = (Vec::new(), 0);
    let is_narrow = wanted.text.is_some() || wanted.parent.is_some() || wanted.until.0 < u64::MAX;
    if !is_narrow {
        page.limit = wanted.rows;
    }
    let next = 'pages: loop {
        let found = app.engine.store().runs(&wanted.filter, &page).await?;
        for header in &found.runs {
            scanned += 1;
            // Ids sort by time, so all that follow are older still.
            if header.created_at < wanted.since {
                break 'pages None;
            }
            if wanted.matches(header) {
                items.push(shape::run(header));
            }
            if items.len() == wanted.rows || scanned >= app.limits.runs_scanned_max {
                let is_last =
                    found.next.is_none() && found.runs.last().map(|last| last.id) == Some(header.id);
                break 'pages (!is_last).then_some(header.id);
            }
        }
        match found.next {
            Some(after) => page.after = Some(after),
            None => break None,
        }
    };
    Ok(Json(json!({ "items": items, "next": next })))
}
