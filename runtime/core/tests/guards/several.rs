//! Approvals that several people answer, that some may not, and that others are asked when nobody does.

use pawl_core::call::{CallRequest, Question};
use pawl_core::event::{Actor, Event};
use pawl_core::state::Phase;
use pawl_core::terms::{Rung, Terms, VOTES_MAX};
use pawl_core::{Command, Duration, Refusal, Timestamp};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, bob, pay, policy, rule, somebody};
use crate::inbox::{Act, cleo, goes, owner};

fn outputs(bench: &Bench) -> Value {
    match bench.state.phase() {
        Phase::Completed(outputs) => Value::clone(outputs),
        other => panic!("{other:?}"),
    }
}

fn starter() -> Actor {
    Actor { groups: vec!["group:finance".into()], ..somebody("user:starter") }
}

const TWO: &str = "
steps:
  - id: ask
    human: { title: Pay?, to: group:finance, quorum: 2, not_by: initiator, reason: [reject, hold], actions: [approve, hold, reject] }
outputs: { ask: \"${{ steps.ask.output }}\" }
";

#[test]
fn several_people_must_choose_the_same_and_each_counts_once() {
    let mut bench = Bench::start(TWO);
    goes(
        &mut bench,
        &[
            (
                starter(),
                Act::Answer("approve"),
                Err("user:starter may not answer this one: they started the run"),
            ),
            (starter(), Act::Claim, Err("they started the run")),
            (bob(), Act::Answer("approve"), Err("it was asked of: group:finance")),
            (ann(), Act::Answer("hold"), Err("'hold' needs a reason")),
            (ann(), Act::Reason("hold", "  "), Err("'hold' needs a reason")),
            (ann(), Act::Reason("hold", "the bank is shut"), Ok("approval-voted")),
            (ann(), Act::Answer("approve"), Err("user:ann has answered 'hold' before")),
            (ann(), Act::Claim, Err("user:ann has answered 'hold' before")),
            (cleo(), Act::Answer("approve"), Ok("approval-voted")),
            (owner(), Act::Answer("approve"), Ok("approval-decided")),
        ],
    );
    let answer = &outputs(&bench)["ask"];
    assert_eq!((&answer["action"], &answer["by"]), (&json!("approve"), &json!("user:owner")));
    let by: Vec<_> = answer["decisions"].as_array().unwrap().iter().map(|said| said["by"].clone()).collect();
    assert_eq!(by, ["user:ann", "user:cleo", "user:owner"]);
    assert_eq!(answer["decisions"][0]["comment"], "the bank is shut");
}

#[test]
fn one_person_is_enough_to_reject_unless_it_is_written_otherwise() {
    let mut bench = Bench::start(TWO);
    goes(
        &mut bench,
        &[
            (ann(), Act::Answer("approve"), Ok("approval-voted")),
            (cleo(), Act::Reason("reject", "no"), Ok("approval-decided")),
        ],
    );
    assert_eq!(outputs(&bench)["ask"]["action"], "reject");
    let mut bench = Bench::start(&TWO.replace("quorum: 2", "quorum: 2, at_once: [hold]"));
    goes(
        &mut bench,
        &[
            (ann(), Act::Reason("reject", "no"), Ok("approval-voted")),
            (cleo(), Act::Reason("hold", "wait"), Ok("approval-decided")),
        ],
    );
}

#[test]
fn listings_show_what_was_said_so_far() {
    let mut bench = Bench::start(TWO);
    let (id, _) = bench.asked();
    bench.tell(Act::Reason("hold", "wait").by(id.clone(), ann())).unwrap();
    bench.tell(Act::Comment("hm").by(id.clone(), bob())).unwrap();
    let open = bench.state.open_approval(&id).unwrap();
    assert_eq!((open.terms.quorum, open.inbox.comments, open.inbox.votes.len()), (Some(2), 1, 1));
    assert_eq!((open.inbox.votes[0].by.as_str(), open.inbox.votes[0].action.as_str()), ("user:ann", "hold"));
    assert_eq!(open.inbox.excluded, ["user:starter"]);
}

#[test]
fn whoever_answered_a_step_may_not_answer_the_one_that_checks_it() {
    let mut bench = Bench::start(
        "
steps:
  - { id: first, human: { title: One?, quorum: 2 } }
  - { id: second, human: { title: Two?, not_by: [steps.first, group:interns] } }
",
    );
    let id = bench.asked().0;
    bench.tell(Act::Answer("approve").by(id.clone(), ann())).unwrap();
    bench.tell(Act::Answer("approve").by(id, owner())).unwrap();
    assert_eq!(
        bench.state.open_approval(&bench.asked().0).unwrap().inbox.excluded,
        ["user:ann", "user:owner"]
    );
    let intern = Actor { groups: vec!["group:interns".into()], ..somebody("user:ida") };
    goes(
        &mut bench,
        &[
            (ann(), Act::Answer("approve"), Err("they answered step 'first'")),
            // The owner of the folder has two eyes as well.
            (owner(), Act::Answer("approve"), Err("they answered step 'first'")),
            (intern, Act::Answer("approve"), Err("'group:interns' stands in `not_by`")),
            (bob(), Act::Answer("approve"), Ok("approval-decided")),
        ],
    );
}

const LADDER: &str = "
steps:
  - id: ask
    human:
      title: Pay?
      to: user:ann
      due: 8h
      on_timeout: reject
      escalate: [{ after: 1h, to: user:bob }, { after: 2h, to: [group:leads, user:bob] }]
";
const HOUR: u64 = 3_600_000;

#[test]
fn others_are_asked_while_nobody_answers() {
    let mut bench = Bench::start(LADDER);
    let (id, _) = bench.asked();
    let opened = bench.state.open_approval(&id).unwrap().created_at.0;
    assert_eq!(bench.state.wake_at(), Some(Timestamp(opened + HOUR)));
    assert!(bench.tell(Act::Answer("approve").by(id.clone(), bob())).is_err());
    bench.tell(Act::Claim.by(id.clone(), ann())).unwrap();
    bench.now = Timestamp(opened + HOUR);
    let events = bench.tell(Command::Tick).unwrap();
    assert!(matches!(&events[..], [Event::ApprovalEscalated(e)] if e.level == 1), "{events:?}");
    let open = bench.state.open_approval(&id).unwrap();
    assert_eq!(open.inbox.escalated_to, ["user:bob"]);
    // Nobody sits on what others are asked to answer.
    assert_eq!((open.inbox.claim, open.inbox.escalates), (None, Some(Timestamp(opened + 2 * HOUR))));
    bench.now = Timestamp(opened + 2 * HOUR);
    bench.tell(Command::Tick).unwrap();
    let open = bench.state.open_approval(&id).unwrap();
    assert_eq!((open.inbox.level, open.inbox.escalates), (2, None));
    assert_eq!(open.inbox.escalated_to, ["user:bob", "group:leads"]);
    let lead = Actor { groups: vec!["group:leads".into()], ..somebody("user:lea") };
    bench.tell(Act::Claim.by(id.clone(), lead)).unwrap();
    bench.now = Timestamp(opened + 8 * HOUR);
    let late = bench.tell(Act::Claim.by(id, ann())).unwrap_err();
    assert!(late.to_string().contains("user:lea holds") || matches!(late, Refusal::TooLate { .. }), "{late}");
    let events = bench.tell(Command::Tick).unwrap();
    assert!(matches!(&events[0], Event::ApprovalDecided(d) if d.by.name == "timer" && d.action == "reject"));
}

#[test]
fn a_run_that_slept_through_rungs_takes_them_at_once_and_through_the_end_none() {
    let mut bench = Bench::start(LADDER);
    let opened = bench.now.0;
    bench.now = Timestamp(opened + 3 * HOUR);
    let levels = bench.tell(Command::Tick).unwrap();
    assert_eq!(levels.iter().map(Event::name).collect::<Vec<_>>(), ["approval-escalated"; 2]);
    let mut bench = Bench::start(LADDER);
    bench.now = Timestamp(opened + 9 * HOUR);
    let events = bench.tell(Command::Tick).unwrap();
    assert_eq!(events[0].name(), "approval-decided");
}

#[test]
fn a_suspended_run_is_not_escalated_and_its_rungs_come_later() {
    let mut bench = Bench::start(LADDER);
    let (id, _) = bench.asked();
    let before = bench.state.open_approval(&id).unwrap().inbox.escalates.unwrap();
    bench.tell(Command::Suspend { by: owner(), reason: None }).unwrap();
    bench.now = Timestamp(bench.now.0 + 5 * HOUR);
    assert!(bench.tell(Command::Tick).unwrap().is_empty());
    bench.tell(Command::Resume { by: owner() }).unwrap();
    let behind = bench.state.open_approval(&id).unwrap().inbox.escalates.unwrap();
    assert!((behind.0 - before.0).abs_diff(5 * HOUR) < 10, "{before} {behind}");
}

fn strict(terms: Terms) -> Bench {
    let mut rule = rule("bank.pay", &["group:finance"]);
    rule.terms = terms;
    Bench::under(policy(vec![rule]), "steps: [{ id: pay, tool: bank.pay, with: { amount: 50 } }]")
}

fn two() -> Terms {
    Terms { quorum: Some(2), not_by: vec!["initiator".into()], ..Terms::default() }
}

#[test]
fn a_guarded_call_is_made_with_what_several_people_allow() {
    let mut bench = strict(two());
    let id = bench.asked().0;
    let edited = |amount: i64| json!({ "arguments": { "amount": amount } });
    bench.answer(id.clone(), "approve", Value::Null, ann()).unwrap();
    assert!(bench.answer(id.clone(), "approve", Value::Null, ann()).is_err());
    assert!(matches!(bench.decide("approve", Value::Null, starter()), Err(Refusal::Excluded { .. })));
    // Whoever changes the arguments starts over: nobody else has allowed these.
    bench.answer(id.clone(), "approve", edited(40), cleo()).unwrap();
    let open = bench.state.open_approval(&id).unwrap();
    let votes: Vec<_> = open.inbox.votes.iter().map(|vote| (vote.by.as_str(), vote.executes)).collect();
    assert_eq!(votes, [("user:cleo", Some(pay(40).digest()))]);
    assert!(bench.under_way().is_empty());
    // And whose answer stands no more may agree.
    bench.answer(id, "approve", edited(40), ann()).unwrap();
    assert_eq!(bench.under_way()[0].3, json!({ "amount": 40 }));
}

#[test]
fn answers_that_are_changed_again_and_again_have_an_end() {
    let mut bench = strict(two());
    let id = bench.asked().0;
    let mut answer = |number: u32| {
        let (by, data) = (
            if number.is_multiple_of(2) { ann() } else { cleo() },
            json!({ "arguments": { "amount": number } }),
        );
        bench.answer(id.clone(), "approve", data, by)
    };
    for number in 0..VOTES_MAX {
        answer(number).unwrap();
    }
    let refused = answer(VOTES_MAX).unwrap_err();
    assert!(matches!(refused, Refusal::TooMany { limit: "votes_max", .. }), "{refused}");
    bench.answer(id, "reject", Value::Null, ann()).unwrap();
}

#[test]
fn an_answer_to_an_easier_rule_does_not_stand_for_one_to_a_strict_rule() {
    let mut hard = rule("bank.pay", &["group:finance"]);
    hard.terms = two();
    let rules = vec![rule("bank.*", &[]), hard];
    let mut bench = Bench::under(policy(rules), "steps: [{ id: pay, tool: bank.pay, with: { amount: 50 } }]");
    bench.decide("approve", Value::Null, ann()).unwrap();
    assert_eq!(bench.asked().1.question.terms.quorum, Some(2));
    bench.decide("approve", Value::Null, ann()).unwrap();
    assert!(bench.under_way().is_empty());
    bench.decide("approve", Value::Null, cleo()).unwrap();
    assert_eq!(bench.under_way().len(), 1);
}

#[test]
fn whom_others_asked_meet_the_rule_that_was_asked() {
    let mut terms = two();
    terms.escalate = vec![Rung { after: Duration(HOUR), to: vec!["user:lea".into()] }];
    let mut bench = strict(terms);
    let id = bench.asked().0;
    bench.tell(Act::Delegate(&["user:dan"]).by(id.clone(), ann())).unwrap();
    bench.now = Timestamp(bench.now.0 + HOUR);
    bench.tell(Command::Tick).unwrap();
    bench.answer(id.clone(), "approve", Value::Null, somebody("user:dan")).unwrap();
    bench.answer(id, "approve", Value::Null, somebody("user:lea")).unwrap();
    assert_eq!(bench.under_way().len(), 1);
}

const ASKING: &str = "
permissions: { tools: [bank.*], human: true }
approvals:
  - { tool: human.ask, to: [group:finance], quorum: 2, not_by: initiator, reason: required, due: 1h, on_timeout: reject }
  - { tool: human.ask, not_by: [user:eve], when: \"'pay' in arguments.title\" }
  - { tool: bank.* }
steps: [{ id: work, agent: clerk }]
";

#[test]
fn an_agent_cannot_choose_whom_it_asks_where_a_rule_says_so() {
    let mut bench = Bench::start(ASKING);
    let question = |title: &str| Question {
        title: title.into(),
        to: vec!["user:mallory".into()],
        actions: vec!["yes".into(), "reject".into()],
        form: None,
        subject: None,
        due: None,
        on_timeout: None,
        terms: Terms::default(),
    };
    let ask = CallRequest::Human(Box::new(question("pay?")));
    bench.begin_call(1, 1, ask.clone()).unwrap();
    let asked = bench.asked().1.question;
    assert_eq!((asked.to, asked.due), (vec!["group:finance".to_owned()], Some(Duration(HOUR))));
    assert_eq!(asked.terms.quorum, Some(2));
    assert_eq!(asked.terms.not_by, ["initiator", "user:eve"]);
    // What holds for both actions of a rule holds for all of a question.
    assert_eq!(asked.terms.reason, ["yes", "reject"]);
    // The call stays the one that the agent made, which its replay compares.
    let (_, visit) = bench.state.active().last().unwrap();
    assert_eq!(visit.calls.get(1).unwrap().digest, ask.digest());
    goes(
        &mut bench,
        &[
            (somebody("user:mallory"), Act::Reason("yes", "me"), Err("user:mallory may not answer")),
            (ann(), Act::Answer("yes"), Err("needs a reason")),
            (ann(), Act::Reason("yes", "seen"), Ok("approval-voted")),
            (cleo(), Act::Reason("yes", "seen"), Ok("approval-decided")),
        ],
    );
    // One that no rule is for is asked as the agent asks it, whatever stands for all tools.
    let free = ASKING.replace("tool: human.ask", "tool: \"*\"");
    let mut bench = Bench::start(&free);
    bench.begin_call(1, 1, CallRequest::Human(Box::new(question("pay?")))).unwrap();
    assert_eq!(bench.asked().1.question, question("pay?"));
}
