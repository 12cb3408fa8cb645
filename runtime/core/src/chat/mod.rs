//! What a model is asked and what it answers: the JSON of `models.chat`.
//!
//! It is pawl's own and no provider's. Both sides of it are checked: what an agent asks before it
//! is recorded, what a provider gives before the agent gets it.

mod check;
mod script;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use check::{
    CHAT_CALLS_MAX, CHAT_MESSAGES_MAX, CHAT_NAME_MAX_BYTES, CHAT_STOP_MAX, CHAT_TOKENS_MAX, CHAT_TOOLS_MAX,
    TEMPERATURE_MAX, TOP_P_MAX,
};
pub use script::{ModelRule, ModelScript, ModelWhen, Reply, Scripted};

/// What a model is asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ChatRequest {
    /// The conversation so far, the newest message last.
    pub messages: Vec<Message>,
    /// The tools that the model may ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOffer>,
    /// What the answer's text must be: JSON of this schema.
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
    /// From 0 to 1: words are chosen among the likeliest, so many that their chances make up this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// What chance begins with: the same question with the same seed shall have the same answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
}

/// How a model is asked where the request does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sampling {
    /// As [`ChatRequest::temperature`].
    pub temperature: Option<f64>,
    /// As [`ChatRequest::top_p`].
    pub top_p: Option<f64>,
    /// As [`ChatRequest::max_tokens`].
    pub max_tokens: Option<u32>,
    /// As [`ChatRequest::seed`].
    pub seed: Option<u32>,
}

impl Sampling {
    /// The request with what it does not say itself; nothing where it says all, or nothing is said here.
    pub fn fill(&self, request: &ChatRequest) -> Option<ChatRequest> {
        let filled = ChatRequest {
            temperature: request.temperature.or(self.temperature),
            top_p: request.top_p.or(self.top_p),
            max_tokens: request.max_tokens.or(self.max_tokens),
            seed: request.seed.or(self.seed),
            ..ChatRequest::default()
        };
        let says =
            |request: &ChatRequest| (request.temperature, request.top_p, request.max_tokens, request.seed);
        (says(&filled) != says(request)).then(|| ChatRequest {
            messages: request.messages.clone(),
            tools: request.tools.clone(),
            response_schema: request.response_schema.clone(),
            stop: request.stop.clone(),
            ..filled
        })
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case", deny_unknown_fields)]
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
        #[serde(default)]
        text: String,
        /// The tools that it asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolRequest>,
    },
    /// What came of one of the calls in the assistant's message before.
    Tool {
        /// The call's id.
        call: String,
        /// What came of it.
        text: String,
    },
}

/// A tool that a model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolOffer {
    /// Its name, unique among those offered.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub summary: String,
    /// JSON Schema of its arguments, of type object.
    pub input_schema: Value,
}

/// A call that a model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRequest {
    /// Tells it from the others of its message.
    pub id: String,
    /// The tool's name, which may be none of those offered.
    pub name: String,
    /// Its arguments; a text where the model wrote what is no JSON.
    pub arguments: Value,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    Other,
}

/// How much a model read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens of the conversation.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatAnswer {
    /// What it said.
    pub text: String,
    /// The tools that it asks for.
    pub tool_calls: Vec<ToolRequest>,
    /// Why it stopped.
    pub finish: Finish,
    /// How much it read and wrote.
    pub usage: Usage,
    /// The model that answered, as its provider calls it.
    pub model: String,
}

/// The field of an answer, and of a failure's details, that says how many tries of a question may have been answered
/// where nobody heard it: each may be paid for.
pub const UNHEARD: &str = "unheard";

impl ChatAnswer {
    /// As an agent gets it, and as the journal has it: from this profile.
    pub fn to_json(&self, profile: &str) -> Value {
        let message = Message::Assistant { text: self.text.clone(), tool_calls: self.tool_calls.clone() };
        json!({
            "message": message,
            "finish": self.finish,
            "usage": self.usage,
            "model": self.model,
            "profile": profile,
        })
    }
}

#[cfg(test)]
mod tests;
