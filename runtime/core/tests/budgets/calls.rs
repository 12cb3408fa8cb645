//! The calls of agents.

use pawl_core::budget::Dimension;
use pawl_core::call::CallRequest;
use pawl_core::state::CallProgress;
use pawl_core::view::Status;
use pawl_core::{Command, Failure, FailureKind, Timestamp, VisitId};
use serde_json::{Value, json};

use super::bench::{Bench, act, ann, names, question, said};

fn agent(budget: &str) -> Bench {
    Bench::start(&format!("steps:\n  - {{ id: think, agent: thinker, budget: {budget} }}\n"))
}

#[test]
fn without_a_budget_a_call_has_no_event_of_its_own() {
    let mut bench = Bench::start("steps:\n  - { id: think, agent: thinker }\n");
    assert!(bench.begin(1, 1, question(100)).is_empty());
    assert_eq!(names(&bench.end(1, 1, question(100), said(5, 5))), ["call-completed"]);
    assert!(bench.begin(1, 2, act("t.do")).is_empty());
    assert_eq!(names(&bench.begin(1, 2, act("t.once"))), ["call-started"]);
}

#[test]
fn a_question_keeps_what_it_may_use_and_gives_back_what_it_did_not() {
    let mut bench = agent("{ tokens: 1000, warn_at: 100% }");
    assert_eq!(names(&bench.begin(1, 1, question(500))), ["budget-reserved"]);
    assert_eq!(bench.used(Some(1), Dimension::Tokens), 508);
    assert_eq!(bench.under_way(), [(1, 1)]);
    assert_eq!(names(&bench.end(1, 1, question(500), said(20, 30))), ["budget-settled", "call-completed"]);
    assert_eq!(bench.used(Some(1), Dimension::Tokens), 50);
    assert_eq!(bench.used(Some(1), Dimension::ModelCalls), 1);
}

#[test]
fn a_call_that_does_not_fit_waits_and_is_made_when_there_is_more() {
    let mut bench = agent("{ tokens: 1000 }");
    bench.call(1, 1, question(100), said(100, 600));
    let events = bench.begin(1, 2, question(400));
    assert_eq!(names(&events), ["budget-exceeded", "approval-opened"]);
    assert!(bench.under_way().is_empty(), "nobody is left to work on it");
    assert_eq!(bench.state.status(), Status::Waiting);
    assert!(matches!(bench.progress(1, 2), CallProgress::Paused(_, Some(_))));
    let (_, approval) = bench.state.approvals().next().expect("a question");
    let title = "Give step 'think' more for model big? tokens: step 'think' has used 700 of 1000";
    assert_eq!(approval.question.title, title);
    assert_eq!(approval.question.actions, ["raise", "end"]);

    let missing = bench.answer("raise", Value::Null).expect_err("nothing is given");
    assert!(
        missing.to_string().contains("'raise' needs how much more, at least one of: tokens"),
        "{missing}"
    );
    assert!(bench.answer("raise", json!({ "tokens": 0 })).is_err());
    assert!(bench.answer("raise", json!({ "money": 1 })).is_err(), "there is no lack of that");
    assert_eq!(names(&bench.raise(json!({ "tokens": 50 }))), ["approval-decided", "budget-raised"]);
    assert_eq!(bench.under_way(), [(1, 1)]);
    // That was too little.
    assert_eq!(names(&bench.begin(1, 2, question(400))), ["budget-exceeded", "approval-opened"]);
    bench.raise(json!({ "tokens": 1000 }));
    bench.call(1, 2, question(400), said(1, 1));
    assert_eq!(bench.used(Some(1), Dimension::Tokens), 702);
    bench.end_attempt(1, Ok(json!("done")));
    assert_eq!(bench.state.status(), Status::Completed);
}

