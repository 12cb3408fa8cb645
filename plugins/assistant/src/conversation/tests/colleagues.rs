//! Other agents: asked, handed over to, and what does not work.

use super::*;

fn colleagues() -> Value {
    json!([
        { "name": "tracker", "summary": "Finds parcels.", "agent": "assistant",
          "with": { "model": "cheap", "task": "ignore that" }, "input": { "task": "string", "parcel": "integer" } },
        { "name": "refunds", "summary": "Pays back.", "how": "handoff", "with": { "limit": 40 } },
    ])
}

fn with_agents(answers: impl IntoIterator<Item = Answer>) -> Prepared {
    Prepared { has_agents: true, answers: answers.into_iter().collect(), ..Prepared::default() }
}

#[test]
fn a_colleague_is_asked_and_its_answer_comes_back() {
    let call = ("ask_tracker", json!({ "task": "Where is it?", "parcel": 7 }));
    let mut world = with_agents([answer("", &[call.clone(), call]), answer("In Bergen.", &[])]);
    world.done = [Ok(json!({ "answer": "Bergen" })), Err(Failure::transient("asleep"))].into();
    let report = run(&mut world, json!({ "task": "x", "agents": colleagues() })).unwrap();
    assert_eq!((&report.answer, report.rounds), (&json!("In Bergen."), 2));
    // What the step says goes before what the model says.
    let task = json!({ "task": "ignore that", "parcel": 7, "model": "cheap" });
    assert_eq!(world.tasks, [("assistant".to_owned(), task.clone()), ("assistant".to_owned(), task)]);
    let request = &world.asked[1];
    assert_eq!(told(request, 2), "{\"answer\":\"Bergen\"}");
    assert_eq!(told(request, 3), "error: transient: asleep");
    let names: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["ask_tracker", "hand_over_to_refunds"]);
    let offer = serde_json::to_string(&request.tools).unwrap();
    assert!(
        offer.contains("Finds parcels.") && !offer.contains("cheap") && !offer.contains("limit"),
        "{offer}"
    );
    assert_whole(request);
}

#[test]
fn a_colleague_without_a_summary_says_of_itself_what_it_can_do() {
    let mut world = with_agents([answer("Done.", &[])]);
    let agents = json!([{ "name": "money", "agent": "refunds" }]);
    run(&mut world, json!({ "task": "x", "agents": agents })).unwrap();
    let offer = &world.asked[0].tools[0];
    assert_eq!(offer.name, "ask_money");
    assert!(offer.summary.ends_with("Says that it pays back."), "{}", offer.summary);
    let stranger = json!({ "task": "x", "agents": [{ "name": "stranger" }] });
    let failure = run(&mut with_agents([]), stranger).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("names stranger, which the step may not ask"), "{failure:?}");
}

#[test]
fn a_task_is_handed_over() {
    let mut world = with_agents([answer("", &[("hand_over_to_refunds", json!({ "task": "Pay A-1." }))])]);
    let outcome = outcome(&mut world, json!({ "task": "x", "agents": colleagues() })).unwrap();
    let input = json!({ "task": "Pay A-1.", "limit": 40 });
    assert_eq!(outcome, Outcome::Handoff { agent: "refunds".to_owned(), input });
    assert!(world.tasks.is_empty() && world.asked.len() == 1);
}

#[test]
fn who_hands_over_does_so_alone() {
    let hand_over = || ("hand_over_to_refunds", json!({ "task": "Pay." }));
    let mut world = with_agents([
        answer("", &[hand_over(), ("ask_tracker", json!({ "task": "?", "parcel": 1 })), hand_over()]),
        answer("Never mind.", &[]),
    ]);
    world.done = [Ok(json!(1))].into();
    let report = run(&mut world, json!({ "task": "x", "agents": colleagues() })).unwrap();
    assert_eq!(report.answer, "Never mind.");
    for at in [2, 4] {
        assert!(told(&world.asked[1], at).contains("a message of its own"), "{at}");
    }
    assert_eq!((world.tasks.len(), told(&world.asked[1], 3)), (1, "1"));
}

#[test]
fn arguments_that_do_not_fit_go_back_to_the_model_and_are_bounded() {
    let wrong = || answer("", &[("ask_tracker", json!({ "task": 1 })), ("hand_over_to_refunds", json!({}))]);
    let mut world = with_agents([wrong(), wrong(), wrong()]);
    let failure =
        run(&mut world, json!({ "task": "x", "max_mistakes": 3, "agents": colleagues() })).unwrap_err();
    assert!(failure.message.contains("made 4 mistakes"), "{failure}");
    assert!(world.tasks.is_empty());
    assert_eq!(told(&world.asked[1], 2), "error: the input.task must be of type string");
    assert_eq!(told(&world.asked[1], 3), "error: the input needs the field \"task\"");
    // An input that the other agent does not take counts as well.
    let call = || answer("", &[("ask_tracker", json!({ "task": "?", "parcel": 1 }))]);
    let mut world = with_agents([call(), call()]);
    world.done = (0..2).map(|_| Err(Failure::invalid_input("no"))).collect();
    let input = json!({ "task": "x", "max_mistakes": 1, "agents": colleagues() });
    assert!(run(&mut world, input).unwrap_err().message.contains("made 2 mistakes"));
}

#[test]
fn agents_that_cannot_be_offered_are_refused_before_anything_is_asked() {
    let agent = |name: &str| json!({ "name": name, "summary": "" });
    let many: Vec<_> = (0..=crate::colleagues::AGENTS_MAX).map(|at| agent(&at.to_string())).collect();
    let long = "x".repeat(crate::colleagues::AGENT_NAME_MAX_BYTES + 1);
    let refused = |agents: Value, has_agents: bool| {
        let mut world = Prepared { has_people: true, has_agents, ..Prepared::default() };
        let failure = run(&mut world, json!({ "task": "x", "agents": agents })).unwrap_err();
        assert!(world.asked.is_empty());
        failure
    };
    for (agents, part) in [
        (json!(many), "names 17 agents"),
        (json!([agent("a"), agent("a")]), "names a twice"),
        (json!([agent("")]), "needs a name"),
        (json!([agent("a b")]), "needs a name"),
        (json!([agent(&long)]), "needs a name"),
        (json!([agent("person")]), "there is one of that name"),
        (json!([{ "name": "a", "summary": "", "input": 1 }]), "`agents.a.input` is neither"),
    ] {
        let failure = refused(agents, true);
        assert_eq!(failure.kind, FailureKind::InvalidInput);
        assert!(failure.message.contains(part), "{failure}");
    }
    let failure = refused(colleagues(), false);
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.message.contains("permissions: agents"), "{failure}");
}
