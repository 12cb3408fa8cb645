//! What is to say of a plugin's signature, and of its place in the lock of the current folder.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use pawl_core::plugin::PluginOrigin;
use pawl_core::{Digest, PublicKey};
use pawl_engine::{EngineError, PluginEntry};
use pawl_registry::{LOCK_FILE, Signature, TrustedKeys};
use serde_json::{Value, json};

use crate::command::lock::read;
use crate::fault::Fault;

/// How a plugin's signature stands.
#[derive(Debug)]
pub(super) enum SignatureState {
    /// It is part of pawl.
    Shipped,
    /// There is none.
    None,
    /// It holds; the operator's name of its key, where the operator trusts it.
    Holds(PublicKey, Option<String>, bool),
    /// It does not hold.
    Wrong(String),
}

impl SignatureState {
    pub(super) fn of(entry: &PluginEntry, trusted: &TrustedKeys) -> Self {
        let Some(text) = &entry.signature else {
            return if entry.origin == PluginOrigin::Shipped { Self::Shipped } else { Self::None };
        };
        let digest = Digest::of(&entry.bytes);
        let key = Signature::parse(text).and_then(|read| read.check(&digest, entry.manifest.as_deref()));
        match key {
            Ok(key) => Self::Holds(key, trusted.name(&key).map(str::to_owned), trusted.is_empty()),
            Err(error) => Self::Wrong(error.to_string()),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Shipped => json!({ "state": "shipped" }),
            Self::None => json!({ "state": "none" }),
            Self::Holds(key, by, unasked) => {
                let state = match by {
                    Some(_) => "trusted",
                    None if *unasked => "unchecked",
                    None => "untrusted",
                };
                json!({ "state": state, "key": key.to_string(), "trusted_as": by })
            }
            Self::Wrong(problem) => json!({ "state": "wrong", "problem": problem }),
        }
    }
}

impl Display for SignatureState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("part of pawl, and trusted with it"),
            Self::None => f.write_str("no"),
            Self::Holds(key, Some(by), _) => write!(f, "{key}, which pawl.yaml trusts as '{by}'"),
            Self::Holds(key, None, true) => write!(f, "{key}; pawl.yaml names no `trusted_keys`"),
            Self::Holds(key, None, false) => write!(f, "{key}, which pawl.yaml does not trust"),
            Self::Wrong(problem) => f.write_str(problem),
        }
    }
}

/// How a plugin stands in the lock of the current folder.
#[derive(Debug)]
pub(super) enum LockState {
    /// There is no lock.
    NoLock,
    /// The lock does not have it.
    Absent,
    /// It is the one that is locked.
    Locked,
    /// Another of its name is.
    Differs(Digest),
}

impl LockState {
    pub(super) fn of(entry: &PluginEntry) -> Result<Self, Fault> {
        let Some(lock) = read(Path::new(LOCK_FILE)).map_err(EngineError::from)? else {
            return Ok(Self::NoLock);
        };
        let digest = Digest::of(&entry.bytes);
        let mut named = lock.named(&entry.name).map(|plugin| plugin.digest).peekable();
        Ok(match named.peek().copied() {
            None => Self::Absent,
            Some(_) if named.any(|locked| locked == digest) => Self::Locked,
            Some(other) => Self::Differs(other),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::NoLock => json!({ "state": "no-lock" }),
            Self::Absent => json!({ "state": "absent" }),
            Self::Locked => json!({ "state": "locked" }),
            Self::Differs(locked) => json!({ "state": "differs", "locked": locked }),
        }
    }
}

impl Display for LockState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLock => write!(f, "no {LOCK_FILE} in this folder"),
            Self::Absent => write!(f, "not in {LOCK_FILE}"),
            Self::Locked => write!(f, "as in {LOCK_FILE}"),
            Self::Differs(locked) => write!(f, "not as in {LOCK_FILE}, which has {locked}"),
        }
    }
}
