//! Language models. For agents; needs the grant `models`, which names them.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//! use pawl_plugin::models::{Message, Request};
//!
//! let request = Request {
//!     messages: vec![Message::system("Be brief."), Message::user("Why is the sky blue?")],
//!     ..Request::default()
//! };
//! let answer = models::chat("default", &request)?;
//! log::info!("{}", answer.text());
//! # Ok(()) }
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bindings::models;
use crate::{Failure, FailureKind, json};

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    /// The conversation so far, the newest message last.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for; calling them is the agent's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Offer>,
    /// JSON Schema of what the answer's text must be. Models may miss it: check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_schema: Option<Value>,
    /// From 0, always the likeliest word, to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts before which the answer ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Message {
    /// What holds for the whole conversation; before all others.
    System {
        /// What is said.
        text: String,
    },
    /// What the model is asked or told.
    User {
        /// What is said.
        text: String,
    },
    /// What the model said.
    Assistant {
        /// What is said; may be empty beside calls.
        text: String,
        /// The tools that it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What came of one of the calls in the message before.
    Tool {
        /// The call's id.
        call: String,
        /// What came of it.
        text: String,
    },
}

impl Message {
    /// What holds for the whole conversation.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// What the model is asked or told.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// What came of a call.
    pub fn tool(call: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Tool { call: call.into(), text: text.into() }
    }
}

/// A tool that a model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    /// Its name, unique among those offered.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// JSON Schema of its arguments, of type object.
    pub input_schema: Value,
}

/// A call that a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Tells it from the others of its message.
    pub id: String,
    /// The tool's name, which may be none of those offered.
    pub name: String,
    /// Its arguments; a text where the model wrote what is no JSON.
    pub arguments: Value,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It had said all.
    Stop,
    /// It waits for what comes of its calls.
    ToolCalls,
    /// `max_tokens`, or the model's own bound.
    Length,
    /// Its provider held something back.
    Filter,
    /// Something else.
    #[serde(other)]
    Other,
}

/// How much a model read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Usage {
    /// Tokens of the conversation.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Answer {
    /// What it said, to be put into the next request's messages as it is.
    pub message: Message,
    /// Why it stopped.
    pub finish: Finish,
    /// How much it read and wrote.
    pub usage: Usage,
    /// What answered, as its server calls it.
    pub model: String,
    /// The name under which it was asked; a fallback's where that stood in.
    pub profile: String,
}

impl Answer {
    /// What it said.
    pub fn text(&self) -> &str {
        match &self.message {
            Message::Assistant { text, .. }
            | Message::System { text }
            | Message::User { text }
            | Message::Tool { text, .. } => text,
        }
    }

    /// The tools that it asks for.
    pub fn tool_calls(&self) -> &[ToolCall] {
        match &self.message {
            Message::Assistant { tool_calls, .. } => tool_calls,
            Message::System { .. } | Message::User { .. } | Message::Tool { .. } => &[],
        }
    }
}

/// Asks a model once and waits for its answer.
///
/// It is recorded: when the agent's code runs again, the same question answers from the journal.
pub fn chat(model: &str, request: &Request) -> Result<Answer, Failure> {
    let text = models::chat(model, &json::write(request, "the request to a model")?)?;
    json::read(&text, FailureKind::Permanent, "the model's answer is not what was expected")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_written_and_an_answer_read_as_the_wit_says() {
        let request = Request {
            messages: vec![Message::system("a"), Message::user("b"), Message::tool("1", "c")],
            tools: vec![Offer { name: "x.y".to_owned(), summary: "s".to_owned(), input_schema: json!({}) }],
            max_tokens: Some(5),
            ..Request::default()
        };
        assert_eq!(
            serde_json::to_value(&request).unwrap(),
            json!({
                "messages": [
                    { "role": "system", "text": "a" },
                    { "role": "user", "text": "b" },
                    { "role": "tool", "call": "1", "text": "c" },
                ],
                "tools": [{ "name": "x.y", "summary": "s", "input_schema": {} }],
                "max_tokens": 5,
            })
        );
        let message = json!({ "role": "assistant", "text": "hi", "tool_calls": [{ "id": "1", "name": "x.y", "arguments": {} }] });
        let answer: Answer = serde_json::from_value(json!({
            "message": message, "finish": "tool-calls", "model": "m", "profile": "default",
            "usage": { "input_tokens": 1, "output_tokens": 2 },
        }))
        .unwrap();
        assert_eq!((answer.text(), answer.finish), ("hi", Finish::ToolCalls));
        assert_eq!(answer.tool_calls()[0].name, "x.y");
        assert_eq!(serde_json::to_value(&answer.message).unwrap(), message);
    }
}
