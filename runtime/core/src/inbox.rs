//! How far an open approval is: who holds it, what was said so far, who was asked beside those of the question.

use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp};

/// How far an open approval is. Part of listings, so its shape is part of the interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inbox {
    /// Who holds it; a claim whose time is over holds nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// The answers that stand, in their order; more are needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    /// Whom people asked in their place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delegations: Vec<Delegation>,
    /// How many comments there are; the journal has them.
    #[serde(skip_serializing_if = "is_zero")]
    pub comments: u32,
    /// How many rungs of the escalation were reached.
    #[serde(skip_serializing_if = "is_zero")]
    pub level: u32,
    /// Who may answer since then, beside those of the question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalated_to: Vec<String>,
    /// When the next rung is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalates: Option<Timestamp>,
    /// Who may not answer by `not_by`, by name, as far as was known when it was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Who holds an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// From when on anybody may answer again.
    pub until: Timestamp,
}

/// One person's answer, where more are needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// What they chose.
    pub action: String,
    /// Who.
    pub by: String,
    /// In whose place, where they were asked by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What they allow of a guarded call, SHA-256 of its tool and arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executes: Option<Digest>,
}

impl Vote {
    /// Whose voice it is.
    pub fn voice(&self) -> &str {
        self.instead_of.as_deref().unwrap_or(&self.by)
    }
}

/// Somebody asked others to answer in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Who asked.
    pub by: String,
    /// Whose voice they gave: their own, or that which was given to them.
    pub voice: String,
    /// Whom: users and groups.
    pub to: Vec<String>,
    /// When.
    pub at: Timestamp,
}

impl Inbox {
    /// Who holds it at an instant.
    pub fn held(&self, now: Timestamp) -> Option<&Claim> {
        self.claim.as_ref().filter(|claim| claim.until > now)
    }
}
