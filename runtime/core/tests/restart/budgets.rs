//! Budgets in the generated workflows: what restarts do to their count, and to nothing else.

use std::fmt::Write as _;

use pawl_core::budget::Dimension;
use pawl_core::call::CallRequest;
use pawl_core::event::Event;
use pawl_core::state::CallProgress;
use pawl_core::{AnsweredCall, CallPlace, Command, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Restarts, World, steps, yaml};

/// A workflow whose run, agents and tools may make so many calls.
fn budgeted(text: &str, run: u32, step: u32) -> String {
    let mut budgeted = String::new();
    for line in text.lines() {
        if line == "steps:" {
            let _ = writeln!(budgeted, "budget: {{ tool_calls: {run} }}");
        }
        let _ = writeln!(budgeted, "{line}");
        let works = line.ends_with("agent: thinker") || line.ends_with("tool: world.act");
        if works {
            let pad = &line[..line.len() - line.trim_start().len()];
            let _ = writeln!(budgeted, "{pad}budget: {{ calls: {step} }}");
        }
    }
    budgeted
}

pub(super) const fn is_of_budget(event: &Event) -> bool {
    matches!(
        event,
        Event::BudgetSet(_)
            | Event::BudgetReserved(_)
            | Event::BudgetSettled(_)
            | Event::BudgetWarned(_)
            | Event::BudgetExceeded(_)
            | Event::BudgetRaised(_)
    )
}

/// What somebody fills in who gives more.
pub(super) fn more(form: Option<&Value>) -> Value {
    let fields = form.and_then(|form| form["properties"].as_object());
    fields.into_iter().flat_map(|fields| fields.keys()).map(|name| (name.clone(), json!(2))).collect()
}

impl World {
    /// A process died when it had made room for a call: the next one runs the agent again, which begins the call
    /// anew at the same instant. Whether it may be made.
    pub(super) fn begin_again(
        &mut self,
        at: CallPlace,
        request: &CallRequest,
        silent: Vec<AnsweredCall>,
    ) -> bool {
        let restarts = std::mem::replace(&mut self.restarts, Restarts::Never);
        self.command(Command::BeginCall { at, request: request.clone(), silent });
        self.restarts = restarts;
        !self.is_paused(at)
    }

    /// Whether a call waits for more room.
    pub(super) fn is_paused(&self, at: CallPlace) -> bool {
        let call = self.state.visit(at.visit).and_then(|visit| visit.calls.get(at.call));
        call.is_some_and(|call| matches!(call.progress, CallProgress::Paused(..)))
    }

    fn other_events(&self) -> Vec<(Timestamp, Event)> {
        let all = self.envelopes().into_iter();
        all.filter(|at| !is_of_budget(&at.event)).map(|at| (at.time, at.event)).collect()
    }

    fn has_undone(&self) -> bool {
        self.envelopes().iter().any(|at| matches!(at.event, Event::UndoStarted { .. }))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn restarts_change_nothing_but_what_is_counted(steps in steps(false), seed in any::<u64>()) {
        let text = budgeted(&yaml(&steps), 1_000_000, 1_000_000);
        let mut steady = World::new(&text, seed, Restarts::Never, "world.act");
        steady.drive();
        let mut restarted = World::new(&text, seed, Restarts::AfterEveryCommit, "world.act");
        restarted.drive();
        prop_assert_eq!(steady.other_events(), restarted.other_events());
        // What a crash cut off is counted as well.
        let counts = |world: &World| -> Vec<u64> {
            world.state.budgets().map(|(_, meter)| meter.used.used(Dimension::ToolCalls)).collect()
        };
        let (steady, restarted) = (counts(&steady), counts(&restarted));
        prop_assert_eq!(steady.len(), restarted.len());
        prop_assert!(steady.iter().zip(&restarted).all(|(one, other)| one <= other), "{steady:?} {restarted:?}");
    }

    #[test]
    fn no_restart_lets_a_run_use_more_than_it_was_given(steps in steps(false), seed in any::<u64>(), often in any::<bool>()) {
        let restarts = if often { Restarts::AfterEveryCommit } else { Restarts::Never };
        let mut world = World::new(&budgeted(&yaml(&steps), 5, 3), seed, restarts, "world.act");
        world.drive();
        if !world.has_undone() {
            for (_, meter) in world.state.budgets() {
                for (dimension, limit) in meter.limits.iter() {
                    prop_assert!(meter.used.used(dimension) <= limit, "{:?}", meter);
                }
            }
        }
    }
}
