//! Who is told of approvals.

use std::collections::BTreeSet;

use serde_json::Value;

use super::KeyPlace;
use crate::Duration;
use crate::plugin::Hosts;

/// Somebody who is told of approvals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// How.
    pub told: NotifyWay,
    /// What of.
    pub events: BTreeSet<NotifyOn>,
    /// For how long the links are good that are told with them; nothing where none are.
    pub links: Option<Duration>,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyWay {
    /// By a web hook.
    Hook {
        /// Its address.
        url: String,
        /// Where the secret is that deliveries are signed with.
        secret: KeyPlace,
    },
    /// By a call of a tool.
    Tool(NotifyTool),
}

/// A tool that is called with what is told, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyTool {
    /// The plugin.
    pub plugin: String,
    /// Its tool.
    pub tool: String,
    /// Its arguments, made from `inputs.notification`; that itself, where there are none.
    pub with: Option<Value>,
    /// The hosts that it may send requests to.
    pub http: Hosts,
    /// The secrets that it may send.
    pub secrets: BTreeSet<String>,
}

/// What is told of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyOn {
    /// It is open.
    Opened,
    /// Others were asked, since nobody has answered.
    Escalated,
    /// Somebody who was asked has asked others in their place.
    Delegated,
    /// People have decided it.
    Decided,
    /// Its time is over, and what was to be taken then was taken.
    Expired,
    /// Nobody needs an answer any more.
    Withdrawn,
}

impl NotifyOn {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Opened, Self::Escalated, Self::Delegated, Self::Decided, Self::Expired, Self::Withdrawn];

    /// The name as it stands in `pawl.yaml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Delegated => "delegated",
            Self::Decided => "decided",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether somebody can still answer.
    pub const fn asks(self) -> bool {
        matches!(self, Self::Opened | Self::Escalated | Self::Delegated)
    }
}
