//! What can be asked of a run, and what is handed in with it.

use serde_json::Value;

use crate::budget::Amounts;
use crate::call::{CallRequest, CallResponse};
use crate::decide::SlotNews;
use crate::elicit::ToolAsks;
use crate::event::{Actor, Candidate, LogLine, Origin, RunStarted};
use crate::fork::Restart;
use crate::plugin::PluginPin;
use crate::taint::Sources;
use crate::upgrade::{Upgrade, Verdict};
use crate::{ApprovalId, Digest, Failure, Namespace, RunId, StepId, Timestamp, VisitId};

/// What can be asked of a run.
#[derive(Debug, Clone)]
pub enum Command {
    /// Begin. The inputs were accepted by the definition's schema.
    Start(Box<RunStarted>),
    /// An attempt gave a result.
    EndAttempt {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
        /// What it gave.
        result: CallResponse,
        /// An agent's calls since the last recorded one.
        silent: Vec<AnsweredCall>,
        /// What a tool wrote to its log.
        log: Vec<LogLine>,
    },
    /// An agent hands its task over to another one.
    HandOver {
        /// The visit.
        visit: VisitId,
        /// The attempt.
        attempt: u32,
        /// The agent that goes on.
        to: String,
        /// Its input.
        input: Value,
        /// The calls since the last recorded one.
        silent: Vec<AnsweredCall>,
    },
    /// An agent makes a call that reaches outside. No event in answer means: go ahead.
    BeginCall {
        /// Which call.
        at: CallPlace,
        /// What is asked.
        request: CallRequest,
        /// The calls since the last recorded one.
        silent: Vec<AnsweredCall>,
    },
    /// An agent's call has its answer.
    EndCall {
        /// Which call.
        at: CallPlace,
        /// What was asked.
        request: CallRequest,
        /// The answer.
        response: CallResponse,
        /// The calls since the last recorded one, unless `BeginCall` recorded them.
        silent: Vec<AnsweredCall>,
    },
    /// A call asks a person before it goes on.
    AskForTool(Box<AskedByTool>),
    /// A person answers.
    Decide {
        /// Which approval.
        approval: ApprovalId,
        /// What was chosen.
        action: String,
        /// What was filled in.
        data: Value,
        /// Who, through which door.
        by: Actor,
        /// Why, in their words.
        comment: Option<String>,
    },
    /// A person holds an approval, so that nobody else answers it meanwhile.
    Claim {
        /// Which approval.
        approval: ApprovalId,
        /// Who, through which door.
        by: Actor,
    },
    /// A person holds it no more.
    Release {
        /// Which approval.
        approval: ApprovalId,
        /// Who, through which door.
        by: Actor,
    },
    /// A person asks others to answer in their place.
    Delegate {
        /// Which approval.
        approval: ApprovalId,
        /// Whom: users and groups.
        to: Vec<String>,
        /// Who, through which door.
        by: Actor,
        /// Why, in their words.
        comment: Option<String>,
    },
    /// Somebody says something about an approval.
    Comment {
        /// Which approval.
        approval: ApprovalId,
        /// What.
        text: String,
        /// Who, through which door.
        by: Actor,
    },
    /// A signal comes in.
    Signal {
        /// Its name.
        name: String,
        /// What it brings.
        data: Value,
        /// Who sends it, through which door.
        by: Actor,
        /// The sender's key, by which a repeated signal is recognized.
        key: Option<String>,
    },
    /// An event of another run may be what a step waits for.
    Hear {
        /// Its topic.
        topic: String,
        /// What it brings.
        data: Value,
        /// Which event it is.
        from: Origin,
        /// Whose runs hear of it; all others take no notice.
        namespace: Namespace,
    },
    /// The run, or a visit of it, hears of the slot that it waits for or holds.
    HearOfSlot {
        /// The visit; nothing for the run's own slot.
        visit: Option<VisitId>,
        /// What.
        news: SlotNews,
    },
    /// A run that a step started has ended.
    EndChild {
        /// The visit that started it.
        visit: VisitId,
        /// The run.
        child: RunId,
        /// Its outputs, or why it gave none.
        result: Result<Value, Failure>,
        /// What tainted them.
        tainted: Sources,
        /// What it has used, where it had a budget.
        spent: Amounts,
    },
    /// A plugin was looked for.
    ChooseRoute {
        /// The visit that needs one.
        visit: VisitId,
        /// What was found.
        outcome: RouteOutcome,
    },
    /// Time has passed: whatever is due, happens.
    Tick,
    /// The run was read from its journal: nothing of it is under way in any process.
    Recover,
    /// Try the step that failed again; of those that failed with it, the one that is named.
    Retry {
        /// Which; the innermost, when absent.
        step: Option<StepId>,
        /// Who.
        by: Actor,
    },
    /// Begin nothing new.
    Suspend {
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<String>,
    },
    /// Begin what was held back.
    Resume {
        /// Who.
        by: Actor,
    },
    /// Go on with what was taken from another run. Given by [`crate::fork::fork`] alone.
    Fork(Box<Restart>),
    /// Go on with another definition.
    Upgrade(Box<Upgrade>),
    /// End the run.
    Cancel {
        /// Who.
        by: Actor,
        /// Why.
        reason: Option<String>,
    },
}

