//! Calls of agents that a rule stops.

use pawl_core::call::CallRequest;
use pawl_core::event::{Asker, Event};
use pawl_core::state::CallProgress;
use pawl_core::{Command, FailureKind, Refusal, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, pay};

const CLERK: &str = "
permissions: { tools: [bank.*, web.read] }
approvals: [{ tool: bank.* }]
steps: [{ id: work, agent: clerk, timeout: 10s, retry: { max_attempts: 2, on: [transient] } }]
";

fn look() -> CallRequest {
    CallRequest::Tool { name: "bank.look".into(), arguments: json!({ "id": 1 }) }
}

#[test]
fn a_call_stops_and_the_agents_next_run_makes_it() {
    let mut bench = Bench::start(CLERK);
    let events = bench.begin_call(1, 1, pay(50)).unwrap();
    assert!(
        matches!(&events[..], [Event::ApprovalOpened(opened)] if opened.asker == Asker::GuardedCall(1)),
        "{events:#?}"
    );
    // The agent is put away, and the time that a person takes is not its own.
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.state.wake_at(), None);
    let refused = bench.begin_call(2, 2, pay(1)).unwrap_err();
    assert!(matches!(refused, Refusal::CallWaits { .. } | Refusal::CallOutOfOrder { .. }), "{refused}");
    bench.now = Timestamp(1_000_000);
    bench.approve();
    assert_eq!(bench.call(1), CallProgress::Cleared(pay(50)));
    assert_eq!(bench.state.wake_at(), Some(Timestamp(1_010_000)));
    assert_eq!(bench.under_way().len(), 1);
    // It is not asked about twice.
    let events = bench.begin_call(1, 1, pay(50)).unwrap();
    assert!(matches!(&events[..], [Event::CallStarted { .. }]), "{events:#?}");
    bench.end_call(1, pay(50), Ok(json!("paid")));
    // Another call is.
    bench.begin_call(2, 2, pay(50)).unwrap();
    assert_eq!(bench.open().len(), 1);
}

#[test]
fn a_tool_that_may_be_repeated_stops_as_well_and_is_recorded_once() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(1, 1, look()).unwrap();
    bench.approve();
    assert!(bench.begin_call(1, 1, look()).unwrap().is_empty(), "nothing is recorded before it happens");
    bench.end_call(1, look(), Ok(json!(1)));
    assert!(matches!(bench.call(1), CallProgress::Answered { .. }));
    // What no rule is for goes on unasked.
    let read = CallRequest::Tool { name: "web.read".into(), arguments: json!({}) };
    assert!(bench.begin_call(2, 2, read).unwrap().is_empty());
}

#[test]
fn an_edited_call_stays_the_one_that_the_agent_made() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(1, 1, pay(50)).unwrap();
    bench.decide("approve", json!({ "arguments": { "amount": 40 } }), ann()).unwrap();
    assert_eq!(bench.call(1), CallProgress::Cleared(pay(40)));
    // Whatever an engine says, what is made is what was allowed.
    let events = bench.begin_call(1, 1, pay(50)).unwrap();
    let [Event::CallStarted { request, .. }] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(*request, pay(40));
    let digest = |bench: &Bench| bench.state.active().last().unwrap().1.calls.get(1).unwrap().digest;
    assert_eq!(digest(&bench), pay(50).digest(), "a replay compares what the agent asks");
    bench.end_call(1, pay(40), Ok(json!("paid")));
    assert_eq!(digest(&bench), pay(50).digest());
}

#[test]
fn a_rejected_call_is_answered_and_the_agent_goes_on() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(1, 1, pay(50)).unwrap();
    let events = bench.decide("reject", json!({ "note": "no" }), ann()).unwrap();
    assert!(
        matches!(&events[..], [Event::ApprovalDecided(decided), Event::CallCompleted { .. }] if decided.executes.is_none())
    );
    let CallProgress::Answered { response: Err(failure), .. } = bench.call(1) else {
        panic!("{:?}", bench.call(1))
    };
    assert_eq!(failure.kind, FailureKind::Rejected);
    assert_eq!(failure.message, "bank.pay was not allowed by user:ann: no");
    assert_eq!(bench.under_way().len(), 1);
    assert!(bench.state.wake_at().is_some(), "its time goes on");
    // It has done nothing yet, so it may be tried again.
    bench.end(Err(pawl_core::Failure::new(FailureKind::Transient, "busy")));
    assert!(!matches!(bench.state.phase(), pawl_core::state::Phase::Failed(_)));
}

#[test]
fn a_call_of_another_attempt_is_asked_about_anew() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(1, 1, look()).unwrap();
    bench.approve();
    bench.begin_call(1, 1, look()).unwrap();
    bench.end_call(1, look(), Ok(json!(1)));
    bench.end(Err(pawl_core::Failure::new(FailureKind::Transient, "busy")));
    bench.now = bench.state.wake_at().unwrap();
    bench.tell(Command::Tick).unwrap();
    bench.begin_call(1, 1, look()).unwrap();
    assert_eq!(bench.open().len(), 1);
}

#[test]
fn an_allowed_call_that_was_under_way_at_a_crash_is_unknown_with_what_was_allowed() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(1, 1, pay(50)).unwrap();
    bench.decide("approve", json!({ "arguments": { "amount": 40 } }), ann()).unwrap();
    // Before it began, a crash changes nothing.
    assert!(bench.tell(Command::Recover).unwrap().is_empty());
    bench.begin_call(1, 1, pay(40)).unwrap();
    bench.tell(Command::Recover).unwrap();
    let (_, asked) = bench.asked();
    assert_eq!((asked.asker, asked.question.subject), (Asker::UnknownCall(1), Some(json!({ "amount": 40 }))));
    bench.decide("retry", Value::Null, ann()).unwrap();
    assert_eq!(bench.call(1), CallProgress::Cleared(pay(40)));
    let events = bench.begin_call(1, 1, pay(50)).unwrap();
    assert!(
        matches!(&events[..], [Event::CallStarted { request, .. }] if *request == pay(40)),
        "{events:#?}"
    );
    let events = bench.end_call(1, pay(40), Ok(json!("paid")));
    assert!(matches!(&events[..], [Event::CallCompleted { digest, .. }] if *digest == pay(50).digest()));
}

#[test]
fn calls_that_are_made_together_are_all_asked_about() {
    let mut bench = Bench::start(CLERK);
    bench.begin_call(2, 1, pay(2)).unwrap();
    bench.begin_call(1, 1, pay(1)).unwrap();
    let open = bench.open();
    assert_eq!(open.len(), 2);
    for (id, _) in open {
        assert!(bench.under_way().is_empty(), "the agent goes on when all are decided");
        bench.answer(id, "approve", Value::Null, ann()).unwrap();
    }
    assert_eq!(bench.under_way().len(), 1);
    for call in [1, 2] {
        bench.begin_call(call, 1, pay(call.into())).unwrap();
    }
    assert!(matches!((bench.call(1), bench.call(2)), (CallProgress::Running(_), CallProgress::Running(_))));
}
