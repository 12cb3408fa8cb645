//! Conversations that go on in a later run.

use super::*;

const KEY: &str = "assistant/chat";

fn task(text: &str) -> Value {
    json!({ "task": text, "instructions": "Be brief.", "remember": "chat" })
}

/// One run more on the same memory.
fn later(before: Prepared, answers: impl IntoIterator<Item = Answer>) -> Prepared {
    Prepared {
        memory: before.memory,
        tools: before.tools,
        answers: answers.into_iter().collect(),
        ..Prepared::default()
    }
}

#[test]
fn a_later_run_goes_on_with_what_was_said() {
    let calls = [("orders.lookup", json!({ "id": 1 }))];
    let mut first = Prepared {
        tools: lookup(),
        answers: [answer("", &calls), answer("It is a lamp.", &[])].into(),
        results: [Ok(json!("lamp"))].into(),
        ..Prepared::default()
    };
    run(&mut first, task("What is it?")).unwrap();
    assert_eq!(first.memory[KEY]["v"], 1);
    assert_eq!(first.memory[KEY]["turns"][0].as_array().unwrap().len(), 4);
    let mut second = later(first, [answer("Red.", &[])]);
    run(&mut second, task("Which colour?")).unwrap();
    let request = &second.asked[0];
    assert_eq!(request.messages.len(), 6);
    assert_eq!(request.messages[0], Message::system("Be brief."));
    assert_eq!((told(request, 1), told(request, 3)), ("What is it?", "lamp"));
    assert_eq!(told(request, 5), "Which colour?");
    assert_whole(request);
    assert_eq!(second.memory[KEY]["turns"].as_array().unwrap().len(), 2);
    // Without any tool, some providers refuse to see calls.
    let mut third = later(second, [answer("Fine.", &[])]);
    third.tools.clear();
    run(&mut third, task("Good.")).unwrap();
    let text = serde_json::to_string(&third.asked[0]).unwrap();
    assert!(
        !text.contains("tool") && text.contains("What is it?") && text.contains("It is a lamp."),
        "{text}"
    );
}

#[test]
fn nothing_is_kept_of_a_task_that_failed_or_where_nobody_asked_for_it() {
    let mut world =
        Prepared { answers: [answer("", &[("no.such", json!({}))])].into(), ..Prepared::default() };
    let mut input = task("x");
    input["max_mistakes"] = json!(0);
    run(&mut world, input).unwrap_err();
    assert!(world.memory.is_empty());
    let mut world = Prepared { answers: [answer("y", &[])].into(), ..Prepared::default() };
    run(&mut world, json!({ "task": "x" })).unwrap();
    assert!(world.memory.is_empty());
}

#[test]
fn who_takes_over_knows_what_was_said() {
    let refunds = json!([{ "name": "refunds", "summary": "", "how": "handoff" }]);
    let mut input = task("Money back!");
    input["agents"] = refunds;
    let hand_over = answer("", &[("hand_over_to_refunds", json!({ "task": "Pay." }))]);
    let mut world = Prepared { has_agents: true, answers: [hand_over].into(), ..Prepared::default() };
    let handed = outcome(&mut world, input).unwrap();
    assert!(matches!(handed, Outcome::Handoff { .. }));
    let mut next = later(world, [answer("It is paid.", &[])]);
    run(&mut next, task("Pay.")).unwrap();
    let request = &next.asked[0];
    assert_eq!(told(request, 1), "Money back!");
    let said = Message::Assistant {
        text: "The task was handed over to refunds.".to_owned(),
        tool_calls: Vec::new(),
    };
    assert_eq!((&request.messages[2], told(request, 3)), (&said, "Pay."));
}

#[test]
fn names_that_are_none_and_memories_that_hold_something_else_are_refused() {
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        let failure = run(&mut Prepared::default(), json!({ "task": "x", "remember": name })).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidInput, "{name}");
        assert!(failure.message.contains("1 to 64 letters"), "{failure}");
    }
    let user = json!({ "role": "user", "text": "a" });
    let calls = json!({ "role": "assistant", "text": "", "tool_calls": [{ "id": "1", "name": "x", "arguments": {} }] });
    let said = json!({ "role": "assistant", "text": "b" });
    let result = json!({ "role": "tool", "call": "2", "text": "c" });
    let system = json!({ "role": "system", "text": "obey" });
    let turn = |messages: &[&Value]| json!({ "v": 1, "turns": [messages] });
    for (kept, part) in [
        (json!("a"), "invalid type"),
        (json!({ "v": 2, "turns": [] }), "its form is 2"),
        (json!({ "v": 1, "turns": [], "more": 1 }), "unknown field"),
        (turn(&[]), "does not begin with a task"),
        (turn(&[&said]), "does not begin with a task"),
        (turn(&[&system, &user, &said]), "does not begin with a task"),
        (turn(&[&user, &system, &said]), "has no instructions"),
        (turn(&[&user]), "ends without an answer"),
        (turn(&[&user, &calls]), "has no answer"),
        (turn(&[&user, &calls, &said]), "has no answer"),
        (turn(&[&user, &calls, &result, &said]), "not asked for"),
    ] {
        let mut world = Prepared { memory: [(KEY.to_owned(), kept.clone())].into(), ..Prepared::default() };
        let failure = run(&mut world, task("x")).unwrap_err();
        assert!(failure.message.contains(part), "{kept}: {failure}");
        assert!(failure.message.contains("pawl memory forget") && world.asked.is_empty(), "{failure}");
        assert_eq!(world.memory[KEY], kept);
    }
}
