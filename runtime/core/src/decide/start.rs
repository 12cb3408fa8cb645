//! Nothing → the first steps.

use super::Draft;
use crate::FrameId;
use crate::definition::BlockIndex;
use crate::event::{Event, RunStarted};

impl Draft<'_> {
    pub(super) fn start(&mut self, started: RunStarted) {
        self.push(Event::RunStarted(Box::new(started)));
        self.begin_run();
    }

    /// What comes first of all, once the run is there.
    pub(super) fn begin_run(&mut self) {
        let definition = self.definition;
        if let Some(timeout) = definition.timeout {
            let total = self.now.after(timeout);
            self.push(Event::DeadlineSet { visit: None, total });
        }
        self.set_run_budget();
        match self.request_own_slot() {
            Ok(false) => self.begin_steps(),
            Ok(true) => {}
            Err(failure) => self.fail_run(failure, None),
        }
    }

    /// Goes to the first steps, once nothing is waited for any more.
    pub(super) fn begin_steps(&mut self) {
        let definition = self.definition;
        if let Err(failure) = self.assign(FrameId::ROOT, None, &definition.vars) {
            return self.fail_frame(FrameId::ROOT, failure, None);
        }
        self.go_to_first(FrameId::ROOT, BlockIndex::ROOT);
    }
}
