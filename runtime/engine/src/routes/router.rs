//! Looks for a plugin that does what a visit asks for, and pins it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pawl_core::event::Candidate;
use pawl_core::plugin::{Ceiling, Description, Permissions, PluginKind, PluginPin, PluginPins};
use pawl_core::route::{ROUTE_CANDIDATES_MAX, RouteQuery};
use pawl_core::{RouteFound, RouteOutcome, RunId, Timestamp, VisitId};
use pawl_store::Blob;
use tokio::sync::Mutex;

use super::circuit::Circuit;
use super::health::{Health, Observation};
use super::history::recent;
use super::rank::{rank, reason};
use super::registry::{RoutedPlugin, described_as, forget, registered};
use crate::EngineError;
use crate::driver::Context;
use crate::plugins::{PluginEntry, acceptance};

/// A visit that needs a plugin.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) run: RunId,
    pub(crate) visit: VisitId,
    pub(crate) query: Arc<RouteQuery>,
    /// Those that have failed in it.
    pub(crate) failed: BTreeSet<String>,
    /// What the run is pinned to.
    pub(crate) pins: Arc<PluginPins>,
    /// What the step says of itself: it is done by one of those that it lists, or by any if it lists none.
    pub(crate) among: Permissions,
    /// What the step has of that, where it runs.
    pub(crate) grants: Permissions,
    /// The most that the operator lets steps do.
    pub(crate) ceiling: Ceiling,
}

/// What is known of how plugins did, once it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// Nothing until the journals of recent runs were read.
    health: Mutex<Option<Health>>,
    /// What was seen since, in this process, and is not taken in yet.
    news: std::sync::Mutex<Vec<Observation>>,
}

/// What is seen before anybody asks for it is in the journals; so much is kept of it while they are read.
const NEWS_MAX: usize = 10_000;

impl Routes {
    /// An attempt ended. Never waits.
    pub(crate) fn observe(&self, seen: Observation) {
        let mut news = self.news.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if news.len() >= NEWS_MAX {
            news.clear();
        }
        news.push(seen);
    }

    async fn ask<T>(&self, context: &Context, ask: impl FnOnce(&mut Health, Timestamp) -> T) -> T {
        let mut known = self.health.lock().await;
        let now = context.config.clock.now();
        if known.is_none() {
            let mut health = Health::default();
            if let Err(error) = recent(context.store.as_ref(), now, &mut health).await {
                tracing::warn!("how plugins did of late is not known, all of them count as well: {error}");
            }
            *known = Some(health);
        }
        let health = known.get_or_insert_default();
        let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for seen in news {
            health.observe(seen);
        }
        ask(health, now)
    }
}

/// How much of an error is told of a plugin that cannot be loaded, in characters.
const LEFT_OUT_MAX_CHARS: usize = 300;

/// A plugin that was looked at.
struct Looked {
    candidate: Candidate,
    plugin: Option<RoutedPlugin>,
    circuit: Circuit,
    is_near: bool,
}

/// Looks for a plugin. Beside what was found: what is to be stored with it, and when one that is left out may be
/// chosen again.
pub(crate) async fn route(
    context: &Context,
    request: &Request,
) -> Result<(RouteOutcome, Vec<Blob>, Option<Timestamp>), EngineError> {
    let (mut good, mut left_out) = look(context, request).await?;
    while let Some(mut best) = (!good.is_empty()).then(|| good.remove(0)) {
        let name = best.candidate.name.clone();
        let Some(plugin) = &best.plugin else { continue };
        let Some((pin, blob)) = pinned(context, request, &name, plugin).await? else { continue };
        if let Some(why) = acceptance::check_one(context, &name, &pin).await? {
            best.candidate.left_out = Some(why);
            left_out.push(best);
            continue;
        }
        if best.circuit == Circuit::HalfOpen {
            let key = (name.clone(), pin.component);
            context.routes.ask(context, |health, now| health.tries(key, now)).await;
        }
        let tool = best.candidate.tool.clone();
        let mut all: Vec<Candidate> =
            std::iter::once(best).chain(good).map(|looked| looked.candidate).collect();
        let reason = reason(&all, &request.query.prefer);
        all.extend(left_out.into_iter().map(|looked| looked.candidate));
        let more = u32::try_from(all.len().saturating_sub(ROUTE_CANDIDATES_MAX)).unwrap_or(u32::MAX);
        all.truncate(ROUTE_CANDIDATES_MAX);
        let found = RouteFound { chosen: name, tool, pin, candidates: all, more, reason };
        return Ok((RouteOutcome::Found(Box::new(found)), blob, None));
    }
    Ok(none(context, request, left_out).await)
}

