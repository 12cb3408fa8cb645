//! Steps whose plugin is chosen when they are reached: what holds for named ones holds for them.

use std::collections::BTreeSet;

use pawl_core::event::{Asker, Event};
use pawl_core::guard::Policy;
use pawl_core::plugin::Ceiling;
use pawl_core::state::Phase;
use pawl_core::{Command, Effect, Failure, FailureKind, RouteFound, RouteOutcome, effects};
use serde_json::{Value, json};

use crate::bench::{Bench, ann, pin_of, policy, rule};

const PAID: &str = "
steps:
  - id: pay
    tool: { match: { capability: paying }, failover: true }
    with: { amount: \"${{ inputs.amount }}\" }
outputs: { done: \"${{ steps.pay.output }}\" }
";

/// The router gives this plugin, under any name, with the tool `pay` or the agent.
fn choose(bench: &mut Bench, chosen: &str, like: &str) -> Vec<Event> {
    let wanted = effects(&bench.state).into_iter().find_map(|effect| match effect {
        Effect::Route { visit, .. } => Some(visit),
        Effect::Attempt { .. } | Effect::WakeAt(_) => None,
    });
    let tool = (like == "bank").then(|| "pay".to_owned());
    let (chosen, reason) = (chosen.to_owned(), "it is the only one".to_owned());
    let found = RouteFound { chosen, tool, pin: pin_of(like), candidates: Vec::new(), more: 0, reason };
    let outcome = RouteOutcome::Found(Box::new(found));
    bench.tell(Command::ChooseRoute { visit: wanted.expect("a search"), outcome }).expect("a choice")
}

fn busy() -> Failure {
    Failure::new(FailureKind::Transient, "it is busy")
}

#[test]
fn a_chosen_tool_stops_at_a_person_as_a_named_one_does() {
    let mut bench = Bench::under(policy(vec![rule("bank.*", &["group:finance"])]), PAID);
    let events = choose(&mut bench, "bank", "bank");
    assert!(matches!(events[..], [Event::RouteChosen(_), Event::ApprovalOpened(_)]), "{events:#?}");
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.asked().1.asker, Asker::GuardedStep);
    assert_eq!(bench.subject("tool"), json!("bank.pay"));
    bench.decide("approve", json!({ "arguments": { "amount": 40 } }), ann()).unwrap();
    let (_, attempt, tool, arguments) = bench.under_way().remove(0);
    assert_eq!((attempt, tool.as_str(), arguments), (1, "bank.pay", json!({ "amount": 40 })));
    bench.end(Ok(json!("paid")));
    assert!(matches!(bench.state.phase(), Phase::Completed(_)));

    let mut bench = Bench::under(policy(vec![rule("bank.*", &[])]), PAID);
    choose(&mut bench, "bank", "bank");
    bench.decide("reject", Value::Null, ann()).unwrap();
    assert_eq!(bench.failure().kind, FailureKind::Rejected);

    let mut bench = Bench::under(policy(vec![rule("web.*", &[])]), PAID);
    choose(&mut bench, "bank", "bank");
    assert_eq!(bench.under_way().len(), 1, "no rule is for it");
}

#[test]
fn what_takes_the_place_of_a_failed_tool_is_asked_about_anew() {
    let rules = vec![rule("bank.*", &[]), rule("safe.*", &[]), rule("safe.*", &["group:finance"])];
    let mut bench = Bench::under(policy(rules), PAID);
    choose(&mut bench, "bank", "bank");
    bench.approve();
    bench.end(Err(busy()));
    choose(&mut bench, "safe", "bank");
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.subject("tool"), json!("safe.pay"));
    bench.approve();
    let (_, attempt, tool, _) = bench.under_way().remove(0);
    assert_eq!((attempt, tool.as_str()), (2, "safe.pay"));
    let asked = bench.events.iter().filter(|event| matches!(event, Event::ApprovalOpened(_))).count();
    assert_eq!(asked, 2, "ann meets both rules for the second at once");
    bench.end(Ok(json!("paid")));
    assert!(matches!(bench.state.phase(), Phase::Completed(_)));
}

