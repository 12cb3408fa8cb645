//! Nothing → the first steps.

use super::Draft;
use crate::definition::{StepIndex, Target};
use crate::event::{Because, Event, RunStarted};

impl Draft<'_> {
    pub(super) fn start(&mut self, started: RunStarted) {
        self.push(Event::RunStarted(Box::new(started)));
        self.go(Target::Step(StepIndex(0)), Because::First);
    }
}
