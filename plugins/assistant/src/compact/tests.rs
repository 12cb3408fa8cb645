use pawl_plugin::models::ToolCall;
use pawl_plugin::prelude::json;

use super::*;

fn user(bytes: usize) -> Message {
    Message::user("x".repeat(bytes))
}

fn exchange(bytes: usize) -> [Message; 2] {
    let call = ToolCall { id: "1".to_owned(), name: "x.y".to_owned(), arguments: json!({}) };
    [
        Message::Assistant { text: String::new(), tool_calls: vec![call] },
        Message::tool("1", "x".repeat(bytes)),
    ]
}

fn past(count: usize, bytes: usize) -> Vec<Turn> {
    let said = Message::Assistant { text: "ok".to_owned(), tool_calls: Vec::new() };
    (0..count).map(|_| vec![user(bytes), said.clone()]).collect()
}

fn turn(count: usize, bytes: usize) -> Turn {
    [user(10)].into_iter().chain((0..count).flat_map(|_| exchange(bytes))).collect()
}

#[test]
fn earlier_turns_go_before_exchanges_of_this_one() {
    // Of 4,096 bytes, 2,048 stay.
    for (past, turn, expected) in [
        (past(5, 900), turn(0, 0), Some(Older { turns: 3, until: 1 })),
        (past(5, 900), turn(1, 900), Some(Older { turns: 4, until: 1 })),
        (past(1, 900), turn(5, 900), Some(Older { turns: 1, until: 9 })),
        (past(0, 0), turn(5, 400), Some(Older { turns: 0, until: 5 })),
        (past(1, 900), turn(0, 0), None),
        // The newest exchange stays, however long it is.
        (past(0, 0), turn(1, 9_000), None),
        (past(0, 0), turn(2, 9_000), Some(Older { turns: 0, until: 3 })),
        // Not worth a question.
        (past(1, 100), turn(1, 9_000), None),
    ] {
        assert_eq!(older(&past, &turn, 4096), expected, "{} turns, {} messages", past.len(), turn.len());
    }
}

#[test]
fn what_is_summarized_is_shown_in_bounds() {
    let turn = turn(2, 9_000);
    let asked = question(None, &past(1, 9_000), &turn, &Older { turns: 1, until: 3 }, Some(0.5));
    let text = turns::text(&asked.messages[1]);
    assert_eq!((text.matches(" […]").count(), asked.temperature), (2, Some(0.5)));
    assert!(text.len() < 2 * SUMMARIZED_TEXT_MAX_BYTES + 200, "{}", text.len());
    assert_eq!(summary(&"x".repeat(90_000), 1 << 20).unwrap().len(), SUMMARY_MAX_BYTES);
    assert_eq!(summary(" \n", 4096), None);
}
