//! Who did something.

use serde::{Deserialize, Serialize};

/// Who did something, and through which door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `user:ann`, or `timer`.
    pub name: String,
    /// The groups that they belong to, `group:finance`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether they own the data folder and so act as its operator.
    #[serde(default)]
    pub operator: bool,
    /// `cli`, `library`, `timer`.
    pub via: String,
}

impl Actor {
    /// Time itself, when a question was due.
    pub fn timer() -> Self {
        Self { name: "timer".into(), groups: Vec::new(), operator: false, via: "timer".into() }
    }
}

/// Who cancelled a run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Who.
    pub by: Actor,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
