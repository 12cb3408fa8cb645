//! `policies`, `untrusted` and `grants`.

use std::collections::BTreeSet;

use super::super::guard::{pattern, rules};
use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::permissions::hosts;
use super::super::tree::Node;
use crate::guard::Policy;
use crate::language::operator::{GRANTS, POLICY};
use crate::plugin::Ceiling;

/// Reads what the operator asks of every run.
pub(super) fn policy(lower: &mut Lower, keys: Keys<'_>) -> Policy {
    let approvals = get(keys, "policies").map(|node| rules(lower, node, &POLICY, "the operator"));
    let untrusted = get(keys, "untrusted").map(|node| patterns(lower, node, "untrusted"));
    let grants = get(keys, "grants").map(|node| grants(lower, node));
    Policy {
        approvals: approvals.unwrap_or_default(),
        untrusted: untrusted.unwrap_or_default(),
        grants: grants.unwrap_or_default(),
        ..Policy::default()
    }
}

/// Names of tools; what is none is reported.
fn patterns(lower: &mut Lower, node: &Node, what: &str) -> BTreeSet<String> {
    let items = lower.list(node, what).unwrap_or_default();
    let mut found = BTreeSet::new();
    for item in items {
        if let Some(tool) = lower.text(item, &format!("an entry of {what}"))
            && pattern(lower, tool, item)
        {
            found.insert(tool.to_owned());
        }
    }
    found
}

/// The most that may be granted.
pub(super) fn grants(lower: &mut Lower, node: &Node) -> Ceiling {
    let Some(keys) = lower.map(node, &GRANTS) else { return Ceiling::default() };
    let mut names = |key: &str| {
        let node = get(keys, key)?;
        Some(lower.texts(node, key).into_iter().map(|(name, _)| name.to_owned()).collect())
    };
    let (secrets, agents, models) = (names("secrets"), names("agents"), names("models"));
    let http = get(keys, "http").map(|node| hosts(lower, node));
    let tools = get(keys, "tools").map(|node| patterns(lower, node, "tools"));
    // The folders stand under `files`, whether there are grants or not.
    Ceiling { tools, http, secrets, files: None, agents, models }
}
