//! A visit whose plugin is looked for, or was chosen.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::{Activity, RunState};
use crate::event::{Event, RouteChosen, RouteRequested};
use crate::route::RouteQuery;
use crate::{Failure, MemoryScope, VisitId};

/// What is known of the route of a visit.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// What is looked for.
    pub query: Arc<RouteQuery>,
    /// The input of an agent, or the arguments of a tool.
    pub input: Arc<Value>,
    /// Whose memory an agent uses.
    pub memory: Option<MemoryScope>,
    /// The plugin that was chosen last.
    pub chosen: Option<String>,
    /// Those that have failed in this visit, and are not tried again.
    pub failed: BTreeSet<String>,
    /// How the last of them failed.
    pub failure: Option<Failure>,
}

impl RunState {
    /// The events of routes.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken in elsewhere")]
    pub(super) fn apply_route(&mut self, event: &Event) {
        match event {
            Event::RouteRequested(requested) => self.request_route(requested),
            Event::RouteChosen(chosen) => self.choose_route(chosen),
            Event::RouteAwaited(awaited) => self.set_activity(awaited.visit, Activity::Seeking),
            Event::RouteReopened { visit, failed } => self.reopen_route(*visit, failed.as_deref()),
            Event::RouteExhausted { visit, retry_at } => {
                self.set_activity(*visit, Activity::BackingOff(*retry_at));
            }
            _ => {}
        }
    }

    fn request_route(&mut self, requested: &RouteRequested) {
        let Some(visit) = self.visits.get_mut(&requested.visit) else { return };
        visit.activity = Activity::Routing;
        visit.route = Some(Box::new(Routing {
            query: Arc::new(requested.query.clone()),
            input: requested.input.share(),
            memory: requested.memory.clone(),
            chosen: None,
            failed: BTreeSet::new(),
            failure: None,
        }));
    }

    fn choose_route(&mut self, chosen: &RouteChosen) {
        // Bytes that the run has by this name already stay what they are.
        if let Some(pin) = chosen.pin.as_ref().filter(|_| !self.plugins.contains_key(&chosen.chosen)) {
            Arc::make_mut(&mut self.plugins).insert(chosen.chosen.clone(), pin.clone());
        }
        let Some(visit) = self.visits.get_mut(&chosen.visit) else { return };
        visit.activity = Activity::Arrived;
        if let Some(route) = &mut visit.route {
            route.chosen = Some(chosen.chosen.clone());
        }
    }

    fn reopen_route(&mut self, id: VisitId, failed: Option<&str>) {
        let Some(visit) = self.visits.get_mut(&id) else { return };
        let Some(route) = &mut visit.route else { return };
        visit.activity = Activity::Routing;
        if let Some(name) = failed {
            route.failed.insert(name.to_owned());
        } else {
            route.failed.clear();
            route.failure = None;
        }
    }
}
