//! Messages, as Anthropic has them.

use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::names::Names;

/// The version of the protocol.
pub(super) const VERSION: &str = "2023-06-01";
/// What the protocol wants to be told, where the request does not say.
const MAX_TOKENS_DEFAULT: u32 = 4_096;

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    model: String,
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Spent,
}

/// Internally tagged, since what pawl does not know must not keep the rest from being read.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
struct Spent {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
}

/// What is sent.
pub(super) fn body(model: &str, request: &ChatRequest, names: &Names) -> Value {
    let mut system: Vec<String> = Vec::new();
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let (role, blocks) = match message {
            Message::System { text } => {
                system.push(text.clone());
                continue;
            }
            Message::User { text } => ("user", texts(text)),
            Message::Tool { call, text } => {
                ("user", vec![json!({ "type": "tool_result", "tool_use_id": call, "content": text })])
            }
            Message::Assistant { text, tool_calls } => {
                let calls = tool_calls.iter().map(|call| asked(call, names));
                ("assistant", texts(text).into_iter().chain(calls).collect())
            }
        };
        match messages.last_mut() {
            // All answers to one message's calls belong into one message.
            Some((before, all)) if *before == role => all.extend(blocks),
            _ => messages.push((role, blocks)),
        }
    }
    if let Some(schema) = &request.response_schema {
        system.push(format!("Answer with JSON that fits this schema, and with nothing else: {schema}"));
    }
    let messages: Vec<_> = messages
        .into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .map(|(role, content)| json!({ "role": role, "content": content }))
        .collect();
    let max_tokens = request.max_tokens.unwrap_or(MAX_TOKENS_DEFAULT);
    let mut body = json!({ "model": model, "max_tokens": max_tokens, "messages": messages });
    if !system.is_empty() {
        body["system"] = system.join("\n\n").into();
    }
    if !request.tools.is_empty() {
        let tool = |tool: &pawl_core::chat::ToolOffer| {
            json!({
                "name": names.wire(&tool.name),
                "description": tool.summary,
                "input_schema": tool.input_schema,
            })
        };
        body["tools"] = request.tools.iter().map(tool).collect();
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(top_p) = request.top_p {
        body["top_p"] = top_p.into();
    }
    if !request.stop.is_empty() {
        body["stop_sequences"] = json!(request.stop);
    }
    body
}

/// An empty text is refused, so it is left out.
fn texts(text: &str) -> Vec<Value> {
    if text.is_empty() { Vec::new() } else { vec![json!({ "type": "text", "text": text })] }
}

fn asked(call: &ToolRequest, names: &Names) -> Value {
    // Only objects are taken here; what was none is still told.
    let input =
        if call.arguments.is_object() { call.arguments.clone() } else { json!({ "input": call.arguments }) };
    json!({ "type": "tool_use", "id": call.id, "name": names.wire(&call.name), "input": input })
}

/// What came back.
pub(super) fn read(value: &Value, names: &Names, _: &ChatRequest) -> Result<ChatAnswer, String> {
    let reply = Reply::deserialize(value).map_err(|error| error.to_string())?;
    let (mut text, mut tool_calls) = (String::new(), Vec::new());
    for block in reply.content {
        match block {
            Block::Text { text: more } => text.push_str(&more),
            Block::ToolUse { id, name, input } => {
                tool_calls.push(ToolRequest { id, name: names.own(&name), arguments: input });
            }
            Block::Other => {}
        }
    }
    let finish = match reply.stop_reason.as_deref() {
        _ if !tool_calls.is_empty() => Finish::ToolCalls,
        Some("end_turn" | "stop_sequence") | None => Finish::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("refusal") => Finish::Filter,
        Some(_) => Finish::Other,
    };
    let usage = Usage { input_tokens: reply.usage.input_tokens, output_tokens: reply.usage.output_tokens };
    Ok(ChatAnswer { text, tool_calls, finish, usage, model: reply.model })
}