/// Those that can be chosen, the best first, and those that almost can.
async fn look(context: &Context, request: &Request) -> Result<(Vec<Looked>, Vec<Looked>), EngineError> {
    let all = registered(context, Some((request.run, &*request.pins)), request.query.kind).await?;
    let looked = context.routes.ask(context, |health, now| {
        let one = |(name, plugin)| judge(health, now, request, name, plugin);
        all.into_iter().map(one).collect::<Vec<Looked>>()
    });
    let (good, left_out): (Vec<_>, Vec<_>) = looked
        .await
        .into_iter()
        .filter(|looked| looked.is_near)
        .partition(|looked| looked.candidate.left_out.is_none());
    Ok((ranked(good, request), left_out))
}

fn ranked(mut good: Vec<Looked>, request: &Request) -> Vec<Looked> {
    let mut order: Vec<Candidate> = good.iter().map(|looked| looked.candidate.clone()).collect();
    rank(&mut order, &request.query.prefer);
    let place = |looked: &Looked| order.iter().position(|candidate| *candidate == looked.candidate);
    good.sort_by_key(place);
    good
}

/// Looks at one plugin.
fn judge(
    health: &Health,
    now: Timestamp,
    request: &Request,
    name: String,
    plugin: Result<RoutedPlugin, String>,
) -> Looked {
    let blank = |name: String, why: String| Candidate {
        name,
        tool: None,
        priority: 0,
        cost: None,
        latency_ms: None,
        health_permille: 0,
        left_out: Some(why),
    };
    let plugin = match plugin {
        Ok(plugin) => plugin,
        Err(why) => {
            let why: String = why.chars().take(LEFT_OUT_MAX_CHARS).collect();
            let candidate = blank(name, format!("it cannot be loaded: {why}"));
            return Looked { candidate, plugin: None, circuit: Circuit::Closed, is_near: true };
        }
    };
    let condition = health.condition(&(name.clone(), plugin.digest), now);
    let (tool, miss, is_near) = match plugin.offer.answers(&request.query) {
        Ok(tool) => (tool.map(str::to_owned), None, true),
        Err(miss) => (None, Some(miss.why), miss.is_near),
    };
    let left_out = miss.or_else(|| not_now(request, &name, tool.as_deref(), &plugin, condition.circuit));
    let candidate = Candidate {
        priority: plugin.offer.priority,
        cost: plugin.offer.cost,
        latency_ms: condition.latency_ms,
        health_permille: condition.health_permille,
        left_out,
        tool,
        ..blank(name, String::new())
    };
    Looked { candidate, plugin: Some(plugin), circuit: condition.circuit, is_near }
}

/// Why one that does what is asked for is not chosen.
fn not_now(
    request: &Request,
    name: &str,
    tool: Option<&str>,
    plugin: &RoutedPlugin,
    circuit: Circuit,
) -> Option<String> {
    if request.failed.contains(name) {
        return Some("it has failed in this visit".to_owned());
    }
    if let Some(why) = not_allowed(request, name, tool) {
        return Some(why);
    }
    let missing = plugin.missing(&request.grants);
    if !missing.is_empty() {
        return Some(format!("it imports what the step does not grant: {}", missing.join(", ")));
    }
    match circuit {
        Circuit::Open(until) => Some(format!("it has failed again and again, and is left out until {until}")),
        Circuit::Closed | Circuit::HalfOpen => None,
    }
}

/// Why a step may not be done by one, whatever that one is like.
fn not_allowed(request: &Request, name: &str, tool: Option<&str>) -> Option<String> {
    let (among, ceiling) = (&request.among, &request.ceiling);
    let (list, what, is_listed, is_let) = match (request.query.kind, tool) {
        (PluginKind::Agent, _) => {
            let is_listed = among.agents.is_empty() || among.agents.contains(name);
            ("agents", name.to_owned(), is_listed, ceiling.lets_agent(name))
        }
        (PluginKind::Tool, Some(tool)) => {
            let full = format!("{name}.{tool}");
            let is_listed = among.tools.is_empty() || among.allows_tool(&full);
            let is_let = ceiling.lets_tool(&full);
            ("tools", full, is_listed, is_let)
        }
        (PluginKind::Tool, None) => ("tools", name.to_owned(), false, true),
    };
    if !is_listed {
        return Some(format!("it is not among the step's `permissions: {list}`"));
    }
    (!is_let).then(|| format!("the operator withholds {what}; it is not under `grants: {list}` of pawl.yaml"))
}

