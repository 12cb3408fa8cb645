//! Why a command did not do what was asked: one type for what happens here and
//! for what another process reports.

use pawl_core::journal::JournalError;
use pawl_core::oci::InvalidReference;
use pawl_core::{InvalidId, Refusal};
use pawl_engine::EngineError;
use pawl_registry::{RegistryError, SignatureError};
use pawl_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exit::Exit;

/// Who can act on a fault; each kind has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FaultKind {
    /// It was refused, or failed.
    Failed,
    /// What was given cannot be used.
    Usage,
    /// The data folder cannot be used.
    Unusable,
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Who can act on it.
    pub(crate) kind: FaultKind,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Anything a program can use: the problems of a definition.
    pub(crate) details: Option<Value>,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, details: None }
    }

    /// What was given cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Usage, message)
    }

    /// It was refused, or failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, message)
    }

    /// The data folder cannot be used.
    pub(crate) fn unusable(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unusable, message)
    }

    /// Steps would be denied what their plugins import.
    pub(crate) fn not_granted(denied: &[String]) -> Self {
        Self::usage(denied.join("\n"))
            .hint("grant it in the step's or the workflow's `permissions`, or use a plugin that needs less")
    }

    /// With what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With anything a program can use.
    pub(crate) fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The code that the command ends with.
    pub(crate) const fn exit(&self) -> Exit {
        match self.kind {
            FaultKind::Failed => Exit::Failed,
            FaultKind::Usage => Exit::Usage,
            FaultKind::Unusable => Exit::Unusable,
        }
    }

    /// What is wrong and what to do, for people.
    pub(crate) fn text(&self) -> String {
        // A definition's problems are rendered with their own headlines.
        let headline = if self.message.starts_with("error") { "" } else { "error: " };
        let hint = self.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("{headline}{}{hint}", self.message)
    }

    /// As `--json` shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": {
            "kind": self.kind, "message": self.message, "hint": self.hint, "details": self.details,
        } })
    }
}

/// Some errors say what to do after a semicolon; that part is the hint.
fn with_hint(kind: FaultKind, text: &str) -> Fault {
    match text.rsplit_once("; ") {
        Some((message, hint)) if !message.is_empty() => Fault::new(kind, message).hint(hint),
        _ => Fault::new(kind, text),
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        let text = error.to_string();
        match error {
            EngineError::Definition(problems) => Self {
                details: Some(problems.to_json()),
                ..Self::usage(problems.render(false)).hint("`pawl explain CODE` says more of each")
            },
            EngineError::Unreadable { .. } => {
                Self::usage(text).hint("check that the file exists and that you may read it")
            }
            EngineError::Inputs { .. } => {
                Self::usage(text).hint("give each input as --input name=value, or all as --input-file FILE")
            }
            EngineError::NoPlugin { .. }
            | EngineError::Supply { is_far: false, .. }
            | EngineError::UnknownRun(_)
            | EngineError::UnknownApproval(_)
            | EngineError::Topic(_)
            | EngineError::EventTooDeep
            | EngineError::Withheld { .. }
            | EngineError::Disguised { .. }
            | EngineError::WorkflowCircle { .. }
            | EngineError::Untrusted { .. }
            | EngineError::HeldOne(_)
            | EngineError::StrangeRecord(_)
            | EngineError::Lock(_)
            | EngineError::NoDigest { .. }
            | EngineError::NotRegistered { .. }
            | EngineError::UnfitName(_)
            | EngineError::WorkflowsTooDeep { .. } => with_hint(FaultKind::Usage, &text),
            EngineError::Held { ref held } => {
                with_hint(FaultKind::Failed, &text).details(json!({ "held": held }))
            }
            EngineError::Plugin { .. } => {
                with_hint(FaultKind::Usage, &text).or_hint("`pawl plugin inspect FILE` says what it is")
            }
            EngineError::Mcp(_) => Self::usage(text)
                .hint("look at it under `mcp` in pawl.yaml; --verbose shows what its program says"),
            EngineError::Refused(refusal) => refusal.into(),
            EngineError::Store(error) => error.into(),
            EngineError::Journal(error) => error.into(),
            EngineError::RegisteredOtherwise { .. }
            | EngineError::ActiveChanged { .. }
            | EngineError::Registry { .. }
            | EngineError::Supply { .. }
            | EngineError::Missing { .. } => with_hint(FaultKind::Failed, &text),
            // It may have been done, so it was not refused: as with a connection that ends.
            EngineError::Closed => Self::unusable("the process that holds the data folder ended first")
                .hint("try again; what was accepted is on disk, and `pawl runs` shows it"),
            EngineError::Sandbox(_) => {
                with_hint(FaultKind::Unusable, &text).or_hint("`pawl doctor` tries each part by itself")
            }
        }
    }
}

