//! A plugin is looked for and chosen.

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::plugin::PluginPin;
use crate::route::{Cost, RouteQuery};
use crate::{MemoryScope, VisitId};

/// A visit needs a plugin, whose work is known but for who does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteRequested {
    /// The visit.
    pub visit: VisitId,
    /// What is looked for.
    pub query: RouteQuery,
    /// The input of an agent, or the arguments of a tool.
    pub input: Payload,
    /// Whose memory an agent uses; the run's own without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryScope>,
}

/// A plugin was chosen; its attempt starts in the same commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteChosen {
    /// The visit.
    pub visit: VisitId,
    /// The plugin's name.
    pub chosen: String,
    /// The tool, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its component, which the run is pinned to from now on; absent where it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<PluginPin>,
    /// Those that could have been, the best first, and then those that could almost have been.
    pub candidates: Vec<Candidate>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
    /// Why this one, in words.
    pub reason: String,
}

/// No plugin is there that could be chosen; the visit waits until there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteAwaited {
    /// The visit.
    pub visit: VisitId,
    /// What was looked for and what there is, in words.
    pub reason: String,
    /// Those that could almost have been chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

/// A plugin that was looked at, with what it was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The tool, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Its priority.
    pub priority: u32,
    /// What one use costs, in millionths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// How long it took of late, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// How much of what it did of late went well, in thousandths.
    pub health_permille: u32,
    /// Why it is not to be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