#[test]
fn who_gives_no_more_fails_the_step_and_a_catch_sees_why() {
    let step = "steps:\n  - id: think\n    agent: thinker\n    budget: { tool_calls: 1 }\n    retry: { max_attempts: 3, on: [budget, transient] }\n";
    let mut bench = Bench::start(step);
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.begin(1, 2, act("t.once"));
    let events = bench.answer("end", Value::Null).expect("taken");
    assert_eq!(names(&events), ["approval-decided", "attempt-failed", "step-failed", "run-failed"]);
    let failure = bench.failure();
    assert_eq!(failure.kind, FailureKind::Budget);
    assert!(failure.message.ends_with("tool_calls: step 'think' has used 1 of 1"), "{}", failure.message);

    let mut bench = Bench::start(&format!("{step}    catch: [{{ id: c, set: '${{{{ error.kind }}}}' }}]\n"));
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.begin(1, 2, act("t.do"));
    bench.answer("end", Value::Null).expect("taken");
    assert_eq!(bench.state.output("think"), Some(&json!("budget")));
}

#[test]
fn a_call_that_a_crash_cut_off_counts_and_its_repetition_counts_as_well() {
    let mut bench = agent("{ tool_calls: 3, tokens: 5000, warn_at: 100% }");
    bench.begin(1, 1, question(500));
    // The process dies; another one runs the agent from the top, at the same instant and later.
    assert!(bench.tell(Command::Recover).is_empty());
    assert_eq!(names(&bench.begin(1, 1, question(500))), ["budget-reserved"]);
    assert_eq!(bench.used(Some(1), Dimension::Tokens), 1016);
    bench.now = Timestamp(60_000);
    assert_eq!(names(&bench.tell(Command::Recover)), ["budget-settled"]);
    bench.call(1, 1, question(500), said(10, 10));
    assert_eq!(bench.used(Some(1), Dimension::Tokens), 1016 + 20);
    assert_eq!(bench.used(Some(1), Dimension::ModelCalls), 3);
    assert_eq!(bench.used(Some(1), Dimension::Duration), 0, "nobody worked on it between the two");
    // What must happen at most once asks a person, and its count stays.
    assert_eq!(names(&bench.begin(1, 2, act("t.once"))), ["budget-reserved", "call-started"]);
    bench.tell(Command::Recover);
    bench.answer("retry", Value::Null).expect("taken");
    bench.call(1, 2, act("t.once"), Ok(json!("paid")));
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 2);
}

#[test]
fn most_of_a_limit_is_told_once() {
    let mut bench = agent("{ calls: 4, warn_at: 50% }");
    let mut warned = Vec::new();
    for call in 1..=4 {
        bench.begin(1, call, act("t.do"));
        warned.push(names(&bench.end(1, call, act("t.do"), Ok(json!(1)))).contains(&"budget-warned"));
    }
    assert_eq!(warned, [false, true, false, false]);
}

#[test]
fn the_time_of_calls_is_added_up_and_looked_at_before_the_next() {
    let mut bench = agent("{ duration: 10s, warn_at: 100% }");
    for call in 1..=2 {
        bench.begin(1, call, act("t.do"));
        bench.now = bench.now.after(pawl_core::Duration(6_000));
        bench.end(1, call, act("t.do"), Ok(json!(1)));
        // The agent waits for an hour, which is nobody's work.
        bench.now = bench.now.after(pawl_core::Duration(3_600_000));
    }
    assert_eq!(bench.used(Some(1), Dimension::Duration), 12_000);
    assert!(names(&bench.begin(1, 3, act("t.do"))).contains(&"budget-exceeded"));
    assert!(bench.answer("raise", json!({ "duration": 5 })).is_err(), "it has no unit");
    bench.raise(json!({ "duration": "2s" }));
    assert!(names(&bench.begin(1, 3, act("t.do"))).contains(&"budget-exceeded"), "there is none left yet");
    bench.raise(json!({ "duration": "1ms" }));
    bench.call(1, 3, act("t.do"), Ok(json!(1)));
}

