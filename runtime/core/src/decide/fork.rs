//! A forked run goes its own way from the place where it was taken from another.

use super::Draft;
use crate::event::Event;
use crate::fork::{Place, Restart};
use crate::travel::{InputsChanged, OutputChanged, RunForked};

impl Draft<'_> {
    pub(super) fn fork(&mut self, restart: Restart) {
        let Restart { from, by, place, inputs, outputs } = restart;
        let moved = self.now.since(self.state.updated_at());
        self.push(Event::RunForked(Box::new(RunForked { by: by.clone(), moved })));
        self.keep_instants(moved);
        if let Some(inputs) = inputs {
            let changed = InputsChanged { inputs: inputs.into(), by: by.clone() };
            self.push(Event::InputsChanged(Box::new(changed)));
        }
        for (frame, step, output) in outputs {
            let changed = OutputChanged { frame, step, output: output.into(), by: by.clone() };
            self.push(Event::OutputChanged(Box::new(changed)));
        }
        self.doubt(None, &format!("run {from} had begun it at the place of the fork"));
        self.begin_held();
        match place {
            Place::Start => self.begin_run(),
            Place::After(visit) => {
                if let (Some(at), Some(index)) = (self.state.visit(visit), self.index_of(visit)) {
                    let frame = at.frame;
                    self.go_on_after(visit, frame, index);
                }
            }
            Place::Rest => {}
        }
    }
}
