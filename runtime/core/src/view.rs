//! Projections: what listings and indexes hold of a run. The shapes are part of the interface.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inbox::Inbox;
use crate::journal::Head;
use crate::terms::Terms;
use crate::{ApprovalId, Digest, Failure, Namespace, RunId, StepId, Timestamp};

/// Where a run or a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Accepted, not begun.
    Pending,
    /// Something is under way.
    Running,
    /// Nothing is under way until time passes or a person answers.
    Waiting,
    /// Stopped by an operator.
    Suspended,
    /// Done.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended by a person.
    Cancelled,
    /// A step whose `if` did not hold.
    Skipped,
    /// A step that may or may not have happened.
    Unknown,
}

impl Status {
    /// All statuses a run can have.
    pub const OF_RUNS: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Suspended,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name as it stands in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a run with this status goes on no more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum Waiting {
    /// A person's answer.
    Approval {
        /// Which approval.
        approval: ApprovalId,
        /// The step that asks.
        step: StepId,
        /// What is asked.
        title: String,
    },
    /// An instant.
    Timer {
        /// The step that waits.
        step: StepId,
        /// `wait`, `retry` or `sleep`.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// An operator suspended it.
    Resume {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// A signal.
    Signal {
        /// The step that waits.
        step: StepId,
        /// The signal's name.
        name: String,
        /// Until when; for ever, when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An event of another run.
    Topic {
        /// The step that waits.
        step: StepId,
        /// What its topic must match.
        pattern: String,
        /// Until when; for ever, when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// One of the slots that others have as well.
    Slot {
        /// The step that waits; nothing for the run, which has not begun.
        step: Option<StepId>,
        /// Among which.
        key: String,
        /// Until when; for ever, when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A plugin that could do what the step asks for.
    Route {
        /// The step that waits.
        step: StepId,
        /// What is looked for, in words.
        wanted: String,
    },
    /// The end of a run that a step started.
    Run {
        /// The step that waits.
        step: StepId,
        /// The run.
        run: RunId,
    },
}

impl Waiting {
    /// Whether what is waited for comes from outside: from a person, or with a signal or an event.
    pub const fn is_from_outside(&self) -> bool {
        matches!(self, Self::Approval { .. } | Self::Signal { .. } | Self::Topic { .. })
    }
}

/// The header of a run: what a listing shows.
///
/// Written only with commits that change what it shows, so `head` may lag
/// behind the journal of a run that is under way; never behind that of a run
/// that waits or has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of the definition's source.
    pub definition: Digest,
    /// Where it stands.
    pub status: Status,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// What it gave, once completed.
    pub outputs: Option<Value>,
    /// Why it failed, once failed.
    pub error: Option<Failure>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When this header last changed.
    pub updated_at: Timestamp,
    /// When something is due although nothing is under way; the timer index is made of it.
    pub wake_at: Option<Timestamp>,
    /// The run whose step started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// Whose run it is.
    #[serde(default, skip_serializing_if = "Namespace::is_default")]
    pub namespace: Namespace,
    /// Whether it waits for a plugin, among others: it is looked for while an engine serves all runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seeks: bool,
    /// Where its journal ended when this header was written.
    pub head: Head,
}

/// An open approval, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenApproval {
    /// Its id.
    pub id: ApprovalId,
    /// The run that waits.
    pub run: RunId,
    /// Whose run that is.
    #[serde(default, skip_serializing_if = "Namespace::is_default")]
    pub namespace: Namespace,
    /// The workflow's name.
    pub workflow: String,
    /// The step that asks.
    pub step: StepId,
    /// What is asked, in one line.
    pub title: String,
    /// Who may answer; empty means anyone.
    pub to: Vec<String>,
    /// What can be chosen.
    pub actions: Vec<String>,
    /// JSON Schema of what is filled in.
    pub form: Option<Value>,
    /// What the answer allows.
    pub subject: Option<Value>,
    /// When `on_timeout` is taken.
    pub due: Option<Timestamp>,
    /// The action taken when it is due.
    pub on_timeout: Option<String>,
    /// SHA-256 of what is asked.
    pub digest: Digest,
    /// When it was opened.
    pub created_at: Timestamp,
    /// By how many it is answered, by whom not, and what happens while nobody does.
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
    /// How far it is: who holds it, what was said so far, who else was asked.
    #[serde(default)]
    pub inbox: Inbox,
}

impl OpenApproval {
    /// Whether somebody may answer it who is or belongs to these, `user:ann`, `group:finance`: they are asked, `not_by`
    /// does not shut them out as far as is known, and they have not answered yet.
    pub fn is_asked(&self, names: &[String]) -> bool {
        let is_among = |who: &String| names.contains(who);
        let inbox = &self.inbox;
        let delegated = inbox.delegations.iter().flat_map(|delegation| &delegation.to);
        let asked = self.to.iter().chain(&inbox.escalated_to).chain(delegated);
        let out = self.terms.not_by.iter().chain(&inbox.excluded);
        (self.to.is_empty() || asked.into_iter().any(is_among))
            && !out.into_iter().any(is_among)
            && !inbox.votes.iter().any(|vote| is_among(&vote.by))
    }
}
