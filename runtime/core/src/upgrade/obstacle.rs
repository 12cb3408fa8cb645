//! What keeps a run from going on with another definition.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::StepId;

/// How many obstacles of one run are told.
pub const UPGRADE_OBSTACLES_MAX: usize = 20;

/// Of which kind an obstacle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObstacleKind {
    /// The run has ended.
    Ended,
    /// Its journal or its definition does not read.
    Unreadable,
    /// It is a run of another workflow.
    OtherWorkflow,
    /// It undoes what it did.
    Undoing,
    /// It is a rehearsal.
    Rehearsal,
    /// An attempt or a call is under way.
    UnderWay,
    /// The step where it stands is not there any more.
    StepMissing,
    /// The step stands in another list of steps now.
    StepMoved,
    /// The step does something else now.
    VerbChanged,
    /// A list of steps that is gone through is not there any more, or is one of another kind.
    ListChanged,
    /// A step has begun that needs others now which are not done.
    NeedsUnmet,
    /// A person is asked what the new version asks otherwise.
    QuestionChanged,
    /// What was recorded for the next attempt is not what the new version would do.
    WorkChanged,
    /// An agent is in the middle of its work, and it, or what it may use, changes.
    AgentChanged,
    /// What is waited for changes.
    WaitChanged,
    /// A run is waited for whose workflow changes.
    ChildChanged,
    /// What was done would be undone in a way that nothing was kept for.
    UndoChanged,
    /// The recorded inputs are not accepted.
    InputsRefused,
    /// A variable cannot be made of what is recorded.
    Variable,
    /// An output is used that the run does not have and will not have.
    OutputMissing,
    /// An output is used that has no such field.
    OutputUnfit,
    /// A signal that waits to be taken is not accepted.
    SignalUnfit,
    /// It asks for what is tainted, which the journal does not say.
    TaintUnknown,
    /// The run that waits for this one expects outputs that change.
    OutputsChanged,
}

/// One reason why a run cannot go on with another definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Of which kind.
    pub kind: ObstacleKind,
    /// The step that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// What does not fit.
    pub what: String,
    /// What can be done about it.
    pub next: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            write!(f, "step '{step}': ")?;
        }
        write!(f, "{}; {}", self.what, self.next)
    }
}

/// What came of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the run is on the new definition already.
    pub already: bool,
    /// What is in the way.
    pub obstacles: Vec<Obstacle>,
    /// What stays as it was, although the new definition says otherwise.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether the run can be moved.
    pub const fn can_move(&self) -> bool {
        !self.already && self.obstacles.is_empty()
    }

    /// Once for each kind and step: the items of a `map` have the same to say.
    pub(super) fn add(&mut self, obstacle: Obstacle) {
        let known = |at: &Obstacle| at.kind == obstacle.kind && at.step == obstacle.step;
        if self.obstacles.len() < UPGRADE_OBSTACLES_MAX && !self.obstacles.iter().any(known) {
            self.obstacles.push(obstacle);
        }
    }

    pub(super) fn note(&mut self, note: String) {
        if self.notes.len() < UPGRADE_OBSTACLES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.already {
            return f.write_str("the run has this definition already");
        }
        for (number, obstacle) in self.obstacles.iter().enumerate() {
            write!(f, "{}{obstacle}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
