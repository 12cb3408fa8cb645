use pawl_plugin::models::{Message, ToolCall};

use super::*;

fn said(text: &str) -> Message {
    Message::Assistant { text: text.to_owned(), tool_calls: Vec::new() }
}

fn turn(n: usize, bytes: usize) -> Turn {
    vec![Message::user(format!("{n} {}", "x".repeat(bytes))), said("ok")]
}

fn numbers(kept: &Kept) -> Vec<&str> {
    kept.turns.iter().map(|turn| turns::text(&turn[0]).split(' ').next().unwrap()).collect()
}

fn bytes(kept: &Kept) -> usize {
    serde_json::to_string(kept).unwrap().len()
}

#[test]
fn the_oldest_turns_go_first() {
    let kept = Kept::new(Some("s".to_owned()), (0..60).map(|n| turn(n, 10)).collect()).bounded();
    assert_eq!(kept.turns.len(), REMEMBERED_MAX_TURNS);
    assert_eq!((numbers(&kept)[0], numbers(&kept)[49], kept.summary.as_deref()), ("10", "59", Some("s")));
    // By their bytes.
    let kept = Kept::new(None, (0..40).map(|n| turn(n, 20_000)).collect()).bounded();
    assert!(bytes(&kept) <= REMEMBERED_MAX_BYTES && kept.turns.len() == 12, "{}", kept.turns.len());
    assert_eq!(numbers(&kept)[11], "39");
    // By their messages.
    let call = |id: usize| ToolCall { id: id.to_string(), name: "x.y".to_owned(), arguments: json!({}) };
    let long = |n: usize| {
        let mut turn = vec![Message::user(n.to_string())];
        for _ in 0..50 {
            turn.push(Message::Assistant { text: String::new(), tool_calls: vec![call(1)] });
            turn.push(Message::tool("1", "ok"));
        }
        turn.push(said("done"));
        turn
    };
    let kept = Kept::new(None, (0..9).map(long).collect()).bounded();
    assert_eq!(numbers(&kept), ["6", "7", "8"]);
    assert!(kept.turns.iter().map(Vec::len).sum::<usize>() <= REMEMBERED_MAX_MESSAGES);
}

#[test]
fn of_a_turn_that_is_too_much_alone_the_task_and_the_last_word_stay() {
    let mut large = turn(1, REMEMBERED_MAX_BYTES);
    large.insert(1, said("a thought"));
    let kept = Kept::new(Some("\u{1}".repeat(REMEMBERED_MAX_BYTES)), vec![turn(0, 1), large]).bounded();
    assert_eq!(numbers(&kept), ["1"]);
    assert_eq!((kept.turns[0].len(), turns::text(&kept.turns[0][1])), (2, "ok"));
    assert_eq!(turns::text(&kept.turns[0][0]).len(), REMEMBERED_TEXT_MAX_BYTES);
    assert!(bytes(&kept) <= REMEMBERED_MAX_BYTES);
    // However its texts are written.
    let worst = vec![
        Message::user("\u{1}".repeat(REMEMBERED_MAX_BYTES)),
        said(&"\u{1}".repeat(REMEMBERED_MAX_BYTES)),
    ];
    let kept = Kept::new(Some("\u{1}".repeat(REMEMBERED_MAX_BYTES)), vec![worst]).bounded();
    assert!(bytes(&kept) <= REMEMBERED_MAX_BYTES, "{}", bytes(&kept));
    assert_eq!(kept.clone().bounded(), kept);
}

#[test]
fn what_is_within_bounds_is_kept_as_it_is() {
    let kept = Kept::new(Some("s".to_owned()), vec![turn(1, 5), turn(2, 5)]);
    assert_eq!(kept.clone().bounded(), kept);
    assert_eq!(read(serde_json::to_value(&kept).unwrap()), Ok(kept));
    let none = Kept::new(None, Vec::new());
    assert_eq!(none.clone().bounded(), none);
}
