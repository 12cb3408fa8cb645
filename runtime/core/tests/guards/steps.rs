//! Tool steps that a rule stops.

use pawl_core::event::{Asker, Event};
use pawl_core::state::Phase;
use pawl_core::view::Status;
use pawl_core::{Command, Duration, FailureKind, Refusal, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, bob, pay, policy, rule, somebody};

const PAY: &str = "
approvals: [{ tool: bank.pay, to: [group:finance] }]
steps: [{ id: pay, tool: bank.pay, with: { amount: \"${{ inputs.amount }}\" } }]
outputs: { done: \"${{ steps.pay.output }}\" }
";

#[test]
fn a_step_stops_before_its_first_attempt_and_goes_on_with_what_was_allowed() {
    let mut bench = Bench::start(PAY);
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.state.status(), Status::Waiting);
    let (id, asked) = bench.asked();
    assert_eq!(asked.asker, Asker::GuardedStep);
    assert_eq!(asked.question.title, "Allow bank.pay in step 'pay'?");
    assert_eq!(
        asked.question.subject.unwrap(),
        json!({
            "tool": "bank.pay", "arguments": { "amount": 50 }, "digest": pay(50).digest().to_string(),
            "because": ["workflow 'w' asks for it"],
        })
    );
    let refused = bench.decide("approve", Value::Null, bob()).unwrap_err();
    assert!(matches!(refused, Refusal::NotAsked { .. }), "{refused}");
    let refused = bench.decide("perhaps", Value::Null, ann()).unwrap_err();
    assert!(matches!(refused, Refusal::UnknownAction { .. }), "{refused}");
    let events = bench.decide("approve", Value::Null, ann()).unwrap();
    // What is allowed begins in the same commit.
    assert!(matches!(events[..], [Event::ApprovalDecided(_), Event::AttemptStarted { .. }]), "{events:#?}");
    let Event::ApprovalDecided(decided) = &events[0] else { panic!() };
    assert_eq!(decided.executes, Some(pay(50).digest()));
    assert_eq!(bench.under_way()[0].3, json!({ "amount": 50 }));
    let again = bench.answer(id, "approve", Value::Null, ann()).unwrap_err();
    assert!(matches!(again, Refusal::AlreadyDecided { .. }), "{again}");
    bench.end(Ok(json!("paid")));
    assert!(matches!(bench.state.phase(), Phase::Completed(_)));
}

#[test]
fn edited_arguments_fit_the_tool_and_are_what_it_gets() {
    let mut bench = Bench::start(PAY);
    for (action, data, expected) in [
        ("approve", json!({ "arguments": { "amount": "much" } }), "arguments: /amount"),
        ("approve", json!({ "arguments": { "amount": 1, "to": "me" } }), "to"),
        ("approve", json!({ "arguments": 5 }), "object"),
        ("approve", json!({ "argument": { "amount": 1 } }), "argument"),
        ("reject", json!({ "arguments": { "amount": 1 } }), "goes with 'approve'"),
    ] {
        let refused = bench.decide(action, data.clone(), ann()).unwrap_err().to_string();
        assert!(refused.contains(expected), "{data}: {refused}");
    }
    let events = bench.decide("approve", json!({ "arguments": { "amount": 40 } }), ann()).unwrap();
    let Event::ApprovalDecided(decided) = &events[0] else { panic!("{events:#?}") };
    assert_eq!(decided.executes, Some(pay(40).digest()));
    assert_eq!(bench.under_way()[0].3, json!({ "amount": 40 }));
}

#[test]
fn a_rejected_step_fails_and_can_be_caught() {
    let mut bench = Bench::start(PAY);
    bench.decide("reject", json!({ "note": "too much" }), ann()).unwrap();
    assert_eq!(bench.failure().kind, FailureKind::Rejected);
    assert_eq!(bench.failure().message, "bank.pay was not allowed by user:ann: too much");
    let caught = "
approvals: [{ tool: bank.* }]
steps:
  - id: pay
    tool: bank.pay
    with: { amount: 1 }
    retry: { max_attempts: 3, on: [rejected] }
    catch: [{ id: note, set: \"${{ error.kind }}\" }]
outputs: { kind: \"${{ steps.pay.output }}\" }
";
    let mut bench = Bench::start(caught);
    bench.decide("reject", Value::Null, ann()).unwrap();
    let Phase::Completed(outputs) = bench.state.phase() else { panic!("{:?}", bench.state.phase()) };
    assert_eq!(**outputs, json!({ "kind": "rejected" }));
    assert!(!bench.events.iter().any(|event| matches!(event, Event::AttemptStarted { .. })));
}

#[test]
fn a_rule_is_for_calls_that_it_holds_for() {
    let text = |when: &str, amount: i64| {
        format!(
            "steps: [{{ id: pay, tool: bank.pay, with: {{ amount: {amount} }}, approvals: [{{ tool: bank.pay, when: \"{when}\" }}] }}]"
        )
    };
    for (when, amount, stops) in [
        ("arguments.amount > 100", 100, false),
        ("arguments.amount > 100", 101, true),
        // What cannot be evaluated is no way round a rule.
        ("arguments.sum > 100", 1, true),
        ("arguments.amount", 1, true),
    ] {
        let bench = Bench::start(&text(when, amount));
        assert_eq!(bench.open().len(), usize::from(stops), "{when}, {amount}");
        assert_eq!(bench.under_way().is_empty(), stops);
    }
    let bench = Bench::start(&text("arguments.sum > 100", 1));
    let because = bench.subject("because")[0].as_str().unwrap().to_owned();
    assert!(because.contains("step 'pay' asks for it, since its condition cannot be evaluated"), "{because}");
    let other = Bench::under(policy(vec![rule("web.*", &[])]), &text("false", 1));
    assert!(other.open().is_empty());
}

#[test]
fn time_decides_as_the_rule_says() {
    for (on_timeout, paid) in [("reject", false), ("approve", true)] {
        let text = format!(
            "approvals: [{{ tool: '*', due: 1h, on_timeout: {on_timeout} }}]\nsteps: [{{ id: pay, tool: bank.pay, with: {{ amount: 1 }} }}]"
        );
        let mut bench = Bench::start(&text);
        let due = bench.asked().1.due.unwrap();
        bench.now = Timestamp(due.0);
        let late = bench.decide("approve", Value::Null, ann()).unwrap_err();
        assert!(matches!(late, Refusal::TooLate { .. }));
        bench.tell(Command::Tick).unwrap();
        assert_eq!(bench.under_way().len(), usize::from(paid));
        if !paid {
            assert!(bench.failure().message.ends_with("not allowed by timer"), "{}", bench.failure());
        }
    }
}

#[test]
fn rules_that_ask_different_people_are_met_one_after_the_other() {
    let operator = policy(vec![rule("bank.*", &["group:security"])]);
    let mut bench = Bench::under(operator.clone(), PAY);
    assert_eq!(bench.asked().1.question.to, ["group:security"]);
    assert_eq!(bench.subject("because"), json!(["the operator asks for it", "workflow 'w' asks for it"]));
    bench.decide("approve", Value::Null, bob()).unwrap();
    // The workflow's rule is still to be met, and the operator's is.
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.asked().1.question.to, ["group:finance"]);
    // Other arguments are another call: both are asked again.
    bench.decide("approve", json!({ "arguments": { "amount": 40 } }), ann()).unwrap();
    assert_eq!(bench.asked().1.question.to, ["group:security"]);
    assert_eq!(bench.subject("arguments"), json!({ "amount": 40 }));
    bench.decide("approve", Value::Null, bob()).unwrap();
    assert_eq!(bench.under_way()[0].3, json!({ "amount": 40 }));

    // Whoever acts for the operator meets every rule at once.
    let mut bench = Bench::under(operator, PAY);
    let mut operator = somebody("user:root");
    operator.operator = true;
    bench.decide("approve", Value::Null, operator).unwrap();
    assert_eq!(bench.under_way().len(), 1);
}

#[test]
fn time_meets_no_other_rule_than_its_own() {
    let mut timed = rule("bank.*", &[]);
    (timed.due, timed.on_timeout) = (Some(Duration(60_000)), Some("approve".into()));
    let mut bench = Bench::under(
        policy(vec![timed, rule("bank.pay", &[])]),
        PAY.split_once("steps:").map(|(_, steps)| format!("steps:{steps}")).unwrap().as_str(),
    );
    bench.now = bench.asked().1.due.unwrap();
    bench.tell(Command::Tick).unwrap();
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.asked().1.due, None);
    bench.decide("approve", Value::Null, ann()).unwrap();
    assert_eq!(bench.under_way().len(), 1);
}

#[test]
fn what_was_allowed_while_a_run_stood_still_begins_when_it_is_resumed() {
    let mut bench = Bench::start(PAY);
    bench.tell(Command::Suspend { by: ann(), reason: None }).unwrap();
    bench.approve();
    // A process that dies meanwhile has not paid, so nobody is asked whether it has.
    bench.tell(Command::Recover).unwrap();
    assert!(bench.open().is_empty());
    bench.tell(Command::Resume { by: ann() }).unwrap();
    assert_eq!(bench.under_way().len(), 1);
    // From here on it is as any payment that was under way.
    bench.tell(Command::Recover).unwrap();
    assert_eq!(bench.asked().1.asker, Asker::UnknownStep);
    bench.decide("retry", Value::Null, ann()).unwrap();
    assert_eq!(bench.under_way().len(), 1, "it is not asked twice for the same call");
}

#[test]
fn a_wait_for_a_person_ends_with_its_step() {
    let text = "
approvals: [{ tool: bank.pay }]
timeout: 1m
steps: [{ id: pay, tool: bank.pay, with: { amount: 1 } }]
";
    let mut bench = Bench::start(text);
    bench.now = Timestamp(1_000 + 60_000);
    bench.tell(Command::Tick).unwrap();
    assert_eq!(bench.failure().kind, FailureKind::Timeout);
    assert!(bench.open().is_empty());
}
