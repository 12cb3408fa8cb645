//! The end of crash torture: each thing that it asks of a run that is over is asked, and of each payment.

use pawl_core::event::{Event, Parent, SignalReceived};
use pawl_core::{Failure, FailureKind, VisitId};
use pawl_tests::torture::{Evidence, Heard, Order, receipt};
use serde_json::{Value, json};

use crate::forged::{
    OTHER, RUN, approval_events, attempt, book, call, command, completed, finds, forged, found, honest, key,
    mine, of_events, person, started, step,
};

fn failed(message: &str) -> Event {
    Event::RunFailed { failure: Failure::new(FailureKind::Permanent, message), step: None }
}

fn ends(outputs: Value) -> Event {
    Event::RunCompleted { outputs: outputs.into() }
}

#[test]
fn a_payment_that_no_event_began() {
    let mut events = approval_events();
    // The journal knows of the step, and not that its tool was to be called.
    events.retain(|event| !matches!(event, Event::AttemptStarted { visit: VisitId(3), .. }));
    finds(&of_events(events), "once", "was made, and no event says that it was to be");
    // A look is none.
    let looks = |evidence: &mut Evidence| {
        evidence.calls[1].call.tool = "orders.lookup".into();
    };
    let mut evidence = honest();
    looks(&mut evidence);
    assert!(!found(&evidence).iter().any(|one| one.contains("no event says")), "{:?}", found(&evidence));
}

#[test]
fn an_approval_that_nobody_answered_and_a_workflow_that_nobody_knows() {
    let mut events = approval_events();
    events.retain(|event| !matches!(event, Event::ApprovalDecided(_)));
    finds(&of_events(events), "ended", "it completed without an answer");
    let mut events = approval_events();
    events[0] = started("another", json!({ "n": 4 }), None);
    finds(&of_events(events), "ended", "nobody knows the workflow 'another'");
}

#[test]
fn a_saga_that_did_not_fail_as_it_should() {
    let saga = |end| of_events(vec![started("saga", json!({ "n": 5, "fails": true }), None), end]);
    finds(&saga(failed("no bike")), "ended", "it was to fail with 'no car'");
    finds(&saga(ends(json!({}))), "ended", "it was to fail with 'no car'");
}

/// A run of `part`, which a run of `subrun` started, with its two calls.
fn part(end: Event) -> Evidence {
    let parent = Some(Parent { run: RUN, visit: VisitId(1) });
    let child = vec![
        started("part", json!({ "order": "A-1001" }), parent),
        step(1, "found"),
        attempt(1, ("orders", "lookup")),
        completed(1),
        step(2, "paid"),
        attempt(2, ("payments", "refund")),
        completed(2),
        end,
    ];
    let mut evidence = honest();
    evidence.books.insert(OTHER, book(OTHER, child));
    evidence.calls.push(call("orders.lookup", &key(OTHER, 1), 35));
    evidence.calls.push(call("payments.refund", &key(OTHER, 2), 65));
    evidence
}

#[test]
fn a_child_that_did_not_end_as_it_should() {
    let right = || ends(json!({ "order": "A-1001", "receipt": receipt(&key(OTHER, 2)) }));
    let of_child = |evidence: &Evidence| {
        found(evidence).into_iter().filter(|one| one.starts_with("[ended]")).collect::<Vec<_>>()
    };
    assert_eq!(of_child(&part(right())), [""; 0]);
    finds(&part(ends(json!({ "receipt": "R-1" }))), "ended", "the receipts outside");
    finds(&part(failed("no")), "ended", "it is failed with");
    let mut evidence = part(right());
    evidence.calls.retain(|call| call.call.key != key(OTHER, 1));
    finds(&evidence, "ended", "(0, 1) calls and payments reached outside, not (1, 1)");
}

#[test]
fn a_run_whose_outputs_are_not_what_its_signals_brought() {
    let signal = |number, name: &str, mark: &str| {
        Event::SignalReceived(Box::new(SignalReceived {
            number,
            name: name.into(),
            data: json!({ "mark": mark }).into(),
            by: person(),
            key: Some(mark.into()),
            trace: None,
        }))
    };
    let of = |marks: Value| {
        let mut evidence = of_events(vec![
            started("signal", json!({ "n": 4 }), None),
            step(1, "first"),
            attempt(1, ("orders", "lookup")),
            completed(1),
            signal(1, "paid", "t2"),
            signal(2, "delivered", "t3"),
            step(2, "second"),
            attempt(2, ("orders", "lookup")),
            completed(2),
            ends(json!({ "n": 4, "found": ["A-1005"], "receipts": [], "marks": marks })),
        ]);
        evidence.commands.truncate(1);
        for (id, name) in [(2, "paid"), (3, "delivered")] {
            let order = Order::Signal { run: RUN, name: name.into() };
            evidence.commands.push(command(id, order, Heard::Accepted(RUN)));
        }
        evidence.calls =
            vec![call("orders.lookup", &key(RUN, 1), 35), call("orders.lookup", &key(RUN, 2), 85)];
        evidence
    };
    assert_eq!(found(&of(json!(["t2", "t3"]))), [""; 0]);
    finds(&of(json!(["t3", "t2"])), "ended", "its marks are");
}

#[test]
fn a_run_that_has_a_receipt_too_many() {
    forged(
        |evidence| {
            let receipts = json!([receipt(&key(RUN, 3)), "R-1"]);
            let outputs = json!({ "n": 4, "found": ["A-1003", "approve"], "receipts": receipts });
            let mut events = approval_events();
            *events.last_mut().unwrap() = ends(outputs);
            *mine(evidence) = book(RUN, events);
        },
        "ended",
        "its receipts are",
    );
}
