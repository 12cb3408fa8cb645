//! Lists of steps within steps: their beginning, and what their end means for the step.

use std::sync::Arc;

use serde_json::Value;

use super::{Draft, Next};
use crate::definition::{BlockIndex, Target, Verb};
use crate::event::{Because, Entry, Event};
use crate::{Failure, FrameId, StepId, VisitId};

impl Draft<'_> {
    /// Begins to go through a list of steps within a visit.
    pub(super) fn start_frame(&mut self, visit: VisitId, entry: Entry, block: BlockIndex) {
        let frame = FrameId(self.state.frames_begun.saturating_add(1));
        self.push(Event::FrameStarted { frame, visit, entry });
        self.go_to_first(frame, block);
    }

    /// Goes to the first step of a list; to all that need nothing, where it is a graph.
    pub(super) fn go_to_first(&mut self, frame: FrameId, block: BlockIndex) {
        let definition = self.definition;
        let Some(block) = definition.block(block) else { return };
        if block.is_graph {
            return self.go_to_ready(frame, block);
        }
        let target = block.steps.first().map_or(Target::End, |first| Target::Step(*first));
        self.next.push_back(Next::Go(frame, target, Because::First));
    }

    /// The last step of a frame is done.
    pub(super) fn complete_frame(&mut self, frame: FrameId) {
        let Some((visit, entry)) = self.state.frame(frame).and_then(|frame| frame.within.clone()) else {
            return self.complete_run();
        };
        let last = self.state.frame(frame).and_then(|frame| frame.last.clone());
        if let (Entry::Loop, Some(Verb::Loop(_))) = (&entry, self.step_of(visit).map(|step| &step.verb)) {
            return self.end_turn(visit, frame);
        }
        self.push(Event::FrameCompleted { frame });
        match entry {
            Entry::Branch(_) => self.branch_ended(visit),
            Entry::Item(_) => self.item_ended(visit),
            Entry::Loop | Entry::Catch { .. } => self.complete_step(visit, value_of(last)),
            Entry::Finally { .. } => self.deliver(visit, None),
            Entry::Undo { .. } => self.undo_next(),
        }
    }

    /// A step of a frame failed and nothing caught it.
    pub(super) fn fail_frame(&mut self, frame: FrameId, failure: Failure, step: Option<StepId>) {
        let Some((visit, entry)) = self.state.frame(frame).and_then(|frame| frame.within.clone()) else {
            return self.fail_run(failure, step);
        };
        self.push(Event::FrameFailed { frame, failure: failure.clone() });
        match entry {
            Entry::Branch(_) => self.branch_ended(visit),
            Entry::Item(_) => self.item_ended(visit),
            Entry::Loop | Entry::Catch { .. } => self.fail_step(visit, failure),
            Entry::Finally { .. } => self.deliver(visit, Some(failure)),
            Entry::Undo { .. } => self.undo_next(),
        }
    }

    /// A `finally` is over: what came of the step holds, unless the `finally` itself failed.
    fn deliver(&mut self, visit: VisitId, failure: Option<Failure>) {
        let outcome = self.state.visit(visit).and_then(|visit| visit.inside.as_ref()?.outcome.clone());
        let result = match (failure, outcome) {
            (Some(failure), _) | (None, Some(Err(failure))) => Err(failure),
            (None, outcome) => Ok(value_of(outcome.and_then(Result::ok))),
        };
        self.next.push_back(Next::Settle(visit, result));
    }

    /// Stops every frame within a visit.
    pub(super) fn cancel_frames(&mut self, visit: VisitId) {
        let open = self.state.visit(visit).and_then(|visit| Some(visit.inside.as_ref()?.open.clone()));
        for frame in open.unwrap_or_default() {
            self.push(Event::FrameCancelled { frame });
        }
    }
}

/// A value of its own; a list without a completed step gives nothing.
pub(super) fn value_of(value: Option<Arc<Value>>) -> Value {
    value.map_or(Value::Null, Arc::unwrap_or_clone)
}
