//! The keys of maps in a test file.

use super::super::lower::Lower;
use super::super::tree::{Entry, Node, Span};
use crate::diagnostic::{Code, among};

/// The entries of a map, all of whose keys are known, free (`x-…`) or reported.
pub(super) fn map<'n>(lower: &mut Lower, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n [Entry]> {
    let entries = lower.any_map(node, what)?;
    for entry in entries.iter().filter(|entry| !entry.key.starts_with("x-")) {
        let key = entry.key.as_str();
        if !known.contains(&key) {
            let message = format!("{what} has no key '{key}'");
            let help = among(key, &format!("{what} can have"), known.iter().copied());
            lower.report(Code::UnknownKey, &entry.key_span, message, help);
        }
    }
    Some(entries)
}

/// A required key of a map that stands at a place.
pub(super) fn required<'n>(
    lower: &mut Lower,
    entries: &'n [Entry],
    key: &str,
    what: &str,
    at: &Span,
    example: &str,
) -> Option<&'n Node> {
    let found = get(entries, key);
    if found.is_none() {
        let message = format!("{what} needs the key '{key}'");
        lower.report(Code::MissingKey, at, message, Some(format!("such as `{example}`")));
    }
    found
}

/// The value of a key.
pub(super) fn get<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Node> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}
