//! Runs with budgets that are forked, retried, or read again.

use pawl_core::budget::Dimension;
use pawl_core::event::Event;
use pawl_core::fork::{Fork, Forked, fork};
use pawl_core::plugin::PluginPins;
use pawl_core::{Command, Entropy, Failure, FailureKind, Moment, Refusal, RunId, Timestamp};
use serde_json::{Value, json};

use super::bench::{Bench, act, ann, names};

/// Forks a run behind the last event that it has.
fn fork_at_its_end(bench: &Bench) -> Result<Forked, Refusal> {
    fork_at(bench, bench.envelopes().len() as u64)
}

fn fork_at(bench: &Bench, seq: u64) -> Result<Forked, Refusal> {
    let envelopes = bench.envelopes();
    let fork_of = Fork {
        agents: PluginPins::default(),
        rehearsal: None,
        from: bench.state.id(),
        envelopes: &envelopes,
        seq,
        run: RunId::from_bytes([7; 16]),
        changes: Vec::new(),
        by: ann(),
    };
    fork(&bench.definition, fork_of, Moment { now: bench.now, entropy: Entropy::new([3; 32]) })
}

#[test]
fn a_fork_has_spent_what_its_past_has_spent() {
    let mut bench = Bench::start("steps:\n  - { id: think, agent: thinker, budget: { tool_calls: 2 } }\n");
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.call(1, 2, act("t.do"), Ok(json!(1)));
    bench.begin(1, 3, act("t.do"));
    let forked = fork_at_its_end(&bench).expect("a fork");
    let spent: Vec<_> =
        forked.state.budgets().map(|(_, meter)| meter.used.used(Dimension::ToolCalls)).collect();
    assert_eq!(spent, [2]);
    assert_eq!(forked.state.approvals().filter(|(_, approval)| approval.open).count(), 1);
    assert!(forked.events.iter().any(|(_, event)| matches!(event, Event::BudgetExceeded(_))));
}

#[test]
fn a_call_that_a_person_allowed_is_not_made_by_two_runs_because_its_budget_paused_it() {
    let head = "approvals: [{ tool: t.once }]\nbudget: { tool_calls: 1 }\n";
    let mut bench = Bench::start(&format!("{head}steps:\n  - {{ id: think, agent: thinker }}\n"));
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.begin(1, 2, act("t.once"));
    assert!(fork_at_its_end(&bench).is_ok(), "nobody allowed anything yet, and each run asks");
    bench.answer("approve", Value::Null).expect("taken");
    assert!(names(&bench.begin(1, 2, act("t.once"))).contains(&"budget-exceeded"));
    let refused = fork_at_its_end(&bench).expect_err("it is allowed once");
    assert!(matches!(refused, Refusal::CannotFork(_)), "{refused}");

    // The same of a step.
    let mut bench = Bench::start(&format!(
        "{head}steps:\n  - {{ id: do, tool: t.do }}\n  - {{ id: pay, tool: t.once }}\n"
    ));
    bench.end_attempt(1, Ok(json!(1)));
    assert!(fork_at_its_end(&bench).is_ok(), "each run asks");
    let events = bench.answer("approve", Value::Null).expect("taken");
    assert!(names(&events).contains(&"budget-exceeded"), "{events:?}");
    assert!(fork_at_its_end(&bench).is_err());
}
