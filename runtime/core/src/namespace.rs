//! Whose runs they are: tenants that share a store and see nothing of each other.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How long the name of a namespace may be, in bytes.
pub const NAMESPACE_MAX_BYTES: usize = 40;
/// The namespace of whatever names none.
const DEFAULT: &str = "default";

/// A tenant: lower-case letters, digits and `-`, beginning with a letter. Runs, approvals and registered workflows
/// belong to one each, for as long as they are there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(Arc<str>);

/// A text that names no namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not the name of a namespace; write lower-case letters, digits and '-', beginning with a letter, \
     at most {NAMESPACE_MAX_BYTES}"
)]
pub struct InvalidNamespace(String);

impl Namespace {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that of whatever names none.
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT
    }

    /// A name as it stands beside those of other namespaces: as it is in the default one, behind `NAMESPACE/` in any
    /// other. Unambiguous where names have no `/` in them.
    #[must_use]
    pub fn qualify(&self, name: String) -> String {
        if self.is_default() { name } else { format!("{self}/{name}") }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl FromStr for Namespace {
    type Err = InvalidNamespace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=NAMESPACE_MAX_BYTES).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits { Ok(Self(text.into())) } else { Err(InvalidNamespace(text.chars().take(100).collect())) }
    }
}

impl TryFrom<String> for Namespace {
    type Error = InvalidNamespace;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0.to_string()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_short_plain_name() {
        for text in ["a", "default", "team-7", &"x".repeat(NAMESPACE_MAX_BYTES)] {
            assert_eq!(text.parse::<Namespace>().unwrap().as_str(), text);
        }
        for text in ["", "A", "7a", "-a", "a/b", "a b", "ü", "..", &"x".repeat(NAMESPACE_MAX_BYTES + 1)] {
            assert!(text.parse::<Namespace>().is_err(), "{text}");
        }
    }
}
