//! Forks behind answers of people.

use pawl_core::call::{CallRequest, Question};
use pawl_core::event::{Actor, Event};
use pawl_core::fork::{Change, Fork, Forker, fork};
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::plugin::PluginPins;
use pawl_core::travel::Rehearsal;
use pawl_core::view::Status;
use pawl_core::{Command, Entropy, FailureKind, Moment, Refusal, RunId, StepId};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, bob, pay, somebody};

/// A question to the people of finance, and what its answer lets go on.
fn asks(question: &str) -> Bench {
    Bench::start(&format!(
        "steps:
  - {{ id: before, tool: bank.look, with: {{}} }}
  - {{ id: ask, human: {{ title: Go?, {question} }} }}
  - {{ id: after, tool: bank.look, with: {{}} }}
"
    ))
}

fn finance() -> Bench {
    let mut bench = asks("to: [group:finance]");
    bench.end(Ok(json!({ "found": 1 })));
    bench.approve();
    bench
}

fn envelopes(run: RunId, bench: &Bench, events: &[Event]) -> Vec<Envelope> {
    let mut head = Head::empty(run);
    let rows = journal::encode(&mut head, bench.now, events);
    let mut head = Head::empty(run);
    journal::decode(run, &mut head, rows.iter().map(Vec::as_slice)).expect("readable")
}

/// The seq of the last event of a kind.
fn seq(events: &[Event], name: &str) -> u64 {
    events.iter().rposition(|event| event.name() == name).expect("an event") as u64 + 1
}

struct Ask {
    seq: u64,
    changes: Vec<Change>,
    dry: bool,
    by: Forker,
}

fn at(seq: u64, by: impl Into<Forker>) -> Ask {
    Ask { seq, changes: Vec::new(), dry: false, by: by.into() }
}

fn forked(bench: &Bench, events: &[Event], ask: Ask) -> Result<Vec<Event>, Refusal> {
    let run = bench.state.id();
    let Ask { seq, changes, dry, by } = ask;
    let request = Fork {
        from: run,
        envelopes: &envelopes(run, bench, events),
        seq,
        run: RunId::from_bytes([7; 16]),
        changes,
        agents: PluginPins::default(),
        rehearsal: dry.then_some(Rehearsal { run, dry, model: None }),
        trace: None,
        by,
    };
    let moment = Moment { now: bench.now, entropy: Entropy::new([3; 32]) };
    fork(&bench.definition, request, moment)
        .map(|forked| forked.events.into_iter().map(|one| one.1).collect())
}

fn operator() -> Actor {
    Actor { operator: true, ..somebody("user:owner") }
}

fn only_starts(actor: Actor) -> Forker {
    Forker { actor, decides: false }
}

fn set(step: Option<&str>, path: &str, value: Value) -> Vec<Change> {
    vec![Change { step: step.map(StepId::new), path: vec![path.to_owned()], value }]
}

#[test]
fn a_fork_goes_on_with_an_answer_only_for_who_could_have_given_it() {
    let bench = finance();
    let behind = seq(&bench.events, "step-completed");
    let asked = seq(&bench.events, "approval-opened");
    for (ask, says) in [
        (at(behind, ann()), None),
        (at(behind, operator()), None),
        (at(behind, bob()), Some("user:bob may not answer; it was asked of: group:finance")),
        (at(behind, only_starts(ann())), Some("it takes the right to decide")),
        // Where the question is asked anew, and where nothing is done.
        (at(asked, only_starts(bob())), None),
        (at(1, only_starts(bob())), None),
        (Ask { dry: true, ..at(behind, only_starts(bob())) }, None),
    ] {
        let who = format!("{:?} at {}", ask.by, ask.seq);
        match (forked(&bench, &bench.events, ask), says) {
            (Ok(_), None) => {}
            (Err(Refusal::AnswerOfOthers(said)), Some(says)) => {
                assert!(
                    said.contains(says) && said.contains("'approve' of user:ann at step 'ask'"),
                    "{said}"
                );
            }
            (came, says) => panic!("{who}: {came:?} and not {says:?}"),
        }
    }
}

#[test]
fn nobody_stands_for_several_people_in_a_fork() {
    let cleo = || Actor { name: "user:cleo".into(), ..ann() };
    let dan = || Actor { name: "user:dan".into(), ..ann() };
    for (terms, says) in [
        ("quorum: 2", "several people had to agree"),
        ("not_by: initiator", "compares people"),
        ("not_by: steps.before", "compares people"),
        ("not_by: user:dan", "'user:dan' stands in `not_by`"),
    ] {
        let mut bench = asks(&format!("to: [group:finance], {terms}"));
        bench.end(Ok(json!({})));
        for who in [ann(), cleo()] {
            if bench.state.approvals().any(|(_, approval)| approval.open) {
                bench.decide("approve", Value::Null, who).expect("an answer");
            }
        }
        let behind = seq(&bench.events, "step-completed");
        let refused = forked(&bench, &bench.events, at(behind, dan())).expect_err("refused").to_string();
        assert!(refused.contains(says), "{refused}");
        assert!(forked(&bench, &bench.events, at(behind, operator())).is_ok());
    }
}

