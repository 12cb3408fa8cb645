//! Places in what may go on at once only so often.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, VisitId};

/// What happens to whoever finds all slots taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// It waits until one is free.
    #[default]
    Queue,
    /// It fails with `limit`.
    Fail,
    /// It takes the place of the one that has been there longest; those that wait make way as well.
    Replace,
}

impl Overflow {
    /// All of them, by name, as the workflow language has them.
    pub const ALL: [(&'static str, Self); 3] =
        [("queue", Self::Queue), ("fail", Self::Fail), ("replace", Self::Replace)];
}

/// A slot is wanted before the run, or a visit of it, goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRequested {
    /// The visit; absent for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    /// Among which; all runs of a store share them.
    pub key: String,
    /// How many there may be.
    pub limit: u32,
    /// What happens when there is none.
    pub overflow: Overflow,
    /// From 0 to 100; the higher goes first.
    pub priority: u8,
    /// When the visit fails with `timeout` unless it has its slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}
