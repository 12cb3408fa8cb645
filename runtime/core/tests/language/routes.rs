use std::collections::BTreeMap;

use pawl_core::event::{Candidate, Event};
use pawl_core::plugin::{Description, EffectClass, PluginOrigin, PluginPin, ToolDescription};
use pawl_core::view::{Status, Waiting};
use pawl_core::{
    Command, Digest, Effect, Failure, FailureKind, RouteFound, RouteOutcome, StepId, VisitId, effects,
};
use serde_json::json;

use crate::bench::{Bench, ann, busy, no};

fn tool(name: &str, effect: EffectClass) -> ToolDescription {
    let (summary, input_schema, output_schema) = (String::new(), json!({}), json!({}));
    ToolDescription { name: name.into(), summary, input_schema, output_schema, effect }
}

fn found(chosen: &str, effect: EffectClass) -> RouteOutcome {
    let pin = PluginPin {
        component: Digest::of(chosen.as_bytes()),
        origin: PluginOrigin::Folder(format!("{chosen}.wasm")),
        description: Description::Tools(vec![tool("find", effect)]),
        limits: BTreeMap::new(),
        named: None,
    };
    let candidate = Candidate {
        name: chosen.into(),
        tool: Some("find".into()),
        priority: 0,
        cost: None,
        latency_ms: None,
        health_permille: 1_000,
        left_out: None,
    };
    let (chosen, tool, reason) = (chosen.into(), Some("find".into()), "it is the only one".into());
    RouteOutcome::Found(Box::new(RouteFound {
        chosen,
        tool,
        pin,
        candidates: vec![candidate],
        more: 0,
        reason,
    }))
}

fn none(passing: bool) -> RouteOutcome {
    RouteOutcome::None { reason: "there is none".into(), candidates: Vec::new(), passing }
}

/// What is looked for: the plugins that are left out, and whether there is no hurry.
fn wanted(bench: &Bench) -> Option<(VisitId, Vec<String>, bool)> {
    effects(&bench.state).into_iter().find_map(|effect| match effect {
        Effect::Route { visit, failed, waits, .. } => Some((visit, failed.into_iter().collect(), waits)),
        Effect::Attempt { .. } | Effect::WakeAt(_) => None,
    })
}

fn choose(bench: &mut Bench, outcome: RouteOutcome) {
    let visit = wanted(bench).expect("something is looked for").0;
    bench.tell(Command::ChooseRoute { visit, outcome });
}

fn pick(bench: &mut Bench, chosen: &str) {
    choose(bench, found(chosen, EffectClass::Idempotent));
}

fn step(route: &str, more: &str) -> String {
    format!(
        "steps:\n  - id: a\n    tool: {{ match: {{ capability: lookup, labels: {{ n: \"n${{{{ inputs.n }}}}\" }} }}{route} }}\n    \
         with: {{ it: \"${{{{ inputs.n }}}}\" }}\n{more}outputs: {{ it: \"${{{{ steps.a.output.it }}}}\" }}\n"
    )
}

fn names(bench: &Bench) -> Vec<&'static str> {
    bench.events.iter().map(Event::name).collect()
}

#[test]
fn a_step_waits_for_who_does_it_and_the_choice_is_recorded_with_its_bytes() {
    let mut bench = Bench::start(&step("", ""));
    let Some(Effect::Route { query, .. }) = effects(&bench.state).into_iter().next() else {
        panic!("no route")
    };
    assert_eq!(query.to_string(), "tool with the capability 'lookup' and n=n3");
    assert_eq!((bench.state.status(), bench.attempts().len()), (Status::Running, 0));
    pick(&mut bench, "orders");
    assert_eq!(bench.state.plugins()["orders"].component, Digest::of(b"orders"));
    assert_eq!(bench.work(), [json!(3)]);
    assert_eq!(bench.outputs(), json!({ "it": 3 }));
    let all = ["run-started", "step-started", "route-requested", "route-chosen", "attempt-started"];
    assert_eq!(names(&bench)[..5], all);
}

