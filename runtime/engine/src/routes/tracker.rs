//! Attempts as they begin and end, from the events of one run.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::event::{Event, Work};
use pawl_core::state::Activity;
use pawl_core::{Failure, FailureKind, RunId, RunState, Timestamp, VisitId};

use super::health::{Observation, PluginKey};

/// The attempts of a run that are under way.
#[derive(Debug)]
pub(crate) struct Tracker {
    run: RunId,
    under_way: BTreeMap<VisitId, UnderWay>,
    /// Visits of agents that others have called: what becomes of them is their callers' doing.
    called: BTreeSet<VisitId>,
}

#[derive(Debug, Clone)]
struct UnderWay {
    plugin: PluginKey,
    attempt: u32,
    since: Timestamp,
    /// Whether it waited for somebody, or ran in more than one process: then its time says nothing of the plugin.
    interrupted: bool,
}

/// Failures that say that something is wrong with a plugin, rather than with what it was asked.
const OF_THE_PLUGIN: [FailureKind; 5] = [
    FailureKind::Transient,
    FailureKind::Timeout,
    FailureKind::Trap,
    FailureKind::Limit,
    FailureKind::InvalidOutput,
];

impl Tracker {
    /// Of a run whose events are all still to come.
    pub(crate) const fn new(run: RunId) -> Self {
        Self { run, under_way: BTreeMap::new(), called: BTreeSet::new() }
    }

    /// Of a run as it stands.
    pub(crate) fn of(state: &RunState) -> Self {
        let mut tracker = Self::new(state.id());
        for (id, visit) in state.active() {
            if visit.caller.is_some() {
                tracker.called.insert(id);
            } else if let (Activity::Attempting, Some(work)) = (&visit.activity, &visit.work) {
                let under_way = UnderWay {
                    plugin: plugin(work),
                    attempt: visit.attempt,
                    since: visit.attempt_at,
                    interrupted: true,
                };
                tracker.under_way.insert(id, under_way);
            }
        }
        tracker
    }

    /// Takes in an event, and says what it shows of a plugin.
    pub(crate) fn take(&mut self, at: Timestamp, event: &Event) -> Option<Observation> {
        match event {
            Event::AgentCalled { visit, .. } => {
                self.called.insert(*visit);
                None
            }
            Event::AttemptStarted { visit, attempt, work, .. } => {
                if self.called.contains(visit) {
                    return None;
                }
                let before = self.under_way.get(visit).map(|before| before.plugin.clone());
                let plugin = work.as_deref().map(plugin).or(before)?;
                let under_way = UnderWay { plugin, attempt: *attempt, since: at, interrupted: false };
                self.under_way.insert(*visit, under_way);
                None
            }
            Event::CallStarted { visit, .. } | Event::OutcomeUnknown { visit, .. } => {
                self.interrupt(*visit);
                None
            }
            Event::ApprovalOpened(opened) => {
                self.interrupt(opened.visit);
                None
            }
            Event::AttemptFailed { visit, failure, .. } => {
                let seen = self.under_way.get(visit).cloned();
                seen.filter(|_| counts(failure)).map(|seen| self.seen(*visit, seen, at, false))
            }
            Event::StepCompleted { visit, .. } => {
                let seen = self.under_way.remove(visit)?;
                Some(self.seen(*visit, seen, at, true))
            }
            Event::StepFailed { visit, .. } | Event::TaskHandedOver { visit, .. } => {
                self.under_way.remove(visit);
                None
            }
            _ => None,
        }
    }

    fn interrupt(&mut self, visit: VisitId) {
        if let Some(under_way) = self.under_way.get_mut(&visit) {
            under_way.interrupted = true;
        }
    }

    fn seen(&self, visit: VisitId, seen: UnderWay, at: Timestamp, went_well: bool) -> Observation {
        let UnderWay { plugin, attempt, since, interrupted } = seen;
        let took = (went_well && !interrupted).then(|| at.since(since));
        Observation { plugin, attempt: (self.run, visit, attempt), at, went_well, took }
    }
}

fn counts(failure: &Failure) -> bool {
    OF_THE_PLUGIN.contains(&failure.kind)
}

fn plugin(work: &Work) -> PluginKey {
    match work {
        Work::Tool { plugin: name, component, .. } | Work::Agent { agent: name, component, .. } => {
            (name.clone(), *component)
        }
    }
}
