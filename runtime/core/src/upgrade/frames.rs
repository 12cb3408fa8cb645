//! The lists of steps that a run goes through, in the new definition.

use super::{Check, ObstacleKind, named};
use crate::definition::{Block, BlockIndex, Definition, StepIndex, Verb};
use crate::event::Entry;
use crate::state::{Frame, RunState};
use crate::{FrameId, StepId};

impl Check<'_> {
    /// Every list that is gone through is still there, and what was done in it belongs to it.
    pub(super) fn frames(&mut self) {
        let state = self.state;
        for (id, frame) in &state.frames {
            let around = frame.within.as_ref().and_then(|(visit, _)| Some(&state.visit(*visit)?.step));
            match block_in(self.to, state, frame) {
                Some(block) => self.list(*id, frame, block, around),
                // The step that holds it is told of with the visits, where it is gone or does something else.
                None if around.is_some_and(|step| self.keeps_verb(step)) => {
                    let what = "a list of steps within it is gone through that is not there any more";
                    let next = "let the run get past the step, or keep the list in the new version";
                    self.add(ObstacleKind::ListChanged, around, what.to_owned(), next);
                }
                None => {}
            }
        }
    }

    fn keeps_verb(&self, step: &StepId) -> bool {
        let (old, new) = (named(self.from, step), named(self.to, step));
        old.zip(new).is_some_and(|(old, new)| old.verb.name() == new.verb.name())
    }

    fn list(&mut self, id: FrameId, frame: &Frame, index: BlockIndex, around: Option<&StepId>) {
        let Some(new) = self.to.block(index) else { return };
        let old = block_in(self.from, self.state, frame).and_then(|old| self.from.block(old));
        if old.is_some_and(|old| old.is_graph != new.is_graph) {
            let what =
                "its steps were gone through one after the other and are a graph now, or the other way";
            let next = "let the run get to the end of the list, or keep `needs` as it was";
            self.add(ObstacleKind::ListChanged, around, what.to_owned(), next);
        }
        let done = frame.outputs.keys().chain(&frame.done);
        for step in done {
            if named(self.to, step).is_some_and(|step| step.block != index) {
                self.moved(step);
            }
        }
        let begun = self.state.active().filter(|(_, visit)| visit.frame == id).map(|(_, visit)| &visit.step);
        let held = self.state.held.iter().filter(|held| held.frame == id).map(|held| &held.step);
        for step in begun.chain(held).collect::<Vec<_>>() {
            self.needs(new, frame, step);
        }
    }

    pub(super) fn moved(&mut self, step: &StepId) {
        let what = "it stands in another list of steps in the new version";
        let next = "give the step of the new version another id";
        self.add(ObstacleKind::StepMoved, Some(step), what.to_owned(), next);
    }

    /// A step of a graph that has begun needs nothing that is not done.
    fn needs(&mut self, block: &Block, frame: &Frame, id: &StepId) {
        let Some(step) = named(self.to, id).filter(|_| block.is_graph) else { return };
        let open =
            |need: &&StepIndex| self.to.step(**need).is_some_and(|need| !frame.done.contains(&need.id));
        if let Some(need) = step.needs.iter().find(open).and_then(|need| self.to.step(*need)) {
            let what = format!("it has begun, and needs '{}' now, which is not done", need.id);
            let next = "let the run get past the step, or leave that need out";
            self.add(ObstacleKind::NeedsUnmet, Some(id), what, next);
        }
    }
}

/// The list of a definition that a frame goes through.
pub(super) fn block_in(definition: &Definition, state: &RunState, frame: &Frame) -> Option<BlockIndex> {
    let Some((visit, entry)) = &frame.within else { return Some(BlockIndex::ROOT) };
    let step = named(definition, &state.visit(*visit)?.step)?;
    match entry {
        Entry::Branch(number) => {
            let Verb::Parallel(parallel) = &step.verb else { return None };
            parallel.branches.get(*number as usize).map(|(_, block)| *block)
        }
        Entry::Item(_) => {
            if let Verb::Map(map) = &step.verb {
                Some(map.body)
            } else {
                None
            }
        }
        Entry::Loop => {
            if let Verb::Loop(repeat) = &step.verb {
                Some(repeat.body)
            } else {
                None
            }
        }
        Entry::Catch { .. } => step.catch,
        Entry::Finally { .. } => step.finally,
        Entry::Undo { .. } => step.undo.as_ref().map(|undo| undo.block),
    }
}

/// The steps of a list that is a graph which could begin and have not: those that a new definition adds begin
/// with the move, since nothing else would begin them.
pub(crate) fn ready(state: &RunState, definition: &Definition) -> Vec<(FrameId, StepIndex)> {
    let mut found = Vec::new();
    for (id, frame) in &state.frames {
        let begun: Vec<&StepId> = state
            .active()
            .filter(|(_, visit)| visit.frame == *id)
            .map(|(_, visit)| &visit.step)
            .chain(state.held.iter().filter(|held| held.frame == *id).map(|held| &held.step))
            .collect();
        let block = block_in(definition, state, frame).and_then(|block| definition.block(block));
        // A list in which nothing is begun waits for the run's slot.
        let Some(block) = block.filter(|block| block.is_graph && !begun.is_empty()) else { continue };
        for index in &block.steps {
            let Some(step) = definition.step(*index) else { continue };
            let is_done =
                |need: &StepIndex| definition.step(*need).is_some_and(|need| frame.done.contains(&need.id));
            if !is_done(index) && !begun.contains(&&step.id) && step.needs.iter().all(is_done) {
                found.push((*id, *index));
            }
        }
    }
    found
}
