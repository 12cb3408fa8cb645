//! What agents keep beyond their run: whose memory it is, and what goes into it.

use std::fmt::{Display, Formatter, Result};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long the key of a memory may be, and each key in a memory that runs share, in bytes.
pub const MEMORY_KEY_MAX_BYTES: usize = 200;

/// A memory that runs share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryScope {
    /// That of all runs of the workflow with this name.
    Workflow(String),
    /// That of all steps, of whatever workflow, that name this key.
    Key(String),
}

impl MemoryScope {
    /// The workflow's name, or the key.
    pub fn name(&self) -> &str {
        match self {
            Self::Workflow(name) | Self::Key(name) => name,
        }
    }
}

impl Display for MemoryScope {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Workflow(name) => write!(f, "workflow {name}"),
            Self::Key(key) => write!(f, "key {key}"),
        }
    }
}

/// A value that goes into a memory that runs share. Of several for the same place the last one stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Whose memory.
    pub scope: MemoryScope,
    /// The key in it.
    pub key: String,
    /// What it holds from now on; null takes it away.
    pub value: Value,
}
