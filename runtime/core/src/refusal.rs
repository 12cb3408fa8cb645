//! Why a command changed nothing.

use crate::upgrade::Verdict;
use crate::{ApprovalId, RunId, StepId, Timestamp, VisitId};

/// Why a command changed nothing. Each says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run has been started before.
    #[error("the run was started before")]
    AlreadyStarted,
    /// The run has no event yet.
    #[error("the run was never started")]
    NotStarted,
    /// The run goes on no more.
    #[error("the run has ended ({0}); start a new one")]
    Ended(&'static str),
    /// There is no failed step that could be tried again.
    #[error("{0}")]
    CannotRetry(String),
    /// The run is suspended already, or is not.
    #[error("{0}")]
    CannotSuspend(String),
    /// A fork there makes no sense.
    #[error("{0}")]
    CannotFork(String),
    /// A fork would go on with an answer that whoever forks may not give.
    #[error("{0}")]
    AnswerOfOthers(String),
    /// The run cannot go on with that definition.
    #[error("{0}")]
    CannotMove(Box<Verdict>),
    /// The attempt or call is not the one under way; its result is not wanted any more.
    #[error("visit {visit}, attempt {attempt} is not under way any more")]
    Stale {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
    },
    /// A call came that its agent's replay should not have made.
    #[error("call {call} of visit {visit} does not follow the {recorded} recorded ones")]
    CallOutOfOrder {
        /// The visit.
        visit: VisitId,
        /// The call's number.
        call: u32,
        /// How many there are.
        recorded: u32,
    },
    /// Another call of the same agent waits for a person: nothing more of it begins before.
    #[error("call {call} of visit {visit} does not begin while another one of its agent waits")]
    CallWaits {
        /// The visit.
        visit: VisitId,
        /// The call's number.
        call: u32,
    },
    /// The run that ended is not one that is waited for.
    #[error("nothing waits for run {child} any more")]
    NotAwaited {
        /// The run.
        child: RunId,
    },
    /// No step waits for such a signal.
    #[error("the workflow has no signal '{name}'; {}", signals(known))]
    UnknownSignal {
        /// The name.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The signal does not bring what it must.
    #[error("the signal '{name}' does not accept this: {}", problems.join("; "))]
    InvalidSignal {
        /// The name.
        name: String,
        /// What is wrong, one text a problem.
        problems: Vec<String>,
    },
    /// Too many signals wait to be taken.
    #[error("the run keeps {kept} signals, signals_kept_max allows {max}; let its steps take them first")]
    TooManySignals {
        /// How many there are.
        kept: usize,
        /// The limit.
        max: usize,
    },
    /// No such approval in this run.
    #[error("the run has no approval {0}; `pawl approvals` lists the open ones")]
    UnknownApproval(ApprovalId),
    /// The approval is closed.
    #[error("the approval was decided before: {action}, by {by}")]
    AlreadyDecided {
        /// What was chosen.
        action: String,
        /// Who chose.
        by: String,
    },
    /// The time to answer is over; what the question says of that happens now.
    #[error("the answer was due at {due}; `pawl show RUN` tells what became of it")]
    TooLate {
        /// When it was due.
        due: Timestamp,
    },
    /// To end the step now would lose what comes of a call.
    #[error(
        "a call in step '{step}' that must happen at most once is under way, and what comes of it would be lost; \
         end the step when the call has its answer, `pawl show RUN` tells"
    )]
    CallUnderWay {
        /// The step.
        step: StepId,
    },
    /// The action is not offered.
    #[error("there is no action '{action}'; choose one of: {}", offered.join(", "))]
    UnknownAction {
        /// What was asked for.
        action: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The form is not filled in as it must be.
    #[error("the form does not accept this: {}", problems.join("; "))]
    InvalidForm {
        /// What is wrong, one text a problem.
        problems: Vec<String>,
    },
    /// This person may not answer.
    #[error("{who} may not answer; it was asked of: {}", asked.join(", "))]
    NotAsked {
        /// Who tried.
        who: String,
        /// Who may.
        asked: Vec<String>,
    },
    /// Somebody whom `not_by` shuts out.
    #[error("{who} may not answer this one: {why}; somebody else has to")]
    Excluded {
        /// Who tried, or was named.
        who: String,
        /// Why not.
        why: String,
    },
    /// The same person again, where several must answer.
    #[error("{who} has answered '{action}' before, and each person counts once; somebody else has to")]
    AnsweredBefore {
        /// Who tried.
        who: String,
        /// What they chose.
        action: String,
    },
    /// The voice that somebody has was used by whom it was given to, or by who gave it.
    #[error("{by} has answered with the voice of {of}, which counts once; somebody else has to")]
    VoiceUsed {
        /// Whose voice.
        of: String,
        /// Who used it.
        by: String,
    },
    /// Somebody else holds it.
    #[error(
        "{by} holds the approval until {until}; ask them to release it, or take it over as an operator with \
         `pawl approvals claim ID`"
    )]
    Claimed {
        /// Who.
        by: String,
        /// Until when.
        until: Timestamp,
    },
    /// What is not held cannot be let go of.
    #[error("{who} does not hold the approval; {}", held(holder.as_deref()))]
    NotClaimed {
        /// Who tried.
        who: String,
        /// Who holds it.
        holder: Option<String>,
    },
    /// The action needs a reason.
    #[error("'{action}' needs a reason; give it with --comment")]
    ReasonMissing {
        /// Which.
        action: String,
    },
    /// There is nothing in the comment.
    #[error("the comment is empty; say something")]
    EmptyComment,
    /// A comment or a reason is too long.
    #[error("the comment has {bytes} bytes, comment_max_bytes allows {max}; say it in fewer words")]
    CommentTooLong {
        /// How long it is.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It cannot be delegated so.
    #[error("it cannot be delegated: {problem}")]
    InvalidDelegate {
        /// Why not.
        problem: String,
    },
    /// So much was done with one approval that no more is recorded.
    #[error("the approval has {max} {what}, and {limit} allows no more; answer it")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// The limit.
        max: u32,
    },
}

fn held(holder: Option<&str>) -> String {
    holder.map_or_else(|| "nobody does".to_owned(), |holder| format!("{holder} does"))
}

fn signals(known: &[String]) -> String {
    if known.is_empty() { "it takes none".to_owned() } else { format!("it takes: {}", known.join(", ")) }
}
