//! What the server takes at most. All of it is in `docs/operations.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::Problem;
use crate::app::App;
use crate::links;
use crate::problem::Code;

/// Declares the limits, one row each: what it is, its name, its type, and what holds where nothing is said. Each is
/// set in `pawl.yaml` by a row of its own in `SERVER_LIMITS` of the crate pawl-core, which names its range.
macro_rules! limits {
    ($($(#[$says:meta])* $name:ident: $kind:ty = $usual:expr,)*) => {
        /// What the server takes at most.
        #[derive(Debug, Clone)]
        pub struct ServerLimits {
            $($(#[$says])* pub $name: $kind,)*
        }

        impl Default for ServerLimits {
            fn default() -> Self {
                Self { $($name: $usual,)* }
            }
        }

        impl ServerLimits {
            /// Every limit, by its name.
            pub fn named(&self) -> BTreeMap<&'static str, u64> {
                BTreeMap::from([$((stringify!($name), u64::try_from(self.$name).unwrap_or(u64::MAX)),)*])
            }

            /// These, with those that are set by name. A name that is no limit's sets nothing.
            #[must_use]
            pub fn with(mut self, set: &BTreeMap<&'static str, u32>) -> Self {
                $(if let Some(number) = set.get(stringify!($name)) {
                    self.$name = <$kind>::try_from(*number).unwrap_or(<$kind>::MAX);
                })*
                self
            }
        }
    };
}

limits! {
    /// Connections that are served at once; more wait to be accepted. Fewer where the process may not have so many
    /// files open.
    connections_max: usize = 4_096,
    /// How long the head of a request may take to arrive, in milliseconds, from when it is waited for: a connection
    /// on which nothing is asked ends so too.
    head_max_ms: u64 = 30_000,
    /// The longest head of a request, in bytes; at least 8 KiB.
    head_max_bytes: usize = 64 << 10,
    /// The longest body of a request, in bytes.
    body_max_bytes: usize = 4 << 20,
    /// How long a body may take to arrive, in milliseconds.
    body_max_ms: u64 = 30_000,
    /// How long an answer may take, in milliseconds; streams take as long as they are listened to.
    request_max_ms: u64 = 60_000,
    /// Requests that are answered at once, streams not counted; more are refused.
    requests_at_once_max: usize = 512,
    /// Streams that are open at once; more are refused.
    streams_at_once_max: usize = 2_000,
    /// Changes that a stream may lag behind before it reads the store instead.
    stream_lag_max: usize = 8_192,
    /// How long a connection may take none of what it is sent before it is cut, in milliseconds.
    stall_max_ms: u32 = 30_000,
    /// How long the key of a started run is kept at least, in milliseconds.
    idempotency_kept_ms: u64 = 24 * 3_600_000,
    /// How many runs one request for a listing looks at; it goes on with `next`.
    runs_scanned_max: usize = 20_000,
}

/// The most connections that can be counted.
const CONNECTIONS_CAP: u32 = 1 << 24;

/// Places for what is under way.
#[derive(Debug)]
pub(crate) struct Places {
    /// For connections, of all that there may be.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) connections_max: u32,
    requests: Arc<Semaphore>,
    #[cfg(test)]
    requests_max: usize,
    streams: Arc<Semaphore>,
    streams_max: usize,
}

impl Places {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        let streams_max = limits.streams_at_once_max.min(Semaphore::MAX_PERMITS);
        let requests_max = limits.requests_at_once_max.min(Semaphore::MAX_PERMITS);
        let connections_max = connections_max(limits.connections_max, files_max());
        Self {
            connections: Arc::new(Semaphore::new(connections_max as usize)),
            connections_max,
            requests: Arc::new(Semaphore::new(requests_max)),
            #[cfg(test)]
            requests_max,
            streams: Arc::new(Semaphore::new(streams_max)),
            streams_max,
        }
    }

    /// A place for a stream, which keeps it as long as it is open.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Problem::busy(format!(
                "streams_at_once_max ({}) streams are open; close one, or come back later",
                self.streams_max
            ))
        })
    }

    /// How many connections there are; one that is waited for is none yet.
    #[cfg(test)]
    pub(crate) fn connections_open(&self) -> usize {
        // Whoever accepts has a place for the next one.
        (self.connections_max as usize - 1).saturating_sub(self.connections.available_permits())
    }

    /// How many requests are being answered.
    #[cfg(test)]
    pub(crate) fn requests_under_way(&self) -> usize {
        self.requests_max - self.requests.available_permits()
    }

    /// How many streams are open.
    pub(crate) fn streams_open(&self) -> usize {
        self.streams_max - self.streams.available_permits()
    }
}

/// How many connections there may be where the process may have so many files open: a quarter of those is left for all
/// else.
fn connections_max(wanted: usize, files: Option<u64>) -> u32 {
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, CONNECTIONS_CAP);
    let most = files.map_or(u64::from(wanted), |files| (files - files / 4).max(1));
    let max = u32::try_from(most).unwrap_or(u32::MAX).min(wanted);
    if max < wanted {
        tracing::warn!(
            "connections_max is {max}, and not {wanted}: the process may have no more files open (ulimit -n)"
        );
    }
    max
}

/// How many files the process may have open; nothing where there is no bound.
#[cfg(unix)]
fn files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
const fn files_max() -> Option<u64> {
    None
}

/// The paths, as they are documented, that give a stream where they are got.
const STREAMS: [&str; 3] = ["/v1/events", "/v1/approvals/events", "/v1/runs/{run}/events"];