#[test]
fn another_attempt_of_all_is_asked_about_anew() {
    let text = PAID.replace("    with:", "    retry: { max_attempts: 3, delay: 1s }\n    with:");
    let mut bench = Bench::under(policy(vec![rule("bank.*", &[])]), &text);
    choose(&mut bench, "bank", "bank");
    bench.approve();
    bench.end(Err(busy()));
    let (visit, _) = bench.state.active().next().unwrap();
    let outcome =
        RouteOutcome::None { reason: "there is none".into(), candidates: Vec::new(), passing: false };
    bench.tell(Command::ChooseRoute { visit, outcome }).unwrap();
    bench.now = bench.now.after(pawl_core::Duration(60_000));
    bench.tell(Command::Tick).unwrap();
    choose(&mut bench, "bank", "bank");
    assert!(bench.under_way().is_empty());
    bench.approve();
    assert_eq!(bench.under_way()[0].1, 2);
}

#[test]
fn a_taint_reaches_a_step_whose_plugin_is_chosen() {
    let rule = "approvals: [{ tool: bank.pay, tainted: true }]
permissions: { tools: [bank.pay], models: [default] }
steps:
  - { id: think, agent: clerk }
";
    let routed_tool = |with: &str| {
        format!(
            "  - {{ id: pay, tool: {{ match: {{ capability: paying }} }}, with: {{ amount: \"${{{{ {with} }}}}\" }} }}\n"
        )
    };
    for (with, tainted) in [("steps.think.output.amount", true), ("inputs.amount", false)] {
        let mut bench = Bench::start(&format!("{rule}{}", routed_tool(with)));
        bench.ask_model(1);
        bench.end(Ok(json!({ "amount": 7 })));
        choose(&mut bench, "bank", "bank");
        assert_eq!(!bench.open().is_empty(), tainted, "{with}");
        assert_eq!(bench.under_way().is_empty(), tainted, "{with}");
    }
    // What an agent that was chosen makes of it is tainted as well.
    let routed_agent = "  - { id: ask, agent: { match: { capability: asking } }, with: { it: \"${{ steps.think.output.amount }}\" } }
  - { id: pay, tool: bank.pay, with: { amount: \"${{ steps.ask.output }}\" } }\n";
    let mut bench = Bench::start(&format!("{rule}{routed_agent}"));
    bench.ask_model(1);
    bench.end(Ok(json!({ "amount": 7 })));
    choose(&mut bench, "helper", "clerk");
    bench.end(Ok(json!(7)));
    assert!(bench.under_way().is_empty());
    assert_eq!(bench.subject("tool"), json!("bank.pay"));
}

#[test]
fn what_the_operator_withholds_is_not_done_by_whom_a_route_finds() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    let under = |tools, agents| Policy {
        grants: Ceiling { tools, agents, ..Ceiling::default() },
        ..Policy::default()
    };
    let agent = "steps: [{ id: ask, agent: { match: { capability: asking } } }]\n";
    for (policy, text, like, told) in [
        (under(names(&["web.*"]), None), PAID, "bank", Some("the operator withholds bank.pay")),
        (under(names(&["bank.pay"]), None), PAID, "bank", None),
        (under(None, names(&["other"])), agent, "clerk", Some("the operator withholds clerk")),
        (under(None, names(&["clerk"])), agent, "clerk", None),
    ] {
        let mut bench = Bench::under(policy, text);
        choose(&mut bench, like, like);
        let Some(told) = told else {
            assert_eq!(bench.under_way().len(), 1, "{like}");
            continue;
        };
        assert_eq!(bench.failure().kind, FailureKind::Denied);
        assert!(bench.failure().message.starts_with(told), "{}", bench.failure());
        assert!(!bench.events.iter().any(|event| matches!(event, Event::AttemptStarted { .. })));
    }
}
