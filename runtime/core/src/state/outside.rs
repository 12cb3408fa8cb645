//! The fold of what comes from outside the run: signals, events of other runs, the runs that it started.

use super::{Activity, RunState};
use crate::Timestamp;
use crate::event::Event;

impl RunState {
    #[expect(clippy::wildcard_enum_match_arm, reason = "`apply` hands over these events and no others")]
    pub(super) fn apply_outside(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::ListenStarted { visit, awaited, until } => {
                self.set_activity(*visit, Activity::Listening(awaited.clone(), *until));
            }
            Event::SignalReceived(signal) => self.signals.receive(signal),
            Event::SignalTaken { visit, signal, call } => {
                self.signals.take(*signal);
                // The call's answer follows.
                if call.is_none() {
                    self.set_activity(*visit, Activity::Arrived);
                }
            }
            Event::TopicHeard { visit, from, .. } => {
                self.heard.insert(*from);
                self.set_activity(*visit, Activity::Arrived);
            }
            Event::ChildStarted { visit, child, allowance, .. } => {
                self.keep_for(time, (*visit, None), allowance, Some(*child));
                self.set_activity(*visit, Activity::Child(*child));
            }
            Event::ChildEnded { visit, child } | Event::ChildCancelled { visit, child }
                if self.visits.get(visit).is_some_and(|visit| visit.child() == Some(*child)) =>
            {
                self.set_activity(*visit, Activity::Arrived);
            }
            _ => {}
        }
    }
}
