//! A run's journal as it grows.

use std::collections::VecDeque;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures_util::stream;
use pawl_core::RunId;
use pawl_core::journal::Envelope;
use pawl_core::view::RunHeader;
use pawl_engine::{Follower, News};
use serde::Deserialize;
use serde_json::json;

use super::hub::Waiter;
use super::{Events, event, events, last_seen};
use crate::api::{Path, Query, Rejections, runs};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::StreamEvent;
use crate::{Problem, shape};

/// How a run is followed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowQuery {
    /// `false`: what is there, and no waiting. Else until the run has ended.
    #[param(pattern = "^(true|false|1|0|)$")]
    follow: Option<String>,
    /// `true`: tells what plugins say of their progress as well, right now.
    #[param(pattern = "^(true|false|1|0|)$")]
    progress: Option<String>,
    /// `true`: tells what models say to agents as well, piece by piece, right now.
    #[param(pattern = "^(true|false|1|0|)$")]
    tokens: Option<String>,
    /// The seq behind which it begins, for clients that cannot send `Last-Event-ID`.
    after: Option<u64>,
}

/// A run's journal as it grows: events named `event`, whose `id` is the event's seq, so that a client that comes back
/// goes on behind it. The last one is named `end`: the run has ended, or was removed, or nothing is followed. Those named
/// `progress` and `said` are in no journal and have no `id`: who is not there when they are told misses them.
#[utoipa::path(get, path = "/v1/runs/{run}/events", operation_id = "follow_run", tag = "streams", params(
    ("run" = String, Path, description = "its id", format = "uuid"), FollowQuery,
    ("Last-Event-ID" = Option<String>, Header, description = "the seq of the event that was seen last", pattern = "^[0-9]{1,18}$"),
), responses(
    (status = 200, description = "events named `event`, where asked for `progress` and `said`, then one named `end`", content_type = "text/event-stream", body = StreamEvent),
    (status = 404, description = "there is no such run", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn run(
    State(app): State<App>,
    caller: Caller,
    Path(run): Path<String>,
    Query(how): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let follows = super::follows(how.follow.as_deref())?;
    let has_progress = super::flag("progress", how.progress.as_deref())?.unwrap_or_default();
    let has_tokens = super::flag("tokens", how.tokens.as_deref())?.unwrap_or_default();
    let run = runs::find(&app, &caller, &run).await?.id;
    let told = last_seen(&headers, how.after)?.unwrap_or(0);
    let place = app.places.stream()?;
    let from = told.saturating_add(1);
    let follower = if has_tokens { app.engine.follow_aloud(run, from) } else { app.engine.follow(run, from) };
    let reader = Reader {
        waiter: app.hub.wait_on(run),
        follower,
        app: app.clone(),
        run,
        told,
        ready: VecDeque::new(),
        follows,
        hears: match (follows, has_progress, has_tokens) {
            (true, true, _) => Hears::All,
            (true, false, true) => Hears::Models,
            _ => Hears::Nothing,
        },
        ended: false,
    };
    let stream = stream::unfold(reader, async |mut reader| {
        let next = reader.next().await?;
        Some((next, reader))
    });
    Ok(events(&app, place, stream))
}

/// One who follows a run.
struct Reader {
    app: App,
    run: RunId,
    follower: Follower,
    waiter: Waiter,
    /// What was read and not told yet: at most what the store reads of a journal at once.
    ready: VecDeque<Envelope>,
    /// The seq of what was told last.
    told: u64,
    follows: bool,
    hears: Hears,
    ended: bool,
}

/// What is told beside the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hears {
    Nothing,
    Models,
    /// What plugins say of their progress, and what models say where the follower hears it.
    All,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.hears != Hears::Nothing
                && let Some(news) = self.follower.heard(self.ready.front())
            {
                match self.live(news) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            if let Some(envelope) = self.ready.pop_front() {
                self.told = envelope.seq;
                return Some(event("event", envelope.seq, &shape::event(&envelope)));
            }
            if self.ended {
                return None;
            }
            // Before it is read, so that nothing falls between.
            self.waiter.look();
            self.ready = self.follower.available().await.ok()?.into();
            if !self.ready.is_empty() {
                continue;
            }
            let header = self.app.engine.store().run(self.run).await.ok()?;
            if header.as_ref().is_some_and(|header| is_over(header) && header.head.seq > self.told) {
                continue;
            }
            if !self.follows || header.as_ref().is_none_or(is_over) {
                self.ended = true;
                let status = header.map(|header| header.status);
                return Some(Event::default().event("end").data(json!({ "status": status }).to_string()));
            }
            let grew = tokio::select! {
                news = self.follower.hears(), if self.hears != Hears::Nothing => match self.live(news) {
                    Some(event) => return Some(event),
                    None => continue,
                },
                grew = self.waiter.wait() => grew,
            };
            if !grew {
                return None;
            }
        }
    }

    /// What is in no journal, where it was asked for.
    fn live(&self, news: News) -> Option<Event> {
        let (name, data) = match news {
            News::Progress(note) if self.hears == Hears::All => ("progress", json!(note)),
            News::Said(said) => ("said", json!(said)),
            News::Progress(_) | News::Event(_) => return None,
        };
        Some(Event::default().event(name).data(data.to_string()))
    }
}

fn is_over(header: &RunHeader) -> bool {
    header.status.is_final()
}
