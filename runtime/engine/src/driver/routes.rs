//! Visits that need a plugin, and those that wait until there is one.
//!
//! A run that only waits for a plugin is not in memory; what it looks for is. The plugin folder is looked at
//! from time to time, and only while something waits. Files change in the time of the machine, so that is the
//! time that counts there; a plugin that was left out for a while comes back in the engine's own time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pawl_core::{Command, RouteOutcome, RunId, Timestamp, VisitId};
use pawl_store::Blob;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::active::{ActiveRun, Live};
use super::context::OnPanic;
use super::message::{AttemptKey, Message, Queued};
use super::{Context, Driver, Resident};
use crate::routes::{Request, route};

/// How often the plugin folder is looked at while something waits, in milliseconds.
pub(crate) const ROUTE_POLL_MS: u64 = 2_000;
/// The number under which the search for a plugin is among the attempts of a visit; theirs begin with 1.
pub(super) const SEARCH: u32 = 0;

/// What was found for one visit.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) run: RunId,
    pub(crate) visit: VisitId,
    pub(crate) outcome: RouteOutcome,
    /// The components that are to be stored with it.
    pub(crate) blobs: Vec<Blob>,
}

/// The visits that wait for a plugin.
#[derive(Debug, Default)]
pub(super) struct Seekers {
    waiting: HashMap<RunId, Vec<Request>>,
    /// When the folder is looked at.
    poll: Option<Instant>,
    /// When a plugin that is left out may be chosen again.
    wake: Option<Timestamp>,
    looking: bool,
}

impl Seekers {
    /// What a run waits for now.
    fn set(&mut self, run: RunId, requests: Vec<Request>) {
        if requests.is_empty() {
            self.waiting.remove(&run);
            return;
        }
        let is_new = self.waiting.insert(run, requests).is_none();
        if is_new {
            self.poll = Some(Instant::now());
        }
    }

    /// When it is to be looked, by the machine's time and by the engine's.
    pub(super) fn next(&self) -> Option<(Instant, Option<Timestamp>)> {
        let may_look = !self.looking && !self.waiting.is_empty();
        self.poll.filter(|_| may_look).map(|poll| (poll, self.wake))
    }
}

impl Driver {
    /// Looks for everything that is waited for.
    pub(super) fn look_for_plugins(&mut self) {
        self.seekers.looking = true;
        self.seekers.wake = None;
        let requests: Vec<Request> = self.seekers.waiting.values().flatten().cloned().collect();
        let context = Arc::clone(&self.context);
        let panicked =
            OnPanic::new(&context.mailbox, || Message::PluginsLooked { found: Vec::new(), wake: None });
        tokio::spawn(async move {
            let (mut found, mut wake): (Vec<_>, Option<Timestamp>) = (Vec::new(), None);
            for request in requests {
                match route(&context, &request).instrument(around(&request)).await {
                    Ok((outcome @ RouteOutcome::Found(_), blobs, _)) => {
                        let (run, visit) = (request.run, request.visit);
                        found.push(Routed { run, visit, outcome, blobs });
                    }
                    Ok((RouteOutcome::None { .. }, _, next)) => wake = wake.into_iter().chain(next).min(),
                    Err(error) => {
                        let Request { run, visit, .. } = &request;
                        tracing::warn!(%run, %visit, "a plugin cannot be looked for: {error}");
                    }
                }
            }
            context.mailbox.send(Message::PluginsLooked { found, wake });
            drop(panicked);
        });
    }

    /// Gives those a plugin for whom there is one.
    pub(super) fn plugins_looked(&mut self, found: Vec<Routed>, wake: Option<Timestamp>) {
        self.seekers.looking = false;
        self.seekers.wake = wake;
        self.seekers.poll = Some(Instant::now() + Duration::from_millis(ROUTE_POLL_MS));
        for routed in found {
            // A run that still waits says so when it has taken this in.
            self.seekers.waiting.remove(&routed.run);
            self.enqueue(routed.run, choose(routed));
        }
    }

    /// A search for a visit that does not wait yet came to its end.
    pub(super) fn search_ended(&mut self, key: AttemptKey, routed: Routed) {
        let Some(Resident::Active(active)) = self.residents.get_mut(&key.run) else { return };
        let under_way = active.live.get(&(key.visit, SEARCH));
        if under_way.is_none_or(|live| live.instance != key.instance) {
            return;
        }
        active.live.remove(&(key.visit, SEARCH));
        active.queue.push_back(choose(routed));
        self.advance(key.run);
    }

    /// What a run waits for, of which all is known now.
    pub(super) fn mind_seekers(&mut self, run: RunId, requests: Vec<Request>) {
        self.seekers.set(run, requests);
    }
}

fn choose(routed: Routed) -> Queued {
    let Routed { visit, outcome, blobs, .. } = routed;
    Queued { blobs, ..Queued::new(Command::ChooseRoute { visit, outcome }) }
}

/// Begins to look for a plugin.
pub(super) fn search(context: &Arc<Context>, key: AttemptKey, request: Request) -> Live {
    let context = Arc::clone(context);
    let panicked = OnPanic::new(&context.mailbox, move || {
        let reason =
            "the search for a plugin was ended by a panic, which is a fault of pawl; please report it";
        let outcome =
            RouteOutcome::None { reason: reason.to_owned(), candidates: Vec::new(), passing: false };
        Message::SearchEnded {
            key,
            routed: Routed { run: key.run, visit: key.visit, outcome, blobs: Vec::new() },
        }
    });
    let handle = tokio::spawn(async move {
        let (run, visit) = (request.run, request.visit);
        let (outcome, blobs) = match route(&context, &request).instrument(around(&request)).await {
            Ok((outcome, blobs, _)) => (outcome, blobs),
            Err(error) => {
                let reason = format!("there is no telling which plugins there are: {error}");
                (RouteOutcome::None { reason, candidates: Vec::new(), passing: true }, Vec::new())
            }
        };
        let routed = Routed { run, visit, outcome, blobs };
        context.mailbox.send(Message::SearchEnded { key, routed });
        drop(panicked);
    });
    Live { instance: key.instance, handle: handle.abort_handle(), draining: false }
}

impl ActiveRun {
    /// What is looked for, with what the run and its step say of it.
    pub(super) fn request(
        &self,
        visit: VisitId,
        query: Arc<pawl_core::route::RouteQuery>,
        failed: std::collections::BTreeSet<String>,
    ) -> Option<Request> {
        let step = self.definition.step(self.definition.index_of(&self.state.visit(visit)?.step)?)?;
        let among = super::dispatch::declared(step);
        let policy = self.state.policy();
        let grants = self.state.granted(&among);
        Some(Request {
            run: self.state.id(),
            visit,
            query,
            failed,
            pins: Arc::clone(self.state.plugins()),
            among,
            grants,
            ceiling: policy.grants.clone(),
        })
    }
}

/// Whatever is logged of a search says for which step of which run it is.
fn around(request: &Request) -> tracing::Span {
    let Request { run, visit, .. } = request;
    tracing::error_span!("search", %run, %visit)
}
