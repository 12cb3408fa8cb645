//! Runs with budgets that are forked, retried, or read again.

use pawl_core::budget::Dimension;
use pawl_core::call::CallRequest;
use pawl_core::event::{Asker, Event};
use pawl_core::fork::{Fork, Forked, fork};
use pawl_core::plugin::PluginPins;
use pawl_core::view::Status;
use pawl_core::{
    CallPlace, Command, Entropy, Failure, FailureKind, Moment, Refusal, RunId, Timestamp, VisitId,
};
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
        trace: None,
        from: bench.state.id(),
        envelopes: &envelopes,
        seq,
        run: RunId::from_bytes([7; 16]),
        changes: Vec::new(),
        by: ann().into(),
    };
    fork(&bench.definition, fork_of, Moment { now: bench.now, entropy: Entropy::new([3; 32]) })
}

/// Begins a call of the first visit that is made together with others.
fn begin_together(bench: &mut Bench, call: u32, request: CallRequest) -> Vec<Event> {
    let at = CallPlace { visit: VisitId(1), attempt: 1, call, first: 1 };
    bench.tell(Command::BeginCall { at, request, silent: Vec::new() })
}

/// Answers the open question of an asker.
fn answer(bench: &mut Bench, asker: Asker, action: &str, data: Value) -> Result<Vec<Event>, Refusal> {
    let open = bench.state.approvals().find(|(_, approval)| approval.open && approval.asker == asker);
    let approval = open.expect("a question").0.clone();
    bench.try_tell(Command::Decide { approval, action: action.into(), data, by: ann(), comment: None })
}

/// An agent that has begun a call that must happen at most once, beside one that there is no room for.
fn one_under_way_and_one_paused() -> Bench {
    let step = "steps:\n  - { id: think, agent: thinker, timeout: 10s, budget: { tool_calls: 1 } }\n";
    let mut bench = Bench::start(step);
    assert!(names(&begin_together(&mut bench, 1, act("t.once"))).contains(&"call-started"));
    assert!(names(&begin_together(&mut bench, 2, act("t.do"))).contains(&"budget-exceeded"));
    bench
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

#[test]
fn room_that_is_made_for_an_attempt_is_no_place_to_fork_at() {
    let step = "steps:\n  - { id: do, tool: t.do, budget: { tool_calls: 9 }, retry: { max_attempts: 2, delay: 1ms } }\n";
    let mut bench = Bench::start(step);
    bench.end_attempt(1, Err(Failure::new(FailureKind::Transient, "busy")));
    bench.now = bench.state.wake_at().expect("a retry");
    assert_eq!(names(&bench.tell(Command::Tick)), ["budget-reserved", "attempt-started"]);
    let last = bench.envelopes().len() as u64;
    let refused = fork_at(&bench, last - 1).expect_err("it would count the attempt twice");
    assert!(matches!(refused, Refusal::CannotFork(_)), "{refused}");
    let forked = fork_at(&bench, last).expect("a fork");
    let (_, meter) = forked.state.budgets().next().expect("a budget");
    assert_eq!(meter.used.used(Dimension::ToolCalls), 2);
}

#[test]
fn what_waits_for_more_beside_a_step_that_failed_can_be_raised_when_that_is_retried() {
    let steps = "steps:\n  - id: both\n    parallel:\n      branches:\n        one: [{ id: think, agent: thinker, budget: { tool_calls: 1 } }]\n        two: [{ id: do, tool: t.do, budget: { tool_calls: 9 } }]\n";
    let mut bench = Bench::start(steps);
    let [(think, _), (tool, _)] = bench.under_way()[..] else { panic!("{:?}", bench.under_way()) };
    bench.call(think, 1, act("t.do"), Ok(json!(1)));
    bench.begin(think, 2, act("t.do"));
    bench.end_attempt(tool, Err(Failure::new(FailureKind::Transient, "busy")));
    assert_eq!(bench.state.status(), Status::Failed);
    bench.tell(Command::Retry { step: None, by: ann() });
    assert!(bench.answer("raise", Value::Null).is_err(), "it says how much");
    bench.raise(json!({ "tool_calls": 1 }));
    bench.call(think, 2, act("t.do"), Ok(json!(2)));
    bench.end_attempt(think, Ok(json!("done")));
    bench.end_attempt(tool, Ok(json!("done")));
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn the_time_of_an_agent_stands_still_until_the_last_of_its_calls_is_decided() {
    let mut bench = one_under_way_and_one_paused();
    bench.tell(Command::Recover);
    assert_eq!(bench.state.wake_at(), None);
    bench.now = Timestamp(50_000);
    answer(&mut bench, Asker::BudgetCall(2), "raise", json!({ "tool_calls": 5 })).expect("taken");
    assert_eq!(bench.state.wake_at(), None, "whether the other one happened is still asked");
    bench.now = Timestamp(90_000);
    answer(&mut bench, Asker::UnknownCall(1), "retry", Value::Null).expect("taken");
    assert_eq!(bench.state.wake_at(), Some(Timestamp(100_000)));
}

#[test]
fn a_step_is_not_ended_while_a_call_that_must_happen_at_most_once_is_under_way() {
    let mut bench = one_under_way_and_one_paused();
    let refused = bench.answer("end", Value::Null).expect_err("its answer would be lost");
    assert!(matches!(refused, Refusal::CallUnderWay { .. }), "{refused}");
    assert!(
        refused.to_string().starts_with("a call in step 'think' that must happen at most once is under way")
    );
    assert_eq!(
        names(&bench.end(1, 1, act("t.once"), Ok(json!("paid")))),
        ["budget-settled", "budget-warned", "call-completed"]
    );
    bench.answer("end", Value::Null).expect("taken");
    assert_eq!(bench.failure().kind, FailureKind::Budget);
}

#[test]
fn a_run_that_waits_for_a_person_is_read_as_often_as_one_likes_and_has_no_more_events() {
    let mut bench = Bench::start("steps:\n  - { id: pay, tool: t.once, budget: { tool_calls: 9 } }\n");
    bench.now = Timestamp(5_000);
    let events = bench.tell(Command::Recover);
    assert_eq!(names(&events), ["budget-reserved", "outcome-unknown", "approval-opened"]);
    for now in [6_000, 7_000] {
        bench.now = Timestamp(now);
        assert!(bench.tell(Command::Recover).is_empty());
    }
}
