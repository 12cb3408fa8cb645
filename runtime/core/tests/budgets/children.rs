//! Runs that a step starts share the budgets of the run that they are started by.

use pawl_core::budget::{Amounts, Dimension};
use pawl_core::event::Event;
use pawl_core::letter::{Letter, letter};
use pawl_core::{Command, Failure, FailureKind, RunId, VisitId};
use serde_json::{Value, json};

use super::bench::{Bench, act, ann, names};

/// What the runs that were started may use of a thing, in their order.
fn allowances(events: &[Event], dimension: Dimension) -> Vec<u64> {
    let allowance = |event: &Event| match event {
        Event::ChildStarted { allowance, .. } => allowance.get(dimension),
        _ => None,
    };
    events.iter().filter_map(allowance).collect()
}

fn all(bench: &Bench) -> Vec<Event> {
    bench.envelopes().into_iter().map(|envelope| envelope.event).collect()
}

fn child(bench: &Bench, number: usize) -> (VisitId, RunId) {
    bench.state.children().nth(number).expect("a child")
}

fn tool_calls(calls: u64) -> Amounts {
    Amounts::default().with(Dimension::Calls, calls).with(Dimension::ToolCalls, calls)
}

fn ends(bench: &mut Bench, number: usize, spent: u64) -> Vec<Event> {
    let (visit, child) = child(bench, number);
    bench.tell(Command::EndChild {
        visit,
        child,
        result: Ok(json!({})),
        tainted: pawl_core::taint::Sources::default(),
        spent: tool_calls(spent),
    })
}

#[test]
fn a_child_may_use_what_is_left_and_what_it_did_not_use_comes_back() {
    let steps = "budget: { tool_calls: 10 }\nsteps:\n  - { id: do, tool: t.do }\n  - { id: sub, workflow: inner }\n  - { id: then, tool: t.do }\n";
    let mut bench = Bench::start(steps);
    bench.end_attempt(1, Ok(json!(1)));
    assert_eq!(allowances(&all(&bench), Dimension::ToolCalls), [9]);
    assert_eq!(bench.used(None, Dimension::ToolCalls), 10, "all of it is kept for the child");
    ends(&mut bench, 0, 4);
    assert_eq!(bench.used(None, Dimension::ToolCalls), 1 + 4 + 1);
}

#[test]
fn children_beside_each_other_get_equal_shares_and_never_more_than_there_is() {
    let steps = "budget: { tool_calls: 10, tokens: 100 }\nsteps:\n  - id: each\n    map: { items: range(5), max_parallel: 3, steps: [{ id: sub, workflow: inner }] }\n";
    let mut bench = Bench::start(steps);
    assert_eq!(allowances(&all(&bench), Dimension::ToolCalls), [3, 3, 4]);
    assert_eq!(allowances(&all(&bench), Dimension::Tokens), [33, 33, 34]);
    // One that used nothing leaves all of its share to the next.
    ends(&mut bench, 0, 0);
    assert_eq!(allowances(&all(&bench), Dimension::ToolCalls), [3, 3, 4, 3]);
    ends(&mut bench, 0, 3);
    assert_eq!(allowances(&all(&bench), Dimension::ToolCalls), [3, 3, 4, 3, 0]);
}

#[test]
fn a_child_beside_agents_leaves_them_their_share() {
    let steps = "budget: { tool_calls: 9 }\nsteps:\n  - id: both\n    parallel:\n      branches:\n        one: [{ id: sub, workflow: inner }]\n        two: [{ id: think, agent: thinker }]\n        three: [{ id: last, workflow: inner }]\n";
    let mut bench = Bench::start(steps);
    assert_eq!(allowances(&all(&bench), Dimension::ToolCalls), [3, 3]);
    let thinker = bench.under_way()[0].0;
    for call in 1..=3 {
        bench.call(thinker, call, act("t.do"), Ok(json!(1)));
    }
    assert!(names(&bench.begin(thinker, 4, act("t.do"))).contains(&"budget-exceeded"));
}

