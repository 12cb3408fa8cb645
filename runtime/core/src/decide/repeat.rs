//! The turns of a `loop`.

use super::Draft;
use super::advance::evaluation_failure;
use super::frame::value_of;
use crate::definition::{LoopStep, Verb};
use crate::event::{Entry, Event};
use crate::expression::EvaluationError;
use crate::{Failure, FailureKind, FrameId, VisitId};

impl Draft<'_> {
    pub(super) fn begin_turns(&mut self, visit: VisitId, repeat: &LoopStep) {
        let frame = FrameId(self.state.frames_begun.saturating_add(1));
        self.push(Event::FrameStarted { frame, visit, entry: Entry::Loop });
        self.turn_or_end(visit, frame, repeat, 0);
    }

    /// The steps of a turn are done.
    pub(super) fn end_turn(&mut self, visit: VisitId, frame: FrameId) {
        let definition = self.definition;
        let step = self.index_of(visit).and_then(|index| definition.step(index));
        let Some(Verb::Loop(repeat)) = step.map(|step| &step.verb) else { return };
        let turn = self.state.frame(frame).map_or(0, |frame| frame.turn.saturating_add(1));
        self.turn_or_end(visit, frame, repeat, turn);
    }

    fn turn_or_end(&mut self, visit: VisitId, frame: FrameId, repeat: &LoopStep, turn: u32) {
        match self.another(frame, repeat, turn) {
            Ok(Ok(true)) => {
                if turn > 0 {
                    self.push(Event::TurnStarted { frame, turn });
                }
                self.go_to_first(frame, repeat.body);
            }
            Ok(Ok(false)) => {
                let last = self.state.frame(frame).and_then(|frame| frame.last.clone());
                self.push(Event::FrameCompleted { frame });
                self.complete_step(visit, value_of(last));
            }
            Ok(Err(failure)) => self.fail_frame(frame, failure, None),
            Err(error) => self.fail_frame(frame, evaluation_failure(&error), None),
        }
    }

    /// Whether another turn begins: `index` is its number.
    fn another(
        &self,
        frame: FrameId,
        repeat: &LoopStep,
        turn: u32,
    ) -> Result<Result<bool, Failure>, EvaluationError> {
        let mut scope = self.scope(frame);
        if let Some(innermost) = scope.layers.first_mut() {
            innermost.index = Some(turn);
        }
        if !repeat.condition.holds(&scope)? {
            return Ok(Ok(false));
        }
        if turn < repeat.max_visits {
            return Ok(Ok(true));
        }
        let message = format!(
            "the loop wants another turn after max_visits ({}); raise max_visits or end it",
            repeat.max_visits
        );
        Ok(Err(Failure::new(FailureKind::Limit, message)))
    }
}
