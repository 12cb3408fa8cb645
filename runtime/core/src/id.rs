//! Names of runs, steps, visits and approvals.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// A run's id: a `UUIDv7`, so that ids sort by the time of their start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// Wraps an id that was made at the edge.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// An id for a run that begins at an instant, with 74 of the random bits.
    pub fn at(time: Timestamp, bits: u128) -> Self {
        let [_, _, _, _, _, _, random @ ..] = bits.to_be_bytes();
        Self(uuid::Builder::from_unix_timestamp_millis(time.0, &random).into_uuid())
    }

    /// The 16 bytes, which sort as the ids do.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// An id read back from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {self}")
    }
}

/// A text that is not an id of the named kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not the id of {what}")]
pub struct InvalidId {
    text: String,
    what: &'static str,
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|_| InvalidId { text: text.to_owned(), what: "a run" })
    }
}

/// A step's id within its workflow: letters, digits, `_`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(Arc<str>);

impl StepId {
    /// Wraps a name; the definition has checked its form.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One arrival at a step: dense in a run, from 1, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VisitId(pub u32);

impl fmt::Display for VisitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One going-through of a list of steps within a run: 0 is the workflow's own list, others are
/// dense from 1 in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FrameId(pub u32);

impl FrameId {
    /// The workflow's own list of steps.
    pub const ROOT: Self = Self(0);

    /// Whether it is the workflow's own list of steps.
    pub fn is_root(&self) -> bool {
        *self == Self::ROOT
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An approval's id: 16 random bytes as text, unguessable, so that knowing it means having been told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(Arc<str>);

impl ApprovalId {
    /// An id of 128 random bits, drawn at the edge; 26 characters of Crockford's base 32.
    pub fn from_bits(bits: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let text: String = (0..26)
            .rev()
            .map(|place| {
                let digit = (bits >> (place * 5)) & 31;
                char::from(ALPHABET[usize::try_from(digit).unwrap_or_default()])
            })
            .collect();
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApprovalId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.len() == 26 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if well_formed {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidId { text: text.to_owned(), what: "an approval" })
        }
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "approval {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_id_survives_its_text() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = ApprovalId::from_bits(bits);
            assert_eq!(id.as_str().parse(), Ok(id.clone()));
        }
        assert!("short".parse::<ApprovalId>().is_err());
    }
}
