//! A conversation in turns: a task, and all that was said and done up to its answer.

use pawl_plugin::models::Message;

/// A task of the user's first, then what the model said, each of its calls followed by what came of it.
pub(crate) type Turn = Vec<Message>;

/// What messages weigh, as JSON.
pub(crate) fn size(messages: &[Message]) -> usize {
    messages.iter().map(|message| serde_json::to_string(message).map_or(0, |text| text.len())).sum()
}

/// Whether this is a turn that a model can be shown: with a task, with every call answered, and over.
pub(crate) fn check(turn: &[Message]) -> Result<(), String> {
    if !matches!(turn.first(), Some(Message::User { .. })) {
        return Err("a turn does not begin with a task".to_owned());
    }
    let mut open: Vec<&str> = Vec::new();
    for message in turn {
        match message {
            Message::Tool { call, .. } => match open.iter().position(|id| id == call) {
                Some(found) => drop(open.remove(found)),
                None => return Err(format!("the call {call:?} was answered and not asked for")),
            },
            _ if !open.is_empty() => return Err(format!("the call {:?} has no answer", open[0])),
            Message::System { .. } => return Err("a turn has no instructions".to_owned()),
            Message::User { .. } => {}
            Message::Assistant { tool_calls, .. } => {
                open = tool_calls.iter().map(|call| call.id.as_str()).collect();
            }
        }
    }
    match (turn.last(), open.first()) {
        (None | Some(Message::User { .. }), _) => Err("a turn ends without an answer".to_owned()),
        (_, Some(id)) => Err(format!("the call {id:?} has no answer")),
        (Some(_), None) => Ok(()),
    }
}

/// The task and the last word alone, without calls.
pub(crate) fn plain(turn: &[Message]) -> Turn {
    let [first, .., last] = turn else { return turn.to_vec() };
    let text = text(last).to_owned();
    vec![first.clone(), Message::Assistant { text, tool_calls: Vec::new() }]
}

pub(crate) fn text(message: &Message) -> &str {
    match message {
        Message::System { text }
        | Message::User { text }
        | Message::Assistant { text, .. }
        | Message::Tool { text, .. } => text,
    }
}

/// A text's first bytes, at most so many.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes.min(text.len()))]
}
