//! What is said, in spans where the operator lets it be: in the forms that the conventions have for it, and bounded.

use pawl_core::event::Payload;
use serde_json::{Value, json};

use crate::span::{Attribute, Attributes};

/// The most of one attribute with what was said, as JSON. Of messages to a model the newest that fit are there; other
/// things that are larger are left out.
pub const CONTENT_MAX_BYTES: usize = 8 << 10;

/// Names what was too large to be there.
const LEFT_OUT: &str = "pawl.content.left_out";

/// Says a value, if it is not too large. One that was moved out of the journal is.
pub(super) fn say(attributes: &mut Attributes, name: &'static str, value: &Value) {
    let text = value.to_string();
    if text.len() <= CONTENT_MAX_BYTES {
        attributes.push((name, text.into()));
    } else {
        leave_out(attributes, name);
    }
}

/// The same of a value as the journal has it.
pub(super) fn say_payload(attributes: &mut Attributes, name: &'static str, payload: &Payload) {
    match payload {
        Payload::Inline(value) => say(attributes, name, value),
        Payload::Blob(_) => leave_out(attributes, name),
    }
}

/// Adds what else is said.
pub(super) fn add(attributes: &mut Attributes, more: Attributes) {
    for (name, value) in more {
        match value {
            Attribute::List(names) if name == LEFT_OUT => {
                for name in &names {
                    leave_out(attributes, name);
                }
            }
            value => attributes.push((name, value)),
        }
    }
}

fn leave_out(attributes: &mut Attributes, name: &str) {
    for (known, value) in attributes.iter_mut() {
        if let (&mut LEFT_OUT, Attribute::List(names)) = (known, value) {
            return names.push(name.to_owned());
        }
    }
    attributes.push((LEFT_OUT, Attribute::List(vec![name.to_owned()])));
}

/// What a model is asked.
pub(super) fn asked(attributes: &mut Attributes, request: &Value) {
    const MESSAGES: &str = "gen_ai.input.messages";
    let (mut system, mut kept, mut bytes) = (Vec::new(), Vec::new(), 2);
    let mut is_cut = false;
    for message in request["messages"].as_array().into_iter().flatten().rev() {
        if message["role"] == "system" {
            system.push(text(&message["text"]));
            continue;
        }
        let message = json!({ "role": message["role"], "parts": parts(message) });
        bytes += message.to_string().len() + 1;
        is_cut |= bytes > CONTENT_MAX_BYTES;
        if !is_cut {
            kept.push(message);
        }
    }
    kept.reverse();
    if !kept.is_empty() {
        say(attributes, MESSAGES, &kept.into());
    }
    if is_cut {
        leave_out(attributes, MESSAGES);
    }
    if !system.is_empty() {
        system.reverse();
        say(attributes, "gen_ai.system_instructions", &system.into());
    }
}

/// What it answers.
pub(super) fn answered(attributes: &mut Attributes, answer: &Value) {
    let message = json!([{
        "role": "assistant",
        "parts": parts(&answer["message"]),
        "finish_reason": finish(answer).unwrap_or("other"),
    }]);
    say(attributes, "gen_ai.output.messages", &message);
}

/// Why a model stopped, as the conventions call it.
pub(super) fn finish(answer: &Value) -> Option<&'static str> {
    Some(match answer["finish"].as_str()? {
        "stop" => "stop",
        "tool-calls" => "tool_call",
        "length" => "length",
        "filter" => "content_filter",
        _ => "other",
    })
}

fn text(text: &Value) -> Value {
    json!({ "type": "text", "content": text })
}

/// The parts of one message.
fn parts(message: &Value) -> Vec<Value> {
    if message["role"] == "tool" {
        return vec![
            json!({ "type": "tool_call_response", "id": message["call"], "response": message["text"] }),
        ];
    }
    let said = Some(&message["text"]).filter(|said| said.as_str().is_some_and(|said| !said.is_empty()));
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    let calls = calls.map(|call| {
        json!({ "type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["arguments"] })
    });
    said.map(text).into_iter().chain(calls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a Attribute> {
        attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn a_conversation_is_told_in_the_form_of_the_conventions() {
        let request = json!({ "messages": [
            { "role": "system", "text": "be brief" },
            { "role": "user", "text": "where?" },
            { "role": "assistant", "tool_calls": [{ "id": "c1", "name": "look", "arguments": { "a": 1 } }] },
            { "role": "tool", "call": "c1", "text": "there" },
        ] });
        let mut attributes = Attributes::new();
        asked(&mut attributes, &request);
        let messages = json!([
            { "role": "user", "parts": [{ "type": "text", "content": "where?" }] },
            { "role": "assistant", "parts": [
                { "type": "tool_call", "id": "c1", "name": "look", "arguments": { "a": 1 } },
            ] },
            { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "response": "there" }] },
        ]);
        assert_eq!(of(&attributes, "gen_ai.input.messages"), Some(&messages.to_string().into()));
        let system = json!([{ "type": "text", "content": "be brief" }]);
        assert_eq!(of(&attributes, "gen_ai.system_instructions"), Some(&system.to_string().into()));
        answered(
            &mut attributes,
            &json!({ "message": { "role": "assistant", "text": "there" }, "finish": "stop" }),
        );
        let answer = json!([{
            "role": "assistant", "parts": [{ "type": "text", "content": "there" }], "finish_reason": "stop",
        }]);
        assert_eq!(of(&attributes, "gen_ai.output.messages"), Some(&answer.to_string().into()));
    }

    #[test]
    fn what_is_too_large_is_left_out_and_named_and_the_newest_messages_are_kept() {
        let (old, new) = ("x".repeat(CONTENT_MAX_BYTES), "newest");
        let request = json!({ "messages": [
            { "role": "user", "text": old }, { "role": "user", "text": new },
        ] });
        let mut attributes = Attributes::new();
        asked(&mut attributes, &request);
        let kept = json!([{ "role": "user", "parts": [{ "type": "text", "content": new }] }]);
        assert_eq!(of(&attributes, "gen_ai.input.messages"), Some(&kept.to_string().into()));
        // Quotes make it two longer.
        say(&mut attributes, "a", &json!("x".repeat(CONTENT_MAX_BYTES - 2)));
        say(&mut attributes, "b", &json!("x".repeat(CONTENT_MAX_BYTES - 1)));
        assert!(of(&attributes, "a").is_some() && of(&attributes, "b").is_none());
        let left_out = ["gen_ai.input.messages", "b"].map(str::to_owned).to_vec();
        assert_eq!(of(&attributes, LEFT_OUT), Some(&Attribute::List(left_out)));
    }
}
