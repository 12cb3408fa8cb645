//! Conversations that grow too long, and are summed up.

use super::*;

const ABOVE: usize = 4096;

fn input(max_rounds: u32) -> Value {
    json!({
        "task": "Count them all.", "instructions": "Be brief.", "max_rounds": max_rounds,
        "compact_above_bytes": ABOVE,
    })
}

/// A world whose model asks for a tool again and again, and writes a summary when it is asked to.
fn endless(rounds: usize, summary: &str) -> Prepared {
    let calls = [("orders.lookup", json!({ "n": 1 })), ("orders.lookup", json!({ "n": 2 }))];
    let mut world = Prepared { tools: lookup(), ..Prepared::default() };
    world.results = (0..rounds * 2).map(|_| Ok(json!("x".repeat(500)))).collect();
    world.summaries = [answer(summary, &[])].into_iter().cycle().take(rounds).collect();
    world.answers = (0..rounds - 1).map(|_| answer("more", &calls)).chain([answer("Seven.", &[])]).collect();
    world
}

#[test]
fn a_long_conversation_goes_on_with_a_summary_and_never_splits_a_call_from_its_answer() {
    let mut world = endless(20, "  Four were counted.  ");
    let report = run(&mut world, input(20)).unwrap();
    assert_eq!((&report.answer, report.rounds), (&json!("Seven."), 20));
    assert!(report.summaries > 1 && report.summaries < 20, "{}", report.summaries);
    assert_eq!(report.input_tokens, 10 * u64::from(20 + report.summaries));
    for request in &world.asked {
        assert_whole(request);
        assert_eq!(request.messages[0], Message::system("Be brief."));
        let said = turns::size(&request.messages[1..]);
        assert!(said < ABOVE + 600, "{said}");
        // The task at hand stays word for word.
        assert!(request.messages.iter().take(3).any(|said| *said == Message::user("Count them all.")));
    }
    let last = world.asked.last().unwrap();
    assert!(told(last, 1).ends_with(":\nFour were counted."), "{}", told(last, 1));
    let asked = &world.summed[1];
    assert!(asked.tools.is_empty() && asked.max_tokens == Some(2048));
    let text = told(asked, 1);
    for part in ["what came even before, in short: Four", "user: Count them all.", "assistant: more"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        text.contains("assistant calls orders.lookup: {\"n\":1}") && text.contains("result: xxx"),
        "{text}"
    );
}

#[test]
fn a_conversation_is_left_alone_below_the_size_and_without_one() {
    let mut world = endless(3, "no");
    assert_eq!(run(&mut world, input(3)).unwrap().summaries, 0);
    let mut world = endless(20, "no");
    assert_eq!(run(&mut world, json!({ "task": "x", "max_rounds": 20 })).unwrap().summaries, 0);
    let failure = run(&mut endless(3, ""), json!({ "task": "x", "compact_above_bytes": 4095 })).unwrap_err();
    assert!(
        failure.kind == FailureKind::InvalidInput && failure.message.contains("less than 4096"),
        "{failure}"
    );
}

#[test]
fn a_summary_that_says_nothing_is_a_mistake_and_one_that_is_too_long_is_cut() {
    let mut world = endless(20, " ");
    let failure = run(&mut world, input(20)).unwrap_err();
    assert!(failure.message.contains("summary of the conversation is empty"), "{failure}");
    assert_eq!(world.summed.len(), 5);
    let mut world = endless(20, &"ä".repeat(9_000));
    run(&mut world, input(20)).unwrap();
    let note = told(world.asked.last().unwrap(), 1);
    assert!(note.len() > ABOVE / 5 && note.len() < ABOVE / 4 + 100, "{}", note.len());
}

#[test]
fn a_task_that_is_too_long_itself_is_not_summed_up() {
    let mut world = endless(2, "no");
    let mut input = input(2);
    input["task"] = "x".repeat(3 * ABOVE).into();
    assert_eq!(run(&mut world, input).unwrap().summaries, 0);
}

#[test]
fn earlier_turns_are_summed_up_first_and_the_summary_is_remembered() {
    let turn = |n: usize| {
        let task = format!("{n} {}", "y".repeat(1_000));
        json!([{ "role": "user", "text": task }, { "role": "assistant", "text": "ok" }])
    };
    let kept = json!({ "v": 1, "summary": "Ann wrote.", "turns": [turn(1), turn(2), turn(3), turn(4)] });
    let key = "assistant/chat".to_owned();
    let mut world = Prepared { tools: lookup(), memory: [(key.clone(), kept)].into(), ..Prepared::default() };
    world.answers = [answer("Fine.", &[])].into();
    world.summaries = [answer("Ann wrote thrice.", &[])].into();
    let mut input = input(1);
    input["remember"] = "chat".into();
    let report = run(&mut world, input).unwrap();
    assert_eq!(report.summaries, 1);
    assert!(told(&world.summed[0], 1).contains("Ann wrote."));
    let request = &world.asked[0];
    assert_eq!(request.messages.len(), 5);
    assert!(told(request, 1).contains("Ann wrote thrice.") && told(request, 2).starts_with("4 "));
    let kept = &world.memory[&key];
    assert_eq!(
        (kept["summary"].as_str(), kept["turns"].as_array().unwrap().len()),
        (Some("Ann wrote thrice."), 2)
    );
    assert_eq!(
        kept["turns"][1],
        json!([
            { "role": "user", "text": "Count them all." }, { "role": "assistant", "text": "Fine." },
        ])
    );
}