/// Which call of which attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPlace {
    /// The agent's visit.
    pub visit: VisitId,
    /// The attempt.
    pub attempt: u32,
    /// The call's number.
    pub call: u32,
    /// The number of the first call that is made together with it; its own, where it is made alone.
    pub first: u32,
}

/// Which call asks, and what.
#[derive(Debug, Clone)]
pub struct AskedByTool {
    /// The visit.
    pub visit: VisitId,
    /// The attempt.
    pub attempt: u32,
    /// The agent's call, and what was called; nothing for a tool step.
    pub call: Option<(CallPlace, CallRequest)>,
    /// What it asks.
    pub asks: ToolAsks,
    /// An agent's calls since the last recorded one.
    pub silent: Vec<AnsweredCall>,
}

/// An agent's call that changed nothing outside and was answered at once.
#[derive(Debug, Clone)]
pub struct AnsweredCall {
    /// The call's number.
    pub call: u32,
    /// What was asked.
    pub request: CallRequest,
    /// The answer.
    pub response: CallResponse,
}

/// What came of looking for a plugin.
#[derive(Debug, Clone)]
pub enum RouteOutcome {
    /// One is there.
    Found(Box<RouteFound>),
    /// None is.
    None {
        /// What was looked for and what there is, in words.
        reason: String,
        /// Those that could almost have been chosen.
        candidates: Vec<Candidate>,
        /// Whether one of them may be chosen later without anybody doing anything.
        passing: bool,
    },
}

/// The plugin that is best for a visit.
#[derive(Debug, Clone)]
pub struct RouteFound {
    /// Its name.
    pub chosen: String,
    /// The tool, where it is one.
    pub tool: Option<String>,
    /// Its component.
    pub pin: PluginPin,
    /// Those that were looked at.
    pub candidates: Vec<Candidate>,
    /// How many more there were.
    pub more: u32,
    /// Why this one, in words.
    pub reason: String,
}

/// Time and chance, handed in with a command.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When the command is decided.
    pub now: Timestamp,
    /// Where chance comes from.
    pub entropy: Entropy,
}

/// Random bits drawn at the edge, and as many more as are needed, derived from them by SHA-256.
#[derive(Debug, Clone)]
pub struct Entropy {
    seed: [u8; 32],
    drawn: u64,
}

impl Entropy {
    /// Starts from 32 bytes: unpredictable ones in production, chosen ones in tests.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next 128 bits.
    pub fn bits(&mut self) -> u128 {
        self.drawn += 1;
        let digest = Digest::of_parts(&[&self.seed, &self.drawn.to_be_bytes()]);
        digest.as_bytes()[..16].iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte))
    }

    /// The next number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        let top = u32::try_from(self.bits() >> 96).unwrap_or_default();
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

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

/// An object without fields, for forms that nothing was filled into.
pub(crate) fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}