#[test]
fn the_run_keeps_the_bytes_that_it_has_by_a_name() {
    let mut bench = Bench::start(&step("", "    then: [{ when: 'steps.a.output.it == 9', to: end }]\n"));
    // The bench's own plugin `t` has the tool `do`, and the one that is offered has not.
    let Some((visit, ..)) = wanted(&bench) else { panic!("nothing is looked for") };
    let RouteOutcome::Found(mut other) = found("t", EffectClass::Pure) else { panic!("found") };
    other.tool = Some("do".into());
    bench.tell(Command::ChooseRoute { visit, outcome: RouteOutcome::Found(other) });
    assert_eq!(bench.state.plugins()["t"].component, Digest::of(b"component"));
    let pinned =
        bench.events.iter().any(|event| matches!(event, Event::RouteChosen(chosen) if chosen.pin.is_some()));
    assert!(!pinned, "what the run has is not written down again");
    assert_eq!(bench.work(), [json!(3)]);
}

#[test]
fn another_one_takes_the_place_of_one_that_failed_before_retry_comes_to_it() {
    let mut bench = Bench::start(&step(", failover: true", "    retry: { max_attempts: 3, delay: 1s }\n"));
    pick(&mut bench, "one");
    bench.end(&json!(3), Some(busy()));
    assert_eq!(wanted(&bench), Some((VisitId(1), vec!["one".to_owned()], false)));
    pick(&mut bench, "two");
    // A kind that `retry` does not try again, but another plugin may do it.
    bench.end(&json!(3), Some(no()));
    assert_eq!(wanted(&bench).unwrap().1, ["one", "two"]);
    // All have failed, and with what `retry` does not try again.
    choose(&mut bench, none(false));
    assert_eq!(bench.failure(), (FailureKind::Permanent, "it says no".into()));
}

#[test]
fn when_all_have_failed_retry_begins_anew_with_all() {
    let mut bench = Bench::start(&step(", failover: true", "    retry: { max_attempts: 3, delay: 1s }\n"));
    for name in ["one", "two"] {
        pick(&mut bench, name);
        bench.end(&json!(3), Some(busy()));
    }
    choose(&mut bench, none(false));
    assert_eq!((bench.state.status(), wanted(&bench)), (Status::Waiting, None));
    let wakes = bench.wakes_at().unwrap();
    bench.tick_at(wakes);
    assert_eq!(wanted(&bench), Some((VisitId(1), Vec::new(), false)));
    pick(&mut bench, "one");
    assert_eq!(bench.attempts()[0].1, 3);
    bench.end(&json!(3), Some(busy()));
    choose(&mut bench, none(false));
    assert_eq!(bench.failure().0, FailureKind::Transient, "three attempts are all there are");
}

#[test]
fn without_failover_retry_tries_the_same_one_again() {
    let mut bench = Bench::start(&step("", "    retry: { max_attempts: 2, delay: 1s }\n"));
    pick(&mut bench, "one");
    bench.end(&json!(3), Some(busy()));
    assert_eq!(wanted(&bench), None);
    let wakes = bench.wakes_at().unwrap();
    bench.tick_at(wakes);
    assert_eq!(bench.work(), [json!(3)]);
    assert_eq!(names(&bench).iter().filter(|name| **name == "route-chosen").count(), 1);
}

#[test]
fn what_is_wrong_with_the_request_is_wrong_for_all() {
    for (kind, fails) in [
        (FailureKind::InvalidInput, true),
        (FailureKind::Rejected, true),
        (FailureKind::Cancelled, true),
        (FailureKind::Denied, false),
        (FailureKind::Timeout, false),
    ] {
        let mut bench = Bench::start(&step(", failover: true", ""));
        pick(&mut bench, "one");
        bench.end(&json!(3), Some(Failure::new(kind, "no")));
        assert_eq!(wanted(&bench).is_none(), fails, "{}", kind.name());
    }
}

#[test]
fn an_open_outcome_goes_to_a_person_and_not_to_another_plugin() {
    let mut bench = Bench::start(&step(", failover: true", ""));
    choose(&mut bench, found("one", EffectClass::AtMostOnce));
    bench.end(&json!(3), Some(Failure::new(FailureKind::Trap, "fell over")));
    assert_eq!((wanted(&bench), bench.statuses("a")), (None, vec![Status::Unknown]));
    let approval = bench.state.approvals().next().unwrap().0.clone();
    let action = "retry".to_owned();
    let (data, by) = (json!(null), ann());
    bench.tell(Command::Decide { approval, action, data, by, comment: None });
    assert_eq!(wanted(&bench).unwrap().1, [] as [&str; 0], "it did not happen, so any may do it");
}

