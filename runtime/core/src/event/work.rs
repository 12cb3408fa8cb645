//! What an attempt does, and what it writes to its log.

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::call::LogLevel;
use crate::plugin::EffectClass;
use crate::{Digest, MemoryScope};

/// What an attempt does, with everything evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Calls a tool.
    Tool {
        /// The plugin's name.
        plugin: String,
        /// The tool's name in it.
        tool: String,
        /// The component, pinned by the run.
        component: Digest,
        /// What may happen after a crash.
        effect: EffectClass,
        /// Its arguments.
        arguments: Payload,
    },
    /// Runs an agent.
    Agent {
        /// The plugin's name.
        agent: String,
        /// The component, pinned by the run.
        component: Digest,
        /// Its input.
        input: Payload,
        /// Whose memory it uses; the run's own without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<MemoryScope>,
    },
}

/// One line of a tool's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How it is marked.
    pub level: LogLevel,
    /// The line.
    pub message: String,
}