impl Fault {
    fn or_hint(self, hint: &str) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        let text = error.to_string();
        match error {
            // Who or what did it cannot be told from the bytes.
            JournalError::Gap { .. } | JournalError::Chain { .. } => {
                let known = text.split_once("; ").map_or(text.as_str(), |(known, _)| known);
                Self::failed(format!("{known}: the journal is not as it was written")).hint(
                    "restore the data folder from a backup; `pawl verify` shows every run that is affected",
                )
            }
            JournalError::Damaged { .. } | JournalError::Newer { .. } => with_hint(FaultKind::Failed, &text),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::InvalidForm { .. } => Self::failed(text)
                .hint("fill in the form with --data field=value; `pawl approvals --json` shows it"),
            Refusal::NotAsked { .. } => {
                Self::failed(text).hint("answer as one of them with --as user:NAME --group group:NAME")
            }
            Refusal::Excluded { .. } | Refusal::AnsweredBefore { .. } => {
                Self::failed(text).hint("answer as somebody else with --as user:NAME --group group:NAME")
            }
            Refusal::AlreadyDecided { .. } => Self::failed(text).hint("`pawl approvals` lists what is open"),
            _ => with_hint(FaultKind::Failed, &text),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let hint = match &error {
            StoreError::InUse { .. } => "wait until that process has ended, or stop it",
            StoreError::Folder { .. } => "name another folder with --data DIR, or make this one writable",
            StoreError::Full(_) => "make room on the disk and run `pawl resume`",
            StoreError::Newer { .. }
            | StoreError::OtherEngine { .. }
            | StoreError::NoStore { .. }
            | StoreError::Exists { .. }
            | StoreError::Failed(_) => "",
            StoreError::Damaged(_) | StoreError::DamagedTicket { .. } => {
                "restore the data folder from a backup; `pawl store salvage` saves what is whole of it into a new store"
            }
            StoreError::Conflict { .. }
            | StoreError::Stale { .. }
            | StoreError::Needed { .. }
            | StoreError::Engine(_)
            | StoreError::Closed => "`pawl doctor` tries each part by itself",
        };
        if hint.is_empty() { with_hint(FaultKind::Unusable, &text) } else { Self::unusable(text).hint(hint) }
    }
}

/// Arguments that cannot be used: what is wrong comes first, how it is written after that.
impl From<&clap::Error> for Fault {
    fn from(error: &clap::Error) -> Self {
        let text = error.to_string();
        let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
        let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        let fault = Self::usage(message);
        if rest.is_empty() { fault.hint("see `pawl --help`") } else { fault.hint(rest.trim()) }
    }
}

impl From<SignatureError> for Fault {
    fn from(error: SignatureError) -> Self {
        let kind =
            if matches!(error, SignatureError::Key { .. }) { FaultKind::Usage } else { FaultKind::Failed };
        with_hint(kind, &error.to_string())
    }
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        with_hint(FaultKind::Failed, &error.to_string())
    }
}

impl From<InvalidReference> for Fault {
    fn from(error: InvalidReference) -> Self {
        with_hint(FaultKind::Usage, &error.to_string())
    }
}

impl From<InvalidId> for Fault {
    fn from(error: InvalidId) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::RunId;

    #[test]
    fn what_may_have_been_done_was_not_refused() {
        let fault = Fault::from(EngineError::Closed);
        assert_eq!(fault.exit(), Exit::Unusable, "{fault:?}");
        assert!(fault.hint.is_some_and(|hint| hint.contains("what was accepted is on disk")));
    }

    #[test]
    fn a_broken_journal_says_what_is_known_and_what_to_do() {
        let run = RunId::from_bytes([7; 16]);
        for error in [JournalError::Gap { run, expected: 2, found: 3 }, JournalError::Chain { run, seq: 2 }] {
            let fault = Fault::from(error);
            assert!(fault.message.ends_with("the journal is not as it was written"), "{fault:?}");
            assert!(fault.hint.is_some_and(|hint| hint.contains("backup")));
        }
        let newer = Fault::from(JournalError::Newer { run, seq: 1, found: 9 });
        assert_eq!(newer.hint.as_deref(), Some("use the newer pawl that wrote it"));
    }
}
