//! How a question is to be answered: by how many, by whom not, with what reason, and what happens while nobody does.
//!
//! A question without any of it is answered by the first who may. What stands here is part of the question, so it is
//! hashed and shown with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Duration;
use crate::guard::{APPROVE, REJECT};

/// The most people who must agree.
pub const QUORUM_MAX: u32 = 20;
/// The most rungs of an escalation.
pub const ESCALATIONS_MAX: usize = 10;
/// The most entries of `not_by`, and of those to whom one delegation goes.
pub const PEOPLE_MAX: usize = 50;
/// The longest name of a person or group.
pub const PERSON_MAX_BYTES: usize = 256;
/// The longest label of an action.
pub const ACTION_LABEL_MAX_BYTES: usize = 128;
/// The longest comment, and the longest reason of an answer.
pub const COMMENT_MAX_BYTES: usize = 4_096;
/// The most comments on one approval.
pub const COMMENTS_MAX: u32 = 100;
/// The most delegations of one approval.
pub const DELEGATIONS_MAX: usize = 20;
/// The most claims of one approval.
pub const CLAIMS_MAX: u32 = 200;
/// The most answers of one approval that do not decide it.
pub const VOTES_MAX: u32 = 200;
/// How long a claim holds where the question does not say.
pub const CLAIM_TIME: Duration = Duration(8 * 60 * 60 * 1_000);

/// In `not_by`: whoever started the run.
pub const INITIATOR: &str = "initiator";
/// In `not_by`: whoever answered a step, `steps.check`.
pub(crate) const STEPS: &str = "steps.";

/// How a question is to be answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How many different people must choose the same; 1 without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
    /// The actions for which one person is enough whatever the quorum; `reject` without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<Vec<String>>,
    /// Who may not answer: `initiator`, `steps.check` for who answered that step, `user:ann`, `group:interns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_by: Vec<String>,
    /// The actions that need a reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<String>,
    /// What actions are called where people read them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long a claim holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_for: Option<Duration>,
    /// Who else may answer while nobody does, in the order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Rung>,
}

/// One rung of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// How long after the question was asked.
    pub after: Duration,
    /// Who may answer as well from then on.
    pub to: Vec<String>,
}

impl Terms {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many people must choose an action.
    pub fn needed(&self, action: &str) -> u32 {
        let quorum = self.quorum.unwrap_or(1);
        let at_once = match &self.at_once {
            Some(actions) => actions.iter().any(|known| known == action),
            None => action == REJECT,
        };
        if at_once { 1 } else { quorum }
    }

    /// Adds what a rule asks to what is asked already; of what cannot be added, the first holds.
    pub(crate) fn add(&mut self, rule: &Self, actions: &[String]) {
        self.quorum = self.quorum.max(rule.quorum);
        if self.at_once.is_none() {
            self.at_once.clone_from(&rule.at_once);
        }
        for entry in &rule.not_by {
            if !self.not_by.contains(entry) {
                self.not_by.push(entry.clone());
            }
        }
        // A rule knows two actions; what holds for both of them holds for all that there are.
        let all = [APPROVE, REJECT].iter().all(|action| rule.reason.iter().any(|known| known == action));
        for action in actions {
            if (all || rule.reason.contains(action)) && !self.reason.contains(action) {
                self.reason.push(action.clone());
            }
        }
        self.claim_for = self.claim_for.or(rule.claim_for);
        if self.escalate.is_empty() {
            self.escalate.clone_from(&rule.escalate);
        }
    }

    /// How long a claim holds.
    pub fn claim_time(&self) -> Duration {
        self.claim_for.unwrap_or(CLAIM_TIME)
    }

    /// Whether an answer to another question cannot stand for one to this.
    pub(crate) fn is_strict(&self) -> bool {
        self.quorum.is_some_and(|quorum| quorum > 1) || !self.not_by.is_empty() || !self.reason.is_empty()
    }
}

/// Whether a text names a user or a group: `user:ann`, `group:finance`.
pub(crate) fn is_person(name: &str) -> bool {
    let named = ["user:", "group:"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|n| !n.is_empty()));
    named && name.len() <= PERSON_MAX_BYTES && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_ends_at_once_unless_it_is_written_otherwise() {
        let two = Terms { quorum: Some(2), ..Terms::default() };
        assert_eq!([two.needed("approve"), two.needed("reject"), two.needed("hold")], [2, 1, 2]);
        let none = Terms { at_once: Some(Vec::new()), ..two.clone() };
        assert_eq!([none.needed("approve"), none.needed("reject")], [2, 2]);
        let hold = Terms { at_once: Some(vec!["hold".into()]), ..two };
        assert_eq!([hold.needed("reject"), hold.needed("hold")], [2, 1]);
        assert_eq!(Terms::default().needed("approve"), 1);
    }
}
