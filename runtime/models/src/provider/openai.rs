//! Chat completions, as `OpenAI` has them and many servers after it.

use pawl_core::chat::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments;
use crate::names::Names;

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    model: String,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Spent>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Asked>>,
}

#[derive(Deserialize)]
struct Asked {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
struct Spent {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What is sent.
pub(super) fn body(model: &str, request: &ChatRequest, names: &Names, is_original: bool) -> Value {
    let messages: Vec<_> = request.messages.iter().map(|said| message(said, names)).collect();
    let mut body = json!({ "model": model, "messages": messages });
    if !request.tools.is_empty() {
        body["tools"] = tools(request, names);
    }
    if let Some(schema) = &request.response_schema {
        let schema = json!({ "name": "answer", "schema": schema });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(top_p) = request.top_p {
        body["top_p"] = top_p.into();
    }
    if let Some(seed) = request.seed {
        body["seed"] = seed.into();
    }
    if let Some(max) = request.max_tokens {
        // OpenAI itself has another name for it, which servers that speak like it do not know.
        body[if is_original { "max_completion_tokens" } else { "max_tokens" }] = max.into();
    }
    if !request.stop.is_empty() {
        body["stop"] = json!(request.stop);
    }
    body
}

/// The tools that are offered; Ollama takes them in the same form.
pub(super) fn tools(request: &ChatRequest, names: &Names) -> Value {
    let tool = |tool: &pawl_core::chat::ToolOffer| {
        json!({ "type": "function", "function": {
            "name": names.wire(&tool.name),
            "description": tool.summary,
            "parameters": tool.input_schema,
        } })
    };
    request.tools.iter().map(tool).collect()
}

fn message(message: &Message, names: &Names) -> Value {
    match message {
        Message::System { text } => json!({ "role": "system", "content": text }),
        Message::User { text } => json!({ "role": "user", "content": text }),
        Message::Tool { call, text } => json!({ "role": "tool", "tool_call_id": call, "content": text }),
        Message::Assistant { text, tool_calls } if tool_calls.is_empty() => {
            json!({ "role": "assistant", "content": text })
        }
        Message::Assistant { text, tool_calls } => {
            let calls: Vec<_> = tool_calls.iter().map(|call| asked(call, names)).collect();
            let content = if text.is_empty() { Value::Null } else { json!(text) };
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
    }
}

fn asked(call: &ToolRequest, names: &Names) -> Value {
    // What was no JSON goes back as it came.
    let arguments = match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let function = json!({ "name": names.wire(&call.name), "arguments": arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

/// What came back.
pub(super) fn read(value: &Value, names: &Names, _: &ChatRequest) -> Result<ChatAnswer, String> {
    let completion = Completion::deserialize(value).map_err(|error| error.to_string())?;
    let choice = completion.choices.into_iter().next().ok_or("it has no choice")?;
    let calls = choice.message.tool_calls.unwrap_or_default().into_iter();
    let tool_calls: Vec<_> = calls
        .map(|Asked { id, function }| ToolRequest {
            id,
            name: names.own(&function.name),
            arguments: arguments(&function.arguments),
        })
        .collect();
    let refused = choice.message.refusal.is_some();
    let finish = match choice.finish_reason.as_deref() {
        _ if !tool_calls.is_empty() => Finish::ToolCalls,
        _ if refused => Finish::Filter,
        Some("stop") | None => Finish::Stop,
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Filter,
        Some(_) => Finish::Other,
    };
    let usage = completion.usage.map_or_else(Usage::default, |spent| Usage {
        input_tokens: spent.prompt_tokens,
        output_tokens: spent.completion_tokens,
    });
    let text = choice.message.content.or(choice.message.refusal).unwrap_or_default();
    Ok(ChatAnswer { text, tool_calls, finish, usage, model: completion.model })
}
