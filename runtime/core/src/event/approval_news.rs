//! What happens to an approval while it is open.

use serde::{Deserialize, Serialize};

use super::{Actor, Event, Payload};
use crate::{ApprovalId, Digest, Timestamp};

/// Somebody holds an approval: nobody else answers it until they let go of it, or time is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalClaimed {
    /// Which.
    pub approval: ApprovalId,
    /// Who, through which door.
    pub by: Actor,
    /// How long it holds.
    pub until: Timestamp,
    /// From whom an operator took it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// An approval is held no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalReleased {
    /// Which.
    pub approval: ApprovalId,
    /// Who, through which door: who held it, or an operator.
    pub by: Actor,
}

/// Somebody who may answer asks others to do it in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDelegated {
    /// Which.
    pub approval: ApprovalId,
    /// Whom: users and groups.
    pub to: Vec<String>,
    /// Who, through which door.
    pub by: Actor,
    /// Whose voice they give, where it was given to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Somebody said something about an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalCommented {
    /// Which.
    pub approval: ApprovalId,
    /// Who, through which door.
    pub by: Actor,
    /// What.
    pub text: String,
}

/// Somebody answered, and more people must.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalVoted {
    /// Which.
    pub approval: ApprovalId,
    /// What was chosen.
    pub action: String,
    /// What was filled into the form.
    pub data: Payload,
    /// Who, through which door.
    pub by: Actor,
    /// In whose place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What is allowed of a guarded call. Answers that allowed anything else stand no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executes: Option<Digest>,
}

/// Nobody has answered for so long that others are asked as well. Whoever held it holds it no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalEscalated {
    /// Which.
    pub approval: ApprovalId,
    /// The rung, from 1.
    pub level: u32,
    /// Who may answer as well from now on.
    pub to: Vec<String>,
}

impl Event {
    /// The approval that it is about.
    pub fn approval(&self) -> Option<&ApprovalId> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are about no approval")]
        match self {
            Self::ApprovalOpened(opened) => Some(&opened.approval),
            Self::ApprovalDecided(decided) => Some(&decided.approval),
            Self::ApprovalClaimed(claimed) => Some(&claimed.approval),
            Self::ApprovalReleased(released) => Some(&released.approval),
            Self::ApprovalDelegated(delegated) => Some(&delegated.approval),
            Self::ApprovalCommented(commented) => Some(&commented.approval),
            Self::ApprovalVoted(voted) => Some(&voted.approval),
            Self::ApprovalEscalated(escalated) => Some(&escalated.approval),
            _ => None,
        }
    }

    /// The same, of those that find it open.
    pub(crate) fn approval_mut(&mut self) -> Option<&mut ApprovalId> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others open one, or are about none")]
        match self {
            Self::ApprovalDecided(decided) => Some(&mut decided.approval),
            Self::ApprovalClaimed(claimed) => Some(&mut claimed.approval),
            Self::ApprovalReleased(released) => Some(&mut released.approval),
            Self::ApprovalDelegated(delegated) => Some(&mut delegated.approval),
            Self::ApprovalCommented(commented) => Some(&mut commented.approval),
            Self::ApprovalVoted(voted) => Some(&mut voted.approval),
            Self::ApprovalEscalated(escalated) => Some(&mut escalated.approval),
            _ => None,
        }
    }
}
