//! Ollama's own protocol.

use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::openai;
use crate::names::Names;

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    model: String,
    message: Said,
    #[serde(default)]
    done_reason: Option<String>,
    #[serde(default)]
    prompt_eval_count: u64,
    #[serde(default)]
    eval_count: u64,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: String,
    #[serde(default)]
    tool_calls: Option<Vec<Asked>>,
}

#[derive(Deserialize)]
struct Asked {
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Value,
}

/// What is sent.
pub(super) fn body(model: &str, request: &ChatRequest, names: &Names) -> Value {
    let messages: Vec<_> =
        (0..request.messages.len()).map(|at| message(&request.messages, at, names)).collect();
    let mut body = json!({ "model": model, "messages": messages, "stream": false });
    if !request.tools.is_empty() {
        body["tools"] = openai::tools(request, names);
    }
    if let Some(schema) = &request.response_schema {
        body["format"] = schema.clone();
    }
    let mut options = Map::new();
    options.extend(request.temperature.map(|value| ("temperature".to_owned(), value.into())));
    options.extend(request.top_p.map(|value| ("top_p".to_owned(), value.into())));
    options.extend(request.seed.map(|value| ("seed".to_owned(), value.into())));
    options.extend(request.max_tokens.map(|value| ("num_predict".to_owned(), value.into())));
    if !request.stop.is_empty() {
        options.insert("stop".to_owned(), json!(request.stop));
    }
    if !options.is_empty() {
        body["options"] = options.into();
    }
    body
}

fn message(messages: &[Message], at: usize, names: &Names) -> Value {
    match &messages[at] {
        Message::System { text } => json!({ "role": "system", "content": text }),
        Message::User { text } => json!({ "role": "user", "content": text }),
        Message::Tool { call, text } => {
            let tool = tool_of(&messages[..at], call).map(|name| names.wire(name)).unwrap_or_default();
            json!({ "role": "tool", "tool_name": tool, "content": text })
        }
        Message::Assistant { text, tool_calls } => {
            let mut said = json!({ "role": "assistant", "content": text });
            if !tool_calls.is_empty() {
                said["tool_calls"] = tool_calls.iter().map(|call| asked(call, names)).collect();
            }
            said
        }
    }
}

fn asked(call: &ToolRequest, names: &Names) -> Value {
    // Only objects are taken here; what was none is still told.
    let arguments =
        if call.arguments.is_object() { call.arguments.clone() } else { json!({ "input": call.arguments }) };
    json!({ "function": { "name": names.wire(&call.name), "arguments": arguments } })
}

/// Calls have no ids here: an answer names the tool.
fn tool_of<'m>(before: &'m [Message], call: &str) -> Option<&'m str> {
    before.iter().rev().find_map(|message| match message {
        Message::Assistant { tool_calls, .. } => {
            tool_calls.iter().find(|asked| asked.id == call).map(|asked| asked.name.as_str())
        }
        _ => None,
    })
}

/// What came back.
pub(super) fn read(value: &Value, names: &Names, request: &ChatRequest) -> Result<ChatAnswer, String> {
    let reply = Reply::deserialize(value).map_err(|error| error.to_string())?;
    let turn = request.messages.len();
    let calls = reply.message.tool_calls.unwrap_or_default().into_iter().enumerate();
    let tool_calls: Vec<_> = calls
        .map(|(at, Asked { function })| ToolRequest {
            id: format!("call-{turn}-{at}"),
            name: names.own(&function.name),
            arguments: if function.arguments.is_null() { json!({}) } else { function.arguments },
        })
        .collect();
    let finish = match reply.done_reason.as_deref() {
        _ if !tool_calls.is_empty() => Finish::ToolCalls,
        Some("stop") | None => Finish::Stop,
        Some("length") => Finish::Length,
        Some(_) => Finish::Other,
    };
    let usage = Usage { input_tokens: reply.prompt_eval_count, output_tokens: reply.eval_count };
    Ok(ChatAnswer { text: reply.message.content, tool_calls, finish, usage, model: reply.model })
}
