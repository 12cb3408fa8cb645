//! The way that a run took, and what its journal says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pawl_core::definition::{Definition, Verb};
use pawl_core::event::{Entry, Event};
use pawl_core::journal::Envelope;
use pawl_core::{FrameId, StepId, VisitId};
use serde_json::Value;

use crate::report::EventLine;

/// The way that a run took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    /// The steps of each list in the order of arrival; the workflow's own list has no name.
    pub(crate) lists: BTreeMap<String, Vec<String>>,
    /// The lists that were not needed any more.
    pub(crate) cancelled: BTreeSet<String>,
    /// The last output of each step of the workflow's own list.
    pub(crate) outputs: BTreeMap<StepId, Arc<Value>>,
    /// Every event in short.
    pub(crate) events: Vec<EventLine>,
    frames: BTreeMap<FrameId, String>,
    visits: BTreeMap<VisitId, (StepId, FrameId)>,
    approvals: BTreeMap<String, VisitId>,
}

impl Way {
    pub(crate) fn of(definition: &Definition, envelopes: &[Envelope]) -> Self {
        let mut way = Self::default();
        way.lists.insert(String::new(), Vec::new());
        for envelope in envelopes {
            way.take(definition, &envelope.event);
            let step = visit(&envelope.event).or_else(|| way.asker(&envelope.event));
            let step = step.and_then(|visit| Some(way.visits.get(&visit)?.0.to_string()));
            way.events.push(EventLine { seq: envelope.seq, name: envelope.event.name(), step });
        }
        way
    }

    /// The workflow's own steps.
    pub(crate) fn own(&self) -> &[String] {
        self.lists.get("").map_or(&[], Vec::as_slice)
    }

    fn take(&mut self, definition: &Definition, event: &Event) {
        match event {
            Event::StepStarted { visit, step, frame, .. } => {
                self.arrive(*visit, step, *frame, step.to_string());
            }
            Event::StepSkipped { visit, step, frame, .. } => {
                self.arrive(*visit, step, *frame, format!("({step})"));
            }
            // It is no arrival: it works within the step of whoever calls it.
            Event::AgentCalled { visit, caller, .. } => {
                if let Some(place) = self.visits.get(caller).cloned() {
                    self.visits.insert(*visit, place);
                }
            }
            Event::FrameStarted { frame, visit, entry } => {
                let name = self.list_name(definition, *visit, entry);
                self.lists.entry(name.clone()).or_default();
                self.frames.insert(*frame, name);
            }
            Event::FrameCancelled { frame } | Event::FrameFailed { frame, .. } => {
                self.cancelled.extend(self.frames.get(frame).cloned());
            }
            Event::StepCompleted { visit, output } => {
                if let Some((step, frame)) = self.visits.get(visit)
                    && frame.is_root()
                {
                    self.outputs.insert(step.clone(), Arc::new(output.clone().into_value()));
                }
            }
            Event::ApprovalOpened(opened) => {
                self.approvals.insert(opened.approval.to_string(), opened.visit);
            }
            _ => {}
        }
    }

    fn arrive(&mut self, visit: VisitId, step: &StepId, frame: FrameId, shown: String) {
        self.visits.insert(visit, (step.clone(), frame));
        let list = self.frames.get(&frame).cloned().unwrap_or_default();
        self.lists.entry(list).or_default().push(shown);
    }

    /// `each[0]`, `both/goods`, `poll`, `weather/catch`; with the list around it in front.
    fn list_name(&self, definition: &Definition, visit: VisitId, entry: &Entry) -> String {
        let Some((step, frame)) = self.visits.get(&visit) else { return String::new() };
        let around = self.frames.get(frame).map(|around| format!("{around}/")).unwrap_or_default();
        let branch = |number: u32| {
            let verb =
                definition.index_of(step).and_then(|index| definition.step(index)).map(|step| &step.verb);
            match verb {
                Some(Verb::Parallel(parallel)) => {
                    parallel.branches.get(number as usize).map_or_else(String::new, |(name, _)| name.clone())
                }
                _ => number.to_string(),
            }
        };
        let own = match entry {
            Entry::Branch(number) => format!("/{}", branch(*number)),
            Entry::Item(number) => format!("[{number}]"),
            Entry::Loop => String::new(),
            // By its name in the journal: `catch`, `finally`.
            other => format!("/{}", name(other)),
        };
        format!("{around}{step}{own}")
    }

    fn asker(&self, event: &Event) -> Option<VisitId> {
        self.approvals.get(event.approval()?.as_str()).copied()
    }
}

/// The name under which an entry stands in the journal.
fn name(entry: &Entry) -> String {
    let json = serde_json::to_value(entry).unwrap_or_default();
    let key = json.as_object().and_then(|fields| fields.keys().next()).map(String::as_str);
    key.or(json.as_str()).unwrap_or_default().to_owned()
}

/// The visit that an event is about.
fn visit(event: &Event) -> Option<VisitId> {
    match event {
        Event::StepStarted { visit, .. }
        | Event::StepSkipped { visit, .. }
        | Event::ItemsTaken { visit, .. }
        | Event::FrameStarted { visit, .. }
        | Event::AttemptStarted { visit, .. }
        | Event::AttemptFailed { visit, .. }
        | Event::ToolLogged { visit, .. }
        | Event::CallStarted { visit, .. }
        | Event::AgentCalled { visit, .. }
        | Event::TaskHandedOver { visit, .. }
        | Event::CallCompleted { visit, .. }
        | Event::OutcomeUnknown { visit, .. }
        | Event::WaitStarted { visit, .. }
        | Event::ListenStarted { visit, .. }
        | Event::SignalTaken { visit, .. }
        | Event::TopicHeard { visit, .. }
        | Event::Emitted { visit, .. }
        | Event::ChildStarted { visit, .. }
        | Event::ChildEnded { visit, .. }
        | Event::ChildCancelled { visit, .. }
        | Event::StepCompleted { visit, .. }
        | Event::RouteReopened { visit, .. }
        | Event::RouteExhausted { visit, .. }
        | Event::StepFailed { visit, .. } => Some(*visit),
        Event::ApprovalOpened(opened) => Some(opened.visit),
        Event::ToolAsked(asked) => Some(asked.visit),
        Event::RouteRequested(requested) => Some(requested.visit),
        Event::RouteChosen(chosen) => Some(chosen.visit),
        Event::RouteAwaited(awaited) => Some(awaited.visit),
        Event::SlotRequested(requested) => requested.visit,
        Event::SlotTaken { visit } | Event::PrioritySet { visit, .. } => *visit,
        _ => None,
    }
}