/// What is asked counts as this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A stream, which has places of its own and goes on as long as it is listened to.
    Stream,
    /// One of the requests that are answered at once.
    Counted,
    /// Pages and what tells how the server is: those who look after it hear of that however busy it is.
    Free,
}

/// What a request counts as, by its method and the path that it matched. What a path looks like says nothing: a signal
/// or a topic may be called `events`.
fn kind(method: &Method, documented: Option<&str>, path: &str) -> Kind {
    if method == Method::GET && documented.is_some_and(|documented| STREAMS.contains(&documented)) {
        Kind::Stream
    } else if path.starts_with("/v1/") || links::is_link(path) {
        Kind::Counted
    } else {
        Kind::Free
    }
}

/// Bounds what is under way at once, and how long it takes. What is refused here has changed nothing.
pub(crate) async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    let documented = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let path = request.uri().path();
    let (kind, is_link) = (kind(request.method(), documented, path), links::is_link(path));
    let told =
        |problem: Problem| if is_link { links::says_why_not(problem) } else { problem.into_response() };
    let place = (kind == Kind::Counted).then(|| Arc::clone(&app.places.requests).try_acquire_owned());
    let Ok(_place) = place.transpose() else {
        let max = app.limits.requests_at_once_max;
        let detail = format!("requests_at_once_max ({max}) requests are under way; ask again later");
        return told(Problem::busy(detail));
    };
    if kind == Kind::Counted && *request.method() != Method::GET && !app.engine.has_room() {
        return told(Problem::busy("the engine's queue of commands is full; ask again later"));
    }
    // Of a stream it is the head that is waited for: what follows is told as it happens.
    let most = Duration::from_millis(app.limits.request_max_ms);
    timeout(most, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!(
            "there was no answer within request_max_ms ({}); it may be carried out all the same: look before you ask again",
            app.limits.request_max_ms
        );
        told(Problem::of(Code::TimedOut, detail))
    })
}

#[cfg(test)]
mod tests {
    use pawl_core::language::operator::SERVER_LIMITS;
    use pawl_core::language::{Need, Shape};

    use super::*;

    #[test]
    fn what_is_called_events_is_no_stream_for_that() {
        let run = "/v1/runs/{run}/events";
        let cases = [
            (Method::GET, "/v1/events", Kind::Stream),
            (Method::GET, "/v1/approvals/events", Kind::Stream),
            (Method::GET, run, Kind::Stream),
            (Method::HEAD, run, Kind::Counted),
            (Method::POST, run, Kind::Counted),
            (Method::POST, "/v1/runs/{run}/signals/{signal}", Kind::Counted),
            (Method::POST, "/v1/topics/{topic}/{*rest}", Kind::Counted),
            (Method::GET, "/a/{link}", Kind::Counted),
            (Method::POST, "/a/{link}", Kind::Counted),
            (Method::GET, "/healthz", Kind::Free),
        ];
        for (method, documented, expected) in cases {
            let path = documented.replace(['{', '}'], "");
            assert_eq!(kind(&method, Some(documented), &path), expected, "{method} {documented}");
        }
        assert_eq!(kind(&Method::GET, None, "/v1/nothing/events"), Kind::Counted);
    }

    #[test]
    fn connections_leave_files_for_all_else() {
        for (wanted, files, max) in
            [(4_096, None, 4_096), (4_096, Some(1_024), 768), (100, Some(1_024), 100), (0, Some(0), 1)]
        {
            assert_eq!(connections_max(wanted, files), max, "{wanted} of {files:?}");
        }
    }

    /// The document says which paths give a stream, and those are all of them.
    #[test]
    fn every_stream_has_places_of_its_own() {
        let document = serde_json::to_value(crate::openapi()).unwrap();
        let is_stream = |path: &serde_json::Value| {
            !path["get"]["responses"]["200"]["content"]["text/event-stream"].is_null()
        };
        let paths = document["paths"].as_object().unwrap();
        let mut streams: Vec<&str> =
            paths.iter().filter(|(_, path)| is_stream(path)).map(|(path, _)| path.as_str()).collect();
        let mut known = STREAMS;
        streams.sort_unstable();
        known.sort_unstable();
        assert_eq!(streams, known);
    }

    #[test]
    fn every_limit_has_a_row_in_pawl_yaml_with_its_default_and_is_set_by_it() {
        let usual = ServerLimits::default();
        let rows: Vec<&str> = SERVER_LIMITS.keys().map(|key| key.name).collect();
        let mut named: Vec<&str> = usual.named().into_keys().collect();
        assert_eq!(named.len(), rows.len(), "{named:?} and {rows:?}");
        named.retain(|name| !rows.contains(name));
        assert!(named.is_empty(), "SERVER_LIMITS has no row for {named:?}");
        for key in SERVER_LIMITS.keys() {
            let (Shape::Whole(from, to), Need::Otherwise(words)) = (key.shape, key.need) else {
                panic!("{} is a whole number with a default in words", key.name)
            };
            let before = usual.named()[key.name];
            assert_eq!(words.trim_matches('`'), before.to_string(), "{}", key.name);
            assert!(before >= u64::from(from) && before <= u64::from(to), "{}", key.name);
            let after = usual.clone().with(&BTreeMap::from([(key.name, to)])).named();
            for (name, number) in after {
                let expected = if name == key.name { u64::from(to) } else { usual.named()[name] };
                assert_eq!(number, expected, "{name} after {} was set", key.name);
            }
        }
    }
}