#[test]
fn what_time_decided_and_what_was_allowed_and_done_is_nobodys_answer_any_more() {
    let mut bench = asks("to: [group:finance], due: 1h, on_timeout: approve");
    bench.end(Ok(json!({})));
    bench.now = bench.state.wake_at().expect("a due time");
    bench.tell(Command::Tick).expect("ticked");
    let behind = seq(&bench.events, "step-completed");
    assert!(forked(&bench, &bench.events, at(behind, only_starts(bob()))).is_ok());

    let rest = "approvals: [{ tool: bank.pay, to: [group:finance] }]
steps: [{ id: pay, tool: bank.pay, with: { amount: 5 } }, { id: after, tool: bank.look, with: {} }]";
    let mut bench = Bench::start(rest);
    bench.approve();
    bench.end(Ok(json!("paid")));
    let behind = seq(&bench.events, "step-completed");
    let events = forked(&bench, &bench.events, at(behind, only_starts(bob()))).expect("a fork");
    assert_eq!(
        events.iter().filter(|event| event.name() == "attempt-started").count(),
        2,
        "it is not paid again"
    );
}

#[test]
fn an_answer_to_an_agent_is_gone_on_with_only_for_who_could_have_given_it() {
    let mut bench =
        Bench::start("permissions: { tools: [bank.*] }\nsteps: [{ id: think, agent: clerk, with: {} }]");
    let question = Question {
        title: "pay?".into(),
        to: vec!["group:finance".into()],
        actions: vec!["approve".into(), "reject".into()],
        form: None,
        subject: None,
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    };
    bench.begin_call(1, 1, CallRequest::Human(Box::new(question))).expect("asked");
    bench.approve();
    let last = bench.events.len() as u64;
    assert!(forked(&bench, &bench.events, at(last, ann())).is_ok());
    let refused = forked(&bench, &bench.events, at(last, bob())).expect_err("refused");
    assert!(matches!(refused, Refusal::AnswerOfOthers(_)), "{refused}");
}

#[test]
fn no_change_gives_an_answer() {
    let bench = finance();
    let behind = seq(&bench.events, "step-completed");
    let change = || set(Some("ask"), "action", json!("reject"));
    for by in [operator(), ann()] {
        let ask = Ask { changes: change(), ..at(behind, by) };
        let refused = forked(&bench, &bench.events, ask).expect_err("refused").to_string();
        assert!(refused.contains("steps.ask.output is what people answer"), "{refused}");
    }
    // Nor what a step has of the steps within it.
    let mut bench = Bench::start(
        "steps:
  - { id: both, parallel: { branches: { a: [{ id: ask, human: { title: Go? } }], b: [{ id: b, set: 1 }] } } }
  - { id: after, tool: bank.look, with: {} }
",
    );
    bench.approve();
    let behind = seq(&bench.events, "step-completed");
    let ask = Ask { changes: set(Some("both"), "a", json!("approve")), ..at(behind, operator()) };
    let refused = forked(&bench, &bench.events, ask).expect_err("refused").to_string();
    assert!(refused.contains("steps.both.output is what people answer"), "{refused}");
}

#[test]
fn values_behind_the_start_are_changed_past_a_question_only_by_who_may_decide() {
    let bench = finance();
    let before = seq(&bench.events[..bench.events.len() - 3], "step-completed");
    let change = || set(Some("before"), "found", json!(2));
    let inputs = || set(None, "amount", json!(7));
    let by = || only_starts(bob());
    for (ask, is_taken) in [
        (Ask { changes: change(), ..at(before, by()) }, false),
        (Ask { changes: inputs(), ..at(before, by()) }, false),
        (Ask { changes: inputs(), ..at(1, by()) }, true),
        (Ask { changes: change(), dry: true, ..at(before, by()) }, true),
        (Ask { changes: change(), ..at(before, bob()) }, true),
        (Ask { changes: change(), ..at(before, operator()) }, true),
        (at(before, by()), true),
    ] {
        let what = format!("{:?} {:?} dry {}", ask.by, ask.changes, ask.dry);
        let came = forked(&bench, &bench.events, ask);
        assert_eq!(came.is_ok(), is_taken, "{what}: {came:?}");
    }
    // What was changed where nothing was at stake is not taken out of there.
    let dry = Ask { changes: change(), dry: true, ..at(before, by()) };
    let rehearsed = forked(&bench, &bench.events, dry).expect("a rehearsal");
    let opened = seq(&rehearsed, "approval-opened");
    let refused = forked(&bench, &rehearsed, at(opened, by())).expect_err("refused");
    assert!(matches!(refused, Refusal::AnswerOfOthers(_)), "{refused}");
    assert!(forked(&bench, &rehearsed, at(opened, bob())).is_ok());
    // A workflow that asks nobody has no question to be led past.
    let mut bench =
        Bench::start("steps: [{ id: a, tool: bank.look, with: {} }, { id: b, tool: bank.look, with: {} }]");
    bench.end(Ok(json!({ "found": 1 })));
    let behind = seq(&bench.events, "step-completed");
    let ask = Ask { changes: set(Some("a"), "found", json!(2)), ..at(behind, by()) };
    assert!(forked(&bench, &bench.events, ask).is_ok());
}

#[test]
fn a_call_that_was_rejected_is_asked_about_again_when_its_step_is_retried() {
    let mut bench = Bench::start(
        "approvals: [{ tool: bank.pay, to: [group:finance] }]\nsteps: [{ id: pay, tool: bank.pay, with: { amount: 5 } }]",
    );
    bench.decide("reject", Value::Null, ann()).expect("an answer");
    assert_eq!(bench.failure().kind, FailureKind::Rejected);
    bench.tell(Command::Retry { step: None, by: bob() }).expect("retried");
    assert_eq!((bench.state.status(), bench.under_way()), (Status::Waiting, Vec::new()));
    assert_eq!(bench.subject("digest"), json!(pay(5).digest().to_string()));
}
