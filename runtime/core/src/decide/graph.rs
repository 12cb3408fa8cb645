//! Lists that are graphs: a step starts when what it needs is done.

use super::{Draft, Next};
use crate::FrameId;
use crate::definition::{Block, Step, StepIndex, Target};
use crate::event::Because;

impl Draft<'_> {
    /// Goes to the steps that need nothing.
    pub(super) fn go_to_ready(&mut self, frame: FrameId, block: &Block) {
        for index in &block.steps {
            if self.definition.step(*index).is_some_and(|step| step.needs.is_empty()) {
                self.next.push_back(Next::Go(frame, Target::Step(*index), Because::First));
            }
        }
    }

    /// A step of a graph was completed or skipped: others may start, or its frame is done.
    pub(super) fn done_in_graph(&mut self, frame: FrameId, index: StepIndex) {
        let definition = self.definition;
        let block = definition.step(index).and_then(|step| definition.block(step.block));
        let (Some(block), Some(at)) = (block, self.state.frame(frame)) else { return };
        let is_done =
            |index: &StepIndex| definition.step(*index).is_some_and(|step| at.done.contains(&step.id));
        if block.steps.iter().all(is_done) {
            return self.complete_frame(frame);
        }
        // Of what a step needs, one is done last: each step is gone to once.
        for other in &block.steps {
            let needs = definition.step(*other).map(|step| step.needs.as_slice()).unwrap_or_default();
            if needs.contains(&index) && needs.iter().all(is_done) {
                self.next.push_back(Next::Go(frame, Target::Step(*other), Because::Needs));
            }
        }
    }

    pub(super) fn is_in_graph(&self, step: &Step) -> bool {
        self.definition.block(step.block).is_some_and(|block| block.is_graph)
    }
}
