//! What is recorded of a move.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::budget::Prices;
use crate::event::{Actor, Payload};
use crate::plugin::{PluginPins, WorkflowPins};

/// The run goes on with another definition of its workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DefinitionChanged {
    /// SHA-256 of the source that it had.
    pub from: Digest,
    /// SHA-256 of the source that it goes on with.
    pub to: Digest,
    /// The author's version of the one that it had.
    pub from_version: String,
    /// The author's version of the new one.
    pub version: String,
    /// The plugins of the new one. Others that the run has by then, it keeps.
    pub plugins: Arc<PluginPins>,
    /// The workflows that its steps start from here on.
    #[serde(default, skip_serializing_if = "WorkflowPins::is_empty")]
    pub workflows: WorkflowPins,
    /// What models cost, where the new one counts money.
    #[serde(default, skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
    /// The inputs with the defaults of the new one, where it has more of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Payload>,
    /// Who moved it.
    pub by: Actor,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