#[test]
fn a_step_without_a_plugin_fails_or_waits_for_one() {
    for (passing, kind) in [(false, FailureKind::Permanent), (true, FailureKind::Transient)] {
        let mut bench = Bench::start(&step("", ""));
        choose(&mut bench, none(passing));
        assert_eq!(bench.failure(), (kind, "there is none".into()));
    }
    let mut bench = Bench::start(&step(", otherwise: wait", ""));
    choose(&mut bench, none(false));
    let waiting = Waiting::Route {
        step: StepId::new("a"),
        wanted: "tool with the capability 'lookup' and n=n3".into(),
    };
    assert_eq!((bench.state.status(), bench.state.waiting()), (Status::Waiting, Some(waiting)));
    assert_eq!(wanted(&bench), Some((VisitId(1), Vec::new(), true)));
    let events = bench.events.len();
    choose(&mut bench, none(false));
    assert_eq!(bench.events.len(), events, "that there is still none is no event");
    pick(&mut bench, "orders");
    assert_eq!(bench.work(), [json!(3)]);
}

#[test]
fn a_wait_for_a_plugin_ends_with_its_time_and_with_its_run() {
    let more = "    timeout: { total: 1m }\n";
    let mut bench = Bench::start(&step(", otherwise: wait", more));
    choose(&mut bench, none(false));
    bench.tick_at(60_000);
    assert_eq!(bench.failure().0, FailureKind::Timeout);
    let mut bench = Bench::start(&step(", otherwise: wait", ""));
    choose(&mut bench, none(false));
    bench.tell(Command::Cancel { by: ann(), reason: None });
    assert_eq!((bench.state.status(), wanted(&bench)), (Status::Cancelled, None));
}

#[test]
fn a_suspended_run_chooses_when_it_is_resumed() {
    let mut bench = Bench::start(&step("", ""));
    bench.tell(Command::Suspend { by: ann(), reason: None });
    let events = bench.events.len();
    pick(&mut bench, "orders");
    assert_eq!(bench.events.len(), events);
    bench.tell(Command::Resume { by: ann() });
    pick(&mut bench, "orders");
    assert_eq!(bench.work(), [json!(3)]);
}

#[test]
fn a_person_who_retries_lets_all_be_tried_again() {
    let mut bench = Bench::start(&step(", failover: true", ""));
    pick(&mut bench, "one");
    bench.end(&json!(3), Some(busy()));
    choose(&mut bench, none(false));
    assert_eq!(bench.failure().0, FailureKind::Transient);
    bench.tell(Command::Retry { step: None, by: ann() });
    assert_eq!(wanted(&bench), Some((VisitId(1), Vec::new(), false)));
    pick(&mut bench, "one");
    assert_eq!(bench.work(), [json!(3)]);
}

#[test]
fn labels_of_a_route_have_limits() {
    let most = pawl_core::route::ROUTE_LABELS_MAX;
    for (count, fits) in [(most, true), (most + 1, false)] {
        let labels: Vec<_> = (0..count).map(|number| format!("l{number}: x")).collect();
        let labels = labels.join(", ");
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps: [{{ id: a, tool: {{ match: {{ capability: c, labels: {{ {labels} }} }} }} }}]\n"
        );
        assert_eq!(pawl_core::source::load("w.yaml", &text).is_ok(), fits, "{count}");
    }
    for (bytes, fails) in
        [(pawl_core::route::LABEL_MAX_BYTES, false), (pawl_core::route::LABEL_MAX_BYTES + 1, true)]
    {
        let label = "x".repeat(bytes);
        let bench = Bench::start(&format!(
            "steps: [{{ id: a, tool: {{ match: {{ capability: lookup, labels: {{ n: \"{label}\" }} }} }} }}]\n"
        ));
        assert_eq!(bench.state.status() == Status::Failed, fails);
        assert_eq!(wanted(&bench).is_none(), fails);
    }
}