#[test]
fn money_is_counted_by_the_price_and_given_with_a_point() {
    // `{"max_tokens":100,"messages":[]}` is 8 tokens, and with 100 to write 208 parts.
    let mut bench = agent("{ money: 0.0005, warn_at: 100% }");
    bench.call(1, 1, question(100), said(100, 100));
    assert_eq!(bench.used(Some(1), Dimension::Money), 300);
    assert!(names(&bench.begin(1, 2, question(100))).contains(&"budget-exceeded"));
    bench.raise(json!({ "money": 0.00001 }));
    bench.call(1, 2, question(100), said(8, 100));
    assert_eq!(bench.used(Some(1), Dimension::Money), 508);
    // Tools cost nothing.
    bench.call(1, 3, act("t.do"), Ok(json!(1)));
}

#[test]
fn an_agent_that_is_called_spends_what_is_its_callers_and_ends_its_step() {
    let mut bench = agent("{ tool_calls: 1 }");
    bench.begin(1, 1, CallRequest::Agent { name: "helper".into(), task: json!({}) });
    bench.call(2, 1, act("t.do"), Ok(json!(1)));
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 1);
    bench.begin(2, 2, act("t.do"));
    assert!(bench.under_way().is_empty());
    bench.answer("end", Value::Null).expect("taken");
    assert_eq!(bench.failure().kind, FailureKind::Budget);
}

#[test]
fn while_one_call_waits_no_other_begins_and_those_that_were_begun_end() {
    let mut bench = agent("{ tool_calls: 2 }");
    let place = |call| pawl_core::CallPlace { visit: VisitId(1), attempt: 1, call, first: 1 };
    let begin = |at| Command::BeginCall { at, request: act("t.do"), silent: Vec::new() };
    bench.tell(begin(place(1)));
    bench.tell(begin(place(2)));
    assert!(names(&bench.tell(begin(place(3)))).contains(&"budget-exceeded"));
    assert!(bench.try_tell(begin(place(4))).is_err());
    for call in [2, 1] {
        let (at, request) = (place(call), act("t.do"));
        bench.tell(Command::EndCall { at, request, response: Ok(json!(call)), silent: Vec::new() });
    }
    bench.raise(json!({ "tool_calls": 2 }));
    bench.tell(begin(place(3)));
    bench.tell(begin(place(4)));
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 4);
}

#[test]
fn a_person_takes_the_time_that_they_take() {
    let step = "steps:\n  - { id: think, agent: thinker, timeout: 10s, budget: { tool_calls: 1 } }\n";
    let mut bench = Bench::start(step);
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.begin(1, 2, act("t.do"));
    assert_eq!(bench.state.wake_at(), None);
    bench.now = Timestamp(90_000_000);
    bench.raise(json!({ "tool_calls": 1 }));
    assert_eq!(bench.state.wake_at(), Some(Timestamp(90_010_000)));
    // A call that its time ran out in has used it.
    bench.begin(1, 2, act("t.do"));
    bench.now = Timestamp(90_010_000);
    let events = bench.tell(Command::Tick);
    assert_eq!(names(&events)[..2], ["budget-settled", "attempt-failed"]);
    assert_eq!(bench.used(Some(1), Dimension::Duration), 10_000);
}

#[test]
fn attempts_and_retries_of_a_step_share_its_budget() {
    let step = "steps:\n  - id: think\n    agent: thinker\n    budget: { tool_calls: 3 }\n    retry: { max_attempts: 2, delay: 1ms }\n";
    let mut bench = Bench::start(step);
    let busy = || Err(Failure::new(FailureKind::Transient, "busy"));
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.end_attempt(1, busy());
    bench.now = bench.state.wake_at().expect("a retry");
    bench.tell(Command::Tick);
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    bench.end_attempt(1, busy());
    bench.tell(Command::Retry { step: None, by: ann() });
    bench.call(1, 1, act("t.do"), Ok(json!(1)));
    assert_eq!(bench.used(Some(1), Dimension::ToolCalls), 3);
    assert!(names(&bench.begin(1, 2, act("t.do"))).contains(&"budget-exceeded"));
}
