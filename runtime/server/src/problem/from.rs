//! What the engine and the store refuse, as problems: who can act decides on the status.

use pawl_core::Refusal;
use pawl_engine::EngineError;
use pawl_store::StoreError;

use super::{Code, Problem};
use crate::identity::IdentityError;

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let text = error.to_string();
        let code = match error {
            EngineError::Definition(problems) => {
                return Self::of(Code::InvalidWorkflow, problems.render(false)).errors(problems.to_json());
            }
            EngineError::Inputs { problems, .. } => {
                return Self::of(Code::InvalidInputs, text).errors(problems.into());
            }
            EngineError::Refused(refusal) => return refusal.into(),
            EngineError::Store(error) => return error.into(),
            EngineError::UnknownRun(run) => return Self::not_found("run", &run.to_string()),
            EngineError::UnknownApproval(id) => return Self::not_found("approval", id.as_str()),
            EngineError::Closed => {
                let detail = "what was accepted is on disk; try again when the server is back";
                return Self::of(Code::Ending, detail);
            }
            EngineError::NotRegistered { .. } => Code::NotFound,
            EngineError::RegisteredOtherwise { .. } => Code::RegisteredOtherwise,
            EngineError::ActiveChanged { .. } => Code::PreconditionFailed,
            EngineError::NoPlugin { .. } => Code::NoPlugin,
            EngineError::Plugin { .. } => Code::UnusablePlugin,
            EngineError::Mcp(_) => Code::McpFailed,
            EngineError::Withheld { .. } | EngineError::Disguised { .. } => Code::Withheld,
            EngineError::Untrusted { .. } => Code::UntrustedPlugin,
            EngineError::Registry { .. } | EngineError::Supply { is_far: true, .. } => Code::RegistryFailed,
            EngineError::Lock(_) => Code::NotAsLocked,
            EngineError::Sandbox(_) => Code::SandboxFailed,
            EngineError::Topic(_) => Code::InvalidTopic,
            EngineError::EventTooDeep => Code::TooDeep,
            EngineError::Journal(_) | EngineError::Missing { .. } => Code::Damaged,
            // What is wrong with a workflow beyond its text: files that it names, circles, missing digests.
            _ => Code::NotPossible,
        };
        Self::of(code, text)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::NotStarted => Self::of(Code::NotFound, text),
            Refusal::Ended(_) => Self::of(Code::RunEnded, text),
            Refusal::CannotRetry(_) => Self::of(Code::CannotRetry, text),
            Refusal::CannotSuspend(_) => Self::of(Code::CannotSuspend, text),
            Refusal::CannotFork(_) => Self::of(Code::CannotFork, text),
            Refusal::AnswerOfOthers(_) => Self::of(Code::AnswerOfOthers, text),
            Refusal::UnknownSignal { known, .. } => Self::of(Code::UnknownSignal, text).errors(known.into()),
            Refusal::InvalidSignal { problems, .. } => {
                Self::of(Code::InvalidSignal, text).errors(problems.into())
            }
            Refusal::TooManySignals { .. } => Self::of(Code::TooManySignals, text),
            Refusal::UnknownApproval(id) => Self::not_found("approval", id.as_str()),
            Refusal::AlreadyDecided { .. } => Self::of(Code::AlreadyDecided, text),
            Refusal::TooLate { .. } => Self::of(Code::TooLate, text),
            Refusal::CallUnderWay { .. } => Self::of(Code::CallUnderWay, text),
            Refusal::UnknownAction { offered, .. } => {
                Self::of(Code::UnknownAction, text).errors(offered.into())
            }
            Refusal::InvalidForm { problems } => Self::of(Code::InvalidForm, text).errors(problems.into()),
            Refusal::NotAsked { .. } => Self::of(Code::NotAsked, text),
            Refusal::Excluded { .. } => Self::of(Code::Excluded, text),
            Refusal::AnsweredBefore { .. } | Refusal::VoiceUsed { .. } => {
                Self::of(Code::AnsweredBefore, text)
            }
            Refusal::Claimed { .. } => Self::of(Code::Claimed, text),
            Refusal::NotClaimed { .. } => Self::of(Code::NotClaimed, text),
            Refusal::ReasonMissing { .. } => Self::of(Code::ReasonMissing, text),
            Refusal::EmptyComment | Refusal::CommentTooLong { .. } => Self::of(Code::InvalidComment, text),
            Refusal::InvalidDelegate { .. } => Self::of(Code::InvalidDelegate, text),
            Refusal::TooMany { .. } => Self::of(Code::TooMuchRecorded, text),
            // What attempts and runs tell each other, and no caller of the API meets.
            _ => Self::of(Code::Refused, text),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Conflict { .. } | StoreError::Stale { .. } => Code::Conflict,
            StoreError::Full(_) => Code::StoreFull,
            StoreError::Damaged(_) | StoreError::DamagedTicket { .. } => Code::Damaged,
            _ => Code::StoreFailed,
        };
        Self::of(code, error.to_string())
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        match error {
            IdentityError::Invalid(_) => Self::of(Code::NotPossible, text),
            IdentityError::Unknown { what, name } => Self::not_found(what, &name),
            IdentityError::Store(error) => error.into(),
            IdentityError::Randomness | IdentityError::Damaged { .. } => Self::of(Code::StoreFailed, text),
        }
    }
}