/// The bytes of what was chosen; nothing when they are others by now.
async fn pinned(
    context: &Context,
    request: &Request,
    name: &str,
    plugin: &RoutedPlugin,
) -> Result<Option<(pawl_core::plugin::PluginPin, Vec<Blob>)>, EngineError> {
    if let Some(pin) = request.pins.get(name) {
        return Ok(Some((pin.clone(), Vec::new())));
    }
    match context.catalog.find(name, None).await {
        Ok(entry) => match context.catalog.pin(&entry).await {
            Ok((pin, blob)) if pin.component == plugin.digest => Ok(Some((pin, vec![blob]))),
            Ok(_) | Err(_) => {
                forget(context, name);
                Ok(None)
            }
        },
        Err(EngineError::Supply { .. }) => {
            forget(context, name);
            Ok(None)
        }
        Err(EngineError::NoPlugin { .. } | EngineError::Unreadable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says that there is none, what was looked for and what there is.
async fn none(
    context: &Context,
    request: &Request,
    left_out: Vec<Looked>,
) -> (RouteOutcome, Vec<Blob>, Option<Timestamp>) {
    let next = left_out.iter().filter_map(|looked| match looked.circuit {
        Circuit::Open(until) => Some(until),
        Circuit::Closed | Circuit::HalfOpen => None,
    });
    let next = next.min();
    let mut candidates: Vec<Candidate> = left_out.into_iter().map(|looked| looked.candidate).collect();
    let more = candidates.len().saturating_sub(ROUTE_CANDIDATES_MAX);
    candidates.truncate(ROUTE_CANDIDATES_MAX);
    let near: Vec<String> = candidates
        .iter()
        .map(|at| format!("{}: {}", at.name, at.left_out.as_deref().unwrap_or_default()))
        .collect();
    let there = if near.is_empty() {
        let kinds = super::offers(context, request.query.kind).await.unwrap_or_default();
        let known = kinds.values().filter(|offer| offer.kind == request.query.kind);
        let known: BTreeSet<&str> =
            known.flat_map(|offer| offer.capabilities.keys().map(String::as_str)).collect();
        let known: Vec<&str> = known.into_iter().take(ROUTE_CANDIDATES_MAX).collect();
        format!("capabilities are {}", known.join(", "))
    } else if more > 0 {
        format!("{}; and {more} more", near.join("; "))
    } else {
        near.join("; ")
    };
    let query = &request.query;
    let reason = format!("there is no {query} that can be chosen; {there}; `pawl plugin list` shows all");
    (RouteOutcome::None { reason, candidates, passing: next.is_some() }, Vec::new(), next)
}

/// Every plugin that a query matches, the best first, and then those that it almost does.
pub(crate) async fn standings(
    context: &Context,
    query: &RouteQuery,
) -> Result<Vec<(Candidate, RoutedPlugin)>, EngineError> {
    let request = asked(context, query.clone());
    let all = registered(context, None, query.kind).await?;
    let looked = context.routes.ask(context, |health, now| {
        let one = |(name, plugin)| judge_for_listing(health, now, &request, name, plugin);
        all.into_iter().filter_map(one).collect::<Vec<Looked>>()
    });
    let (good, rest): (Vec<_>, Vec<_>) =
        looked.await.into_iter().partition(|looked| looked.candidate.left_out.is_none());
    let all = ranked(good, &request).into_iter().chain(rest);
    Ok(all.filter_map(|looked| Some((looked.candidate, looked.plugin?))).collect())
}

/// How one plugin stands in routes that look for what it offers, by capability. Others are not loaded for it: what a
/// route sees of a plugin does not depend on who else there is.
pub(crate) async fn standing_of(
    context: &Context,
    entry: &PluginEntry,
    pin: &PluginPin,
) -> Vec<(String, Candidate)> {
    let plugin = described_as(context, entry, pin);
    // What it says of itself, in the order in which it does, whatever its manifest makes of it.
    let capabilities = match &pin.description {
        Description::Agent(agent) => agent.capabilities.clone(),
        Description::Tools(tools) => tools.iter().map(|tool| tool.name.clone()).collect(),
    };
    let kind = pin.description.kind();
    let looked = context.routes.ask(context, |health, now| {
        let one = |capability: String| {
            let query = RouteQuery { kind, capability, labels: BTreeMap::new(), prefer: Vec::new() };
            let request = asked(context, query);
            let looked = judge_for_listing(health, now, &request, entry.name.clone(), Ok(plugin.clone()))?;
            Some((request.query.capability.clone(), looked.candidate))
        };
        capabilities.into_iter().filter_map(one).collect()
    });
    looked.await
}

/// What a listing asks for: by nobody, so that nothing is withheld.
fn asked(context: &Context, query: RouteQuery) -> Request {
    Request {
        run: context.config.chance.run_id(),
        visit: VisitId(0),
        query: Arc::new(query),
        failed: BTreeSet::new(),
        pins: Arc::default(),
        among: Permissions::default(),
        grants: Permissions::default(),
        ceiling: Ceiling::default(),
    }
}

/// The same as for a step that grants whatever a plugin needs.
fn judge_for_listing(
    health: &Health,
    now: Timestamp,
    request: &Request,
    name: String,
    plugin: Result<RoutedPlugin, String>,
) -> Option<Looked> {
    let mut looked = judge(health, now, request, name, plugin);
    let misses = looked.plugin.as_ref().is_none_or(|plugin| plugin.offer.answers(&request.query).is_err());
    if !misses && !matches!(looked.circuit, Circuit::Open(_)) {
        looked.candidate.left_out = None;
    }
    looked.is_near.then_some(looked)
}
