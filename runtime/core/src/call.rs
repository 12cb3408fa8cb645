//! One host call of an agent: what is asked, what is recorded of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::canonical::{canonical_json, canonical_text};
use crate::terms::Terms;
use crate::{Digest, Duration, Failure, MemoryScope};

/// How a guest's log line is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// For whoever reads the run.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// What a person is asked, by a step or by an agent's call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// One line that can be read alone.
    pub title: String,
    /// Users and groups who may answer, `user:ann`, `group:finance`; empty means anyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// What can be chosen; at least one.
    pub actions: Vec<String>,
    /// JSON Schema of what is filled in beside the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// What the answer allows: the exact arguments that will be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Value>,
    /// How long to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Duration>,
    /// The action taken when time is up; stands with `due`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<String>,
    /// By how many it is answered, by whom not, and what happens while nobody does.
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
}

/// One host call of an agent, as it crosses from the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallRequest {
    /// `tools.list`.
    ToolList,
    /// `agents.list`.
    AgentList,
    /// `tools.call`.
    Tool {
        /// `<plugin>.<tool>`.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
    /// `agents.call`.
    Agent {
        /// The other agent's plugin.
        name: String,
        /// Its input.
        task: Value,
    },
    /// `signals.wait`.
    Signal {
        /// The signal's name.
        name: String,
        /// How long to wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Duration>,
    },
    /// `human.ask`.
    Human(Box<Question>),
    /// `memory.get`.
    MemoryGet {
        /// The key.
        key: String,
        /// Whose memory; the run's own without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<MemoryScope>,
    },
    /// `memory.put`.
    MemoryPut {
        /// The key.
        key: String,
        /// What it holds from now on.
        value: Value,
        /// Whose memory; the run's own without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<MemoryScope>,
    },
    /// `timers.sleep`.
    Sleep {
        /// How long.
        duration: Duration,
    },
    /// `log.write`.
    Log {
        /// How it is marked.
        level: LogLevel,
        /// The line.
        message: String,
    },
    /// `models.chat`.
    Model {
        /// The operator's name of a model.
        profile: String,
        /// What it is asked: a [`ChatRequest`](crate::chat::ChatRequest).
        request: Value,
    },
    /// What an earlier version answered with `denied`: `models.chat`. Only older journals have it.
    Denied {
        /// The interface and function.
        capability: String,
        /// What was asked.
        request: Value,
    },
}

impl CallRequest {
    /// The function's name in WIT, `tools.call`.
    pub fn function(&self) -> &str {
        match self {
            Self::ToolList => "tools.list",
            Self::AgentList => "agents.list",
            Self::Tool { .. } => "tools.call",
            Self::Agent { .. } => "agents.call",
            Self::Signal { .. } => "signals.wait",
            Self::Human(_) => "human.ask",
            Self::MemoryGet { .. } => "memory.get",
            Self::MemoryPut { .. } => "memory.put",
            Self::Sleep { .. } => "timers.sleep",
            Self::Log { .. } => "log.write",
            Self::Model { .. } => "models.chat",
            Self::Denied { capability, .. } => capability,
        }
    }

    /// The request as JSON, which its digest is taken of and which errors show.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|error| json!({ "unprintable": error.to_string() }))
    }

    /// The same call, on this memory if it is about memory. A guest does not say whose it uses: its step does.
    #[must_use]
    pub fn on_memory(self, memory: Option<&MemoryScope>) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are about something else")]
        match self {
            Self::MemoryGet { key, .. } => Self::MemoryGet { key, scope: memory.cloned() },
            Self::MemoryPut { key, value, .. } => Self::MemoryPut { key, value, scope: memory.cloned() },
            other => other,
        }
    }

    /// What a replay compares.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }

    /// Its canonical JSON, which is as long as any JSON of it without white space.
    pub fn canonical(&self) -> String {
        #[expect(clippy::wildcard_enum_match_arm, reason = "what is rarely asked takes the long way")]
        match self {
            // A replay goes through thousands of these, so nothing is copied for it.
            Self::Tool { name, arguments } => {
                let (arguments, name) = (canonical_json(arguments), canonical_text(name));
                format!("{{\"tool\":{{\"arguments\":{arguments},\"name\":{name}}}}}")
            }
            other => canonical_json(&other.to_json()),
        }
    }

    /// Whether the call changes nothing outside the run. Such calls are
    /// recorded together with the next one that does, not by a commit of their own.
    pub const fn is_silent(&self) -> bool {
        match self {
            Self::ToolList
            | Self::AgentList
            | Self::MemoryGet { .. }
            | Self::MemoryPut { .. }
            | Self::Log { .. }
            | Self::Denied { .. } => true,
            Self::Tool { .. }
            | Self::Agent { .. }
            | Self::Signal { .. }
            | Self::Human(_)
            | Self::Sleep { .. }
            | Self::Model { .. } => false,
        }
    }
}

/// What an agent got back: JSON, or a failure that it may handle.
pub type CallResponse = Result<Value, Failure>;

/// The same, shared with the event that recorded it.
pub type SharedResponse = Result<Arc<Value>, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_tool_has_the_canonical_json_of_its_shape() {
        for (name, arguments) in [
            ("orders.lookup", json!({"z": [1, {"b": 2, "a": "x\"y\n"}], "a": null})),
            ("odd \"name\"", json!("text")),
            ("", json!({})),
        ] {
            let request = CallRequest::Tool { name: name.into(), arguments };
            assert_eq!(request.canonical(), canonical_json(&request.to_json()));
            assert_eq!(request.canonical().len(), crate::json_bytes(&request));
        }
    }
}
