//! Tools that ask a person before they go on.

use pawl_core::call::{CallRequest, Question};
use pawl_core::elicit::{ACTIONS, ToolAsks};
use pawl_core::event::{Asker, Event, ToolQuestion};
use pawl_core::fork::{Fork, fork};
use pawl_core::journal::{self, Head};
use pawl_core::plugin::PluginPins;
use pawl_core::state::CallProgress;
use pawl_core::{AskedByTool, Command, Digest, Entropy, FailureKind, Moment, Refusal, RunId};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, bob, pay, somebody};

const STEP: &str = "steps: [{ id: pay, tool: bank.pay, with: { amount: 5 }, timeout: 1m }]";
const AGENT: &str = "permissions: { tools: [bank.*] }\nsteps: [{ id: think, agent: clerk, with: {} }]";

fn question(key: &str, message: &str) -> ToolQuestion {
    let form = json!({
        "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"],
    });
    let question = Question {
        title: message.to_owned(),
        to: vec!["group:finance".to_owned()],
        actions: ACTIONS.map(str::to_owned).to_vec(),
        form: Some(form),
        subject: None,
        due: None,
        on_timeout: None,
        terms: pawl_core::terms::Terms::default(),
    };
    ToolQuestion { key: key.to_owned(), digest: Digest::of(message.as_bytes()), question }
}

fn asks(questions: Vec<ToolQuestion>) -> ToolAsks {
    ToolAsks { questions, state: Some("state".to_owned()) }
}

impl Bench {
    fn step_asks(&mut self, asks: ToolAsks) -> Result<Vec<Event>, Refusal> {
        let (visit, attempt, ..) = self.under_way().remove(0);
        let asked = AskedByTool { visit, attempt, call: None, asks, silent: Vec::new() };
        self.tell(Command::AskForTool(Box::new(asked)))
    }

    fn call_asks(&mut self, call: u32, request: CallRequest, asks: ToolAsks) -> Vec<Event> {
        let at = self.place(call, call);
        let asked = AskedByTool {
            visit: at.visit,
            attempt: at.attempt,
            call: Some((at, request)),
            asks,
            silent: Vec::new(),
        };
        self.tell(Command::AskForTool(Box::new(asked))).expect("a question")
    }
}

#[test]
fn a_step_whose_tool_asks_waits_and_is_called_again_with_the_answers() {
    let mut bench = Bench::start(STEP);
    bench.step_asks(asks(vec![question("one", "Which city?"), question("two", "And then?")])).expect("asked");
    assert!(bench.under_way().is_empty(), "nobody works on it meanwhile");
    assert_eq!(bench.state.wake_at(), None, "the time that people take is not the tool's");
    // After a crash it still waits, and nothing is unknown of it.
    assert_eq!(bench.tell(Command::Recover).expect("a recovery"), Vec::new());

    let by = somebody("user:eve");
    let refused = bench.decide("accept", json!({ "city": "Bonn" }), by).expect_err("she was not asked");
    assert!(matches!(refused, Refusal::NotAsked { .. }), "{refused}");
    let refused = bench.decide("accept", Value::Null, ann()).expect_err("the form is not filled in");
    assert!(matches!(refused, Refusal::InvalidForm { .. }), "{refused}");
    let refused = bench.decide("decline", json!({ "city": "Bonn" }), ann()).expect_err("there is no form");
    assert!(matches!(refused, Refusal::InvalidForm { .. }), "{refused}");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    assert_eq!(bench.asked().1.question.title, "And then?");
    assert!(bench.under_way().is_empty());
    bench.decide("decline", Value::Null, ann()).expect("an answer");

    let (visit, attempt, ..) = bench.under_way().remove(0);
    assert_eq!(attempt, 1, "it is the same attempt");
    assert!(bench.state.wake_at().is_some(), "its time goes on");
    let dialogue = bench.state.visit(visit).expect("a visit").dialogues[&None].clone();
    let told: Vec<_> =
        dialogue.answers.iter().map(|a| (a.key.as_str(), a.action.as_str(), (*a.data).clone())).collect();
    assert_eq!(told, [("one", "accept", json!({ "city": "Bonn" })), ("two", "decline", json!({}))]);
    assert_eq!((dialogue.round, dialogue.state.as_deref()), (1, Some("state")));
    // It asks once more, and what it was answered before is not forgotten.
    bench.step_asks(ToolAsks { questions: vec![question("", "Sure?")], state: None }).expect("asked");
    bench.decide("cancel", Value::Null, ann()).expect("an answer");
    let dialogue = &bench.state.visit(visit).expect("a visit").dialogues[&None];
    assert_eq!((dialogue.answers.len(), dialogue.round, dialogue.state.as_deref()), (3, 2, None));
    bench.end(Ok(json!({ "paid": true })));
    assert!(bench.state.status().is_final());
}

