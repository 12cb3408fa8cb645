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
use crate::trace::TraceContext;
use crate::upgrade::Upgrade;
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
        /// The trace that the sender is in.
        trace: Option<TraceContext>,
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
        /// The trace that whoever tells of it is in.
        trace: Option<Box<TraceContext>>,
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

/// An object without fields, for forms that nothing was filled into.
pub(crate) fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}
