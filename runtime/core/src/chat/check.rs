//! Reading what a model is asked, and what must hold of it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ChatAnswer, ChatRequest, Message, ToolOffer, ToolRequest};

/// The most messages of a conversation.
pub const CHAT_MESSAGES_MAX: usize = 1_000;
/// The most tools that a model is offered.
pub const CHAT_TOOLS_MAX: usize = 128;
/// The most calls that one message asks for.
pub const CHAT_CALLS_MAX: usize = 64;
/// The name of a tool and the id of a call, in bytes.
pub const CHAT_NAME_MAX_BYTES: usize = 256;
/// The most texts that end an answer; each has at most [`CHAT_NAME_MAX_BYTES`].
pub const CHAT_STOP_MAX: usize = 4;
/// The most that `max_tokens` can be.
pub const CHAT_TOKENS_MAX: u32 = 1_000_000;
/// The highest `temperature`.
pub const TEMPERATURE_MAX: u32 = 2;
/// The highest `top_p`.
pub const TOP_P_MAX: u32 = 1;

/// A request as it is written; its parts are read one by one, so that a message says which is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    messages: Vec<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    response_schema: Option<Value>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default)]
    stop: Vec<String>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    seed: Option<u32>,
}

impl ChatRequest {
    /// Reads a request; what is wrong with it is said for whoever wrote it.
    pub fn read(request: &Value) -> Result<Self, String> {
        let written = Written::deserialize(request).map_err(|error| error.to_string())?;
        bound("messages", written.messages.len(), CHAT_MESSAGES_MAX)?;
        bound("tools", written.tools.len(), CHAT_TOOLS_MAX)?;
        let request = Self {
            messages: each("messages", written.messages)?,
            tools: each("tools", written.tools)?,
            response_schema: written.response_schema.filter(|schema| !schema.is_null()),
            temperature: written.temperature,
            max_tokens: written.max_tokens,
            stop: written.stop,
            top_p: written.top_p,
            seed: written.seed,
        };
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), String> {
        self.check_settings()?;
        let mut names = BTreeSet::new();
        for (at, ToolOffer { name, input_schema, .. }) in self.tools.iter().enumerate() {
            check_name(&format!("tools[{at}].name"), name)?;
            if !names.insert(name) {
                return Err(format!("tools[{at}]: there are two tools named {name:?}"));
            }
            if !input_schema.is_object() {
                return Err(format!("tools[{at}].input_schema is no object"));
            }
        }
        self.check_order()
    }

    fn check_settings(&self) -> Result<(), String> {
        for (what, value, max) in
            [("temperature", self.temperature, TEMPERATURE_MAX), ("top_p", self.top_p, TOP_P_MAX)]
        {
            if value.is_some_and(|value| !(0.0..=f64::from(max)).contains(&value)) {
                return Err(format!("{what} is not from 0 to {max}"));
            }
        }
        if self.max_tokens.is_some_and(|max| !(1..=CHAT_TOKENS_MAX).contains(&max)) {
            return Err(format!("max_tokens is not from 1 to CHAT_TOKENS_MAX ({CHAT_TOKENS_MAX})"));
        }
        if self.response_schema.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err("response_schema is no object".to_owned());
        }
        bound("stop", self.stop.len(), CHAT_STOP_MAX)?;
        self.stop.iter().enumerate().try_for_each(|(at, text)| check_name(&format!("stop[{at}]"), text))
    }

    /// The order that every provider takes: what holds for all first, each call answered before
    /// anything else is said, and something to answer at the end.
    fn check_order(&self) -> Result<(), String> {
        let mut began = false;
        let mut open: Vec<&str> = Vec::new();
        for (at, message) in self.messages.iter().enumerate() {
            if let Message::Tool { call, .. } = message {
                let Some(found) = open.iter().position(|id| id == call) else {
                    return Err(format!(
                        "messages[{at}] answers {call:?}, which the message before did not ask for"
                    ));
                };
                open.remove(found);
                continue;
            }
            if let Some(id) = open.first() {
                return Err(format!("messages[{at}] comes before the answer of the call {id:?}"));
            }
            match message {
                Message::System { .. } if began => {
                    return Err(format!("messages[{at}] is of the system, and must stand before all others"));
                }
                Message::Assistant { tool_calls, .. } => {
                    check_calls(&format!("messages[{at}]"), tool_calls)?;
                    open = tool_calls.iter().map(|call| call.id.as_str()).collect();
                }
                Message::System { .. } | Message::User { .. } | Message::Tool { .. } => {}
            }
            began |= !matches!(message, Message::System { .. });
        }
        if let Some(id) = open.first() {
            return Err(format!("the call {id:?} has no answer"));
        }
        match self.messages.last() {
            Some(Message::User { .. } | Message::Tool { .. }) => Ok(()),
            Some(Message::System { .. } | Message::Assistant { .. }) | None => {
                Err("messages must end with one of the user, or with what came of a call".to_owned())
            }
        }
    }
}

impl ChatAnswer {
    /// What must hold of an answer, whoever made it.
    pub fn check(&self) -> Result<(), String> {
        check_calls("the answer", &self.tool_calls)
    }
}

fn check_calls(what: &str, calls: &[ToolRequest]) -> Result<(), String> {
    bound(&format!("{what}.tool_calls"), calls.len(), CHAT_CALLS_MAX)?;
    let mut ids = BTreeSet::new();
    for (at, call) in calls.iter().enumerate() {
        check_name(&format!("{what}.tool_calls[{at}].id"), &call.id)?;
        check_name(&format!("{what}.tool_calls[{at}].name"), &call.name)?;
        if !ids.insert(&call.id) {
            return Err(format!("{what}.tool_calls[{at}]: there are two calls with the id {:?}", call.id));
        }
    }
    Ok(())
}

fn each<T: DeserializeOwned>(what: &str, values: Vec<Value>) -> Result<Vec<T>, String> {
    let read = |(at, value)| serde_json::from_value(value).map_err(|error| format!("{what}[{at}]: {error}"));
    values.into_iter().enumerate().map(read).collect()
}

fn bound(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found <= max { Ok(()) } else { Err(format!("{what} has {found} entries; at most {max} are allowed")) }
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if (1..=CHAT_NAME_MAX_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(format!("{what} has {} bytes; it must have 1 to {CHAT_NAME_MAX_BYTES}", name.len()))
}