#[test]
fn what_was_answered_is_not_for_another_attempt() {
    let mut bench = Bench::start(
        "steps: [{ id: look, tool: bank.look, with: {}, retry: { max_attempts: 2, delay: 1s } }]",
    );
    bench.step_asks(asks(vec![question("", "Which city?")])).expect("asked");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    bench.end(Err(pawl_core::Failure::new(FailureKind::Transient, "later")));
    let (visit, _) = bench.state.active().next().expect("a visit");
    assert!(bench.state.visit(visit).expect("a visit").dialogues.is_empty());
}

#[test]
fn a_call_that_must_happen_once_and_asks_is_not_unknown_before_it_goes_on() {
    let mut bench = Bench::start(AGENT);
    bench.begin_call(1, 1, pay(5)).expect("begun");
    let events = bench.call_asks(1, pay(5), asks(vec![question("", "Which account?")]));
    assert!(matches!(&events[0], Event::ToolAsked(asked) if asked.request.is_none()), "{events:?}");
    assert_eq!(bench.asked().1.asker, Asker::ToolCall(1));
    assert!(bench.under_way().is_empty(), "the agent is put away");
    assert_eq!(bench.tell(Command::Recover).expect("a recovery"), Vec::new());
    let refused = bench.decide("accept", json!({ "city": "Bonn" }), bob()).expect_err("he was not asked");
    assert!(matches!(refused, Refusal::NotAsked { .. }), "{refused}");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    assert_eq!(bench.call(1), CallProgress::Cleared(pay(5)));
    // The agent's next run makes it; a crash in the middle of it is as any.
    bench.begin_call(1, 1, pay(5)).expect("begun");
    bench.tell(Command::Recover).expect("a recovery");
    assert_eq!(bench.asked().1.asker, Asker::UnknownCall(1));
}

#[test]
fn a_call_that_may_be_made_again_is_recorded_with_its_question_and_then_with_its_answer() {
    let mut bench = Bench::start(AGENT);
    let look = CallRequest::Tool { name: "bank.look".into(), arguments: json!({}) };
    let events = bench.call_asks(1, look.clone(), asks(vec![question("", "Which account?")]));
    assert!(matches!(&events[0], Event::ToolAsked(asked) if asked.request.as_ref() == Some(&look)));
    bench.decide("decline", Value::Null, ann()).expect("an answer");
    bench.end_call(1, look, Ok(json!("seen")));
    let (_, visit) = bench.state.active().last().expect("an agent");
    assert!(visit.dialogues.is_empty() && matches!(bench.call(1), CallProgress::Answered { .. }));
}

#[test]
fn a_call_counts_once_in_a_budget_however_often_it_is_sent() {
    let mut bench = Bench::start(&STEP.replace("timeout: 1m", "timeout: 1m, budget: { tool_calls: 1 }"));
    bench.step_asks(asks(vec![question("", "Which city?")])).expect("asked");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    assert_eq!(bench.under_way().len(), 1, "{:?}", bench.open());
    bench.end(Ok(json!({})));
    let exceeded = bench.events.iter().any(|event| matches!(event, Event::BudgetExceeded(_)));
    assert!(!exceeded && bench.state.status().is_final(), "{:?}", bench.events);
}

#[test]
fn an_answer_in_a_suspended_run_is_given_when_it_is_resumed() {
    let mut bench = Bench::start(STEP);
    bench.step_asks(asks(vec![question("", "Which city?")])).expect("asked");
    bench.tell(Command::Suspend { by: ann(), reason: None }).expect("suspended");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    assert_eq!(bench.tell(Command::Recover).expect("a recovery"), Vec::new(), "it was never begun");
    bench.tell(Command::Resume { by: ann() }).expect("resumed");
    let (visit, ..) = bench.under_way().remove(0);
    assert_eq!(bench.state.visit(visit).expect("a visit").dialogues[&None].answers.len(), 1);
}

/// Whether a run can be forked behind its last event.
fn can_fork(bench: &Bench) -> bool {
    let run = bench.state.id();
    let mut head = Head::empty(run);
    let rows = journal::encode(&mut head, bench.now, &bench.events);
    let mut head = Head::empty(run);
    let envelopes = journal::decode(run, &mut head, rows.iter().map(Vec::as_slice)).expect("readable");
    let fork_of = Fork {
        agents: PluginPins::default(),
        rehearsal: None,
        trace: None,
        from: run,
        envelopes: &envelopes,
        seq: envelopes.len() as u64,
        run: RunId::from_bytes([7; 16]),
        changes: Vec::new(),
        by: ann().into(),
    };
    let moment = Moment { now: bench.now, entropy: Entropy::new([3; 32]) };
    fork(&bench.definition, fork_of, moment).is_ok()
}

#[test]
fn a_run_whose_tool_has_asked_cannot_be_forked_before_the_call_is_done() {
    let mut bench = Bench::start(STEP);
    assert!(can_fork(&bench));
    bench.step_asks(asks(vec![question("", "Which city?")])).expect("asked");
    assert!(!can_fork(&bench), "two runs would go on with one call");
    bench.decide("accept", json!({ "city": "Bonn" }), ann()).expect("an answer");
    assert!(!can_fork(&bench));
}