#[test]
fn the_narrowest_budget_around_it_is_what_a_child_gets() {
    let steps = "budget: { tool_calls: 10, tokens: 50 }\nsteps:\n  - { id: sub, workflow: inner, budget: { tool_calls: 4, model_calls: 7 } }\n";
    let bench = Bench::start(steps);
    let allowed = |dimension| allowances(&all(&bench), dimension);
    assert_eq!(allowed(Dimension::ToolCalls), [4]);
    assert_eq!(allowed(Dimension::Tokens), [50]);
    assert_eq!(allowed(Dimension::ModelCalls), [7]);
    let started =
        all(&bench).into_iter().find(|event| matches!(event, Event::ChildStarted { .. })).expect("it");
    let Some(Letter::StartChild(start)) = letter(&bench.state, &started) else { panic!("no letter") };
    assert_eq!(start.allowance.get(Dimension::ToolCalls), Some(4));
    assert_eq!(start.prices.len(), 1);
}

#[test]
fn a_childs_own_budget_narrows_and_it_tells_what_it_has_used() {
    let steps = "budget: { tool_calls: 2, model_calls: 9 }\nsteps:\n  - { id: think, agent: thinker }\n";
    let mut bench = Bench::allowed(steps, tool_calls(5));
    for call in 1..=2 {
        bench.call(1, call, act("t.do"), Ok(json!(1)));
    }
    assert!(names(&bench.begin(1, 3, act("t.do"))).contains(&"budget-exceeded"));
    bench.raise(json!({ "tool_calls": 10 }));
    bench.call(1, 3, act("t.do"), Ok(json!(1)));
    let events = bench.end_attempt(1, Ok(json!(1)));
    let Some(Letter::EndChild { spent, .. }) = events.last().and_then(|event| letter(&bench.state, event))
    else {
        panic!("no letter")
    };
    assert_eq!(spent.used(Dimension::ToolCalls), 3);

    // Without a budget of its own it has its parent's, and one of nothing asks at once.
    let mut bench = Bench::allowed("steps:\n  - { id: do, tool: t.do }\n", tool_calls(0));
    assert!(bench.asked().is_empty(), "nothing is limited");
    let nothing: Amounts = [(Dimension::ToolCalls, 0)].into_iter().collect();
    bench = Bench::allowed("steps:\n  - { id: do, tool: t.do }\n", nothing);
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn a_child_that_is_not_needed_any_more_is_settled_when_it_has_ended() {
    let steps = "budget: { tool_calls: 10 }\nsteps:\n  - id: first\n    parallel:\n      join: any\n      branches:\n        one: [{ id: sub, workflow: inner }]\n        two: [{ id: do, tool: t.do }]\n  - { id: ask, human: { title: Well? } }\n";
    let mut bench = Bench::start(steps);
    let (visit, run) = child(&bench, 0);
    let doing = bench.under_way()[0].0;
    bench.end_attempt(doing, Ok(json!(1)));
    assert_eq!(bench.state.children().count(), 0);
    assert_eq!(bench.used(None, Dimension::ToolCalls), 6, "its share is still kept for it");
    let failure = Failure::new(FailureKind::Cancelled, "it was cancelled");
    let end = || Command::EndChild {
        visit,
        child: run,
        result: Err(failure.clone()),
        tainted: pawl_core::taint::Sources::default(),
        spent: tool_calls(2),
    };
    assert_eq!(names(&bench.tell(end())), ["budget-settled"]);
    assert_eq!(bench.used(None, Dimension::ToolCalls), 3);
    assert!(bench.try_tell(end()).is_err(), "it is told once");
    let title: Vec<_> = bench.asked();
    assert_eq!(title.len(), 1);
    let approval = title[0].clone();
    bench.tell(Command::Decide {
        approval,
        action: "approve".into(),
        data: Value::Null,
        by: ann(),
        comment: None,
    });
}
