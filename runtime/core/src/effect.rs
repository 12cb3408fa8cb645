//! What must happen next, read from a state.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::Work;
use crate::route::RouteQuery;
use crate::state::{Activity, RunState};
use crate::{Timestamp, VisitId};

/// Something that must be under way, or must be set, for a run to go on.
///
/// Effects are asked for after every change; the engine begins what is not
/// under way yet, unless the run is suspended, and stops what is not asked for
/// any more.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An attempt of a tool or an agent must be under way.
    Attempt {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
        /// What it does.
        work: Arc<Work>,
    },
    /// A plugin must be looked for, and the run must get a [`crate::Command::ChooseRoute`].
    Route {
        /// The visit.
        visit: VisitId,
        /// What is looked for.
        query: Arc<RouteQuery>,
        /// Plugins that have failed in the visit, which are left out.
        failed: BTreeSet<String>,
        /// Whether none was there when it was last looked: there is no hurry, and the run needs no memory
        /// meanwhile.
        waits: bool,
    },
    /// The run must get a [`crate::Command::Tick`] at this instant.
    WakeAt(Timestamp),
}

/// What must happen next; nothing for a run that has ended.
pub fn effects(state: &RunState) -> Vec<Effect> {
    let attempts = state.active().filter_map(|(visit, at)| match (&at.activity, &at.work, &at.route) {
        (Activity::Attempting, Some(work), _) if !at.is_parked() => {
            Some(Effect::Attempt { visit, attempt: at.attempt, work: Arc::clone(work) })
        }
        (Activity::Routing | Activity::Seeking, _, Some(route)) => Some(Effect::Route {
            visit,
            query: Arc::clone(&route.query),
            failed: route.failed.clone(),
            waits: matches!(at.activity, Activity::Seeking),
        }),
        _ => None,
    });
    let wake_at = state.wake_at().filter(|_| !state.is_suspended());
    attempts.chain(wake_at.map(Effect::WakeAt)).collect()
}
