//! What waits for people, as it changes.

use std::collections::VecDeque;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures_util::stream::{self, StreamExt as _};
use pawl_core::ApprovalId;
use pawl_store::Change;
use serde::Deserialize;
use serde_json::json;

use super::changes::{Heard, Listener};
use super::{Events, begin, events, follows, reset};
use crate::api::{Query, Rejections};
use crate::app::App;
use crate::caller::Caller;
use crate::documents::StreamEvent;
use crate::{Problem, shape};

/// Where a reader stopped: at a change, or within one that told of several approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    position: u64,
    /// How many of the change's approvals it has heard of; all, where nothing is said.
    within: Option<usize>,
}

impl Seen {
    fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(id) = headers.get("last-event-id") else { return Ok(None) };
        let seen = id.to_str().ok().and_then(|id| {
            let (position, within) = match id.split_once('.') {
                Some((position, within)) => (position, Some(within.parse().ok()?)),
                None => (id, None),
            };
            Some(Self { position: position.parse().ok()?, within })
        });
        let wrong = || Problem::bad_request("Last-Event-ID is not the id of an event of this stream");
        seen.map(Some).ok_or_else(wrong)
    }

    /// Behind which change it goes on.
    fn after(self) -> u64 {
        self.position.saturating_sub(u64::from(self.within.is_some()))
    }
}

/// How the inbox is followed.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct InboxQuery {
    /// `false`: what is remembered, and no waiting for more.
    #[param(pattern = "^(true|false|1|0|)$")]
    follow: Option<String>,
}

/// What waits for people, as it changes: `opened` with the approval, which takes the place of what was known of it
/// before, and `closed` with its id. A client that comes back goes on where it stopped; one that comes back too late
/// hears `reset` first, one that reads too slowly hears it in between, and both must list the approvals anew. To miss nothing, listen first and list then.
#[utoipa::path(get, path = "/v1/approvals/events", operation_id = "follow_approvals", tag = "streams", params(
    InboxQuery,
    ("Last-Event-ID" = Option<String>, Header, description = "the id of the event that was seen last", pattern = "^[0-9]{1,18}(\\.[0-9]{1,6})?$"),
), responses(
    (status = 200, description = "events named `begin`, `opened`, `closed` and `reset`", content_type = "text/event-stream", body = StreamEvent),
    Rejections,
))]
pub(crate) async fn inbox(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<InboxQuery>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let seen = Seen::read(&headers)?;
    let follows = follows(query.follow.as_deref())?;
    let place = app.places.stream()?;
    let (listener, reset) = app.changes.listen(&app.engine, caller, seen.map(Seen::after)).await?;
    let listener = listener.following(follows);
    let first = begin(seen.is_some(), reset, listener.position());
    let within = seen.filter(|_| !reset).and_then(|seen| Some((seen.position, seen.within?)));
    let reader = Reader { app: app.clone(), listener, within, ready: VecDeque::new() };
    let told = stream::unfold(reader, async |mut reader| {
        let next = reader.next().await?;
        Some((next, reader))
    });
    Ok(events(&app, place, stream::iter(first).chain(told)))
}

/// One who listens.
struct Reader {
    app: App,
    listener: Listener,
    /// The change in the midst of which it stopped, and how many of its approvals it has heard of.
    within: Option<(u64, usize)>,
    ready: VecDeque<Told>,
}

/// What is to be told of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    id: String,
    approval: ApprovalId,
    opened: bool,
}

/// What a change tells, behind the first `heard`. Only the last one has the change's own place for an id: whoever
/// stops before it comes back into the midst of it.
fn told(change: &Change, heard: usize) -> VecDeque<Told> {
    let opened = change.what.opened.iter().map(|id| (id, true));
    let closed = change.what.closed.iter().map(|id| (id, false));
    let count = change.what.opened.len() + change.what.closed.len();
    let all = opened.chain(closed).enumerate().map(|(at, (approval, opened))| {
        let heard = at + 1;
        let id =
            if heard == count { change.position.to_string() } else { format!("{}.{heard}", change.position) };
        Told { id, approval: approval.clone(), opened }
    });
    all.skip(heard).collect()
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let Some(told) = self.ready.pop_front() else {
                let change = match self.listener.next().await? {
                    Heard::Change(change) => change,
                    Heard::Lost(position) => return Some(reset(position)),
                };
                let within = self.within.take().filter(|(position, _)| *position == change.position);
                self.ready = self::told(&change, within.map_or(0, |(_, heard)| heard));
                continue;
            };
            if !told.opened {
                let data = json!({ "id": told.approval }).to_string();
                return Some(Event::default().event("closed").id(told.id).data(data));
            }
            // One that was closed since is told of as such, in its turn.
            if let Some(open) = self.app.engine.store().approval(&told.approval).await.ok()? {
                let data = shape::approval(&open).to_string();
                return Some(Event::default().event("opened").id(told.id).data(data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::RunId;
    use pawl_store::Changed;

    #[test]
    fn wherever_a_reader_stops_it_hears_each_approval_once() {
        let id = |bits: u128| ApprovalId::from_bits(bits);
        let what = Changed { opened: vec![id(1), id(2)], closed: vec![id(3)], ..Changed::default() };
        let change = Change { position: 7, run: RunId::from_bytes([1; 16]), what };
        let all = told(&change, 0);
        assert_eq!(all.iter().map(|told| told.id.as_str()).collect::<Vec<_>>(), ["7.1", "7.2", "7"]);
        for (at, stopped) in all.iter().enumerate() {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", stopped.id.parse().unwrap());
            let seen = Seen::read(&headers).unwrap().unwrap();
            let rest: Vec<_> = if let Some(heard) = seen.within {
                assert_eq!(seen.after(), 6);
                told(&change, heard).into()
            } else {
                assert_eq!(seen.after(), 7);
                Vec::new()
            };
            assert_eq!(rest, all.iter().skip(at + 1).cloned().collect::<Vec<_>>());
        }
    }
}
