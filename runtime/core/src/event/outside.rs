//! What comes from outside a run.

use serde::{Deserialize, Serialize};

use super::{Actor, Payload};
use crate::RunId;
use crate::trace::TraceContext;

/// What a step waits for that comes from outside its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// The next signal of a name.
    Signal(String),
    /// The next event whose topic matches a pattern.
    Topic(String),
}

/// An event of another run: where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The run.
    pub run: RunId,
    /// The event's seq in it.
    pub seq: u64,
}

/// A signal as it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalReceived {
    /// Dense in the run, from 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it brings.
    pub data: Payload,
    /// Who sent it, through which door.
    pub by: Actor,
    /// The sender's key: a signal with a key that came before changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The trace that the sender was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}
