//! `policies`, `untrusted` and `grants`.

use std::collections::BTreeSet;

use super::super::guard::{pattern, rules};
use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::permissions::hosts;
use super::super::tree::{Kind, Node};
use crate::diagnostic::Code;
use crate::guard::Policy;
use crate::language::operator::{GRANTS, POLICY};
use crate::memory::MEMORY_KEY_MAX_BYTES;
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
    let signals = names("signals");
    let mut flag = |key: &str| get(keys, key).and_then(|node| lower.flag(node, key));
    // What is true bounds nothing, as what is not there.
    let (human, timers) = (flag("human").filter(|is_let| !is_let), flag("timers").filter(|is_let| !is_let));
    let memory = get(keys, "memory").and_then(|node| memories(lower, node));
    let http = get(keys, "http").map(|node| hosts(lower, node));
    let tools = get(keys, "tools").map(|node| patterns(lower, node, "tools"));
    // The folders stand under `files`, whether there are grants or not.
    Ceiling { tools, http, secrets, files: None, agents, models, signals, human, memory, timers }
}

/// Names of memories that runs share: all, which is no bound, none, or those of a list.
fn memories(lower: &mut Lower, node: &Node) -> Option<BTreeSet<String>> {
    if let Kind::Bool(all) = node.kind {
        return (!all).then(BTreeSet::new);
    }
    let mut found = BTreeSet::new();
    for item in lower.list(node, "memory").unwrap_or_default() {
        let Some(name) = lower.text(item, "an entry of memory") else { continue };
        let start = name.strip_suffix('*').unwrap_or(name);
        if name.is_empty() || start.contains(['*', '\0']) || name.len() > MEMORY_KEY_MAX_BYTES {
            let help = format!(
                "write the key or the workflow's name, or how it begins and `*`; at most {MEMORY_KEY_MAX_BYTES} bytes"
            );
            lower.report(Code::InvalidValue, &item.span, format!("'{name}' names no memory"), Some(help));
        } else {
            found.insert(name.to_owned());
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::plugin::Permissions;
    use crate::source::operator::load;

    #[test]
    fn what_stays_inside_a_run_can_be_withheld_as_well() {
        let grants = |text: &str| load("pawl.yaml", &format!("grants: {{ {text} }}")).unwrap().policy.grants;
        let some = grants("human: false, timers: false, signals: [go], memory: [crm/*, support]");
        let granted = Permissions {
            signals: ["go".to_owned(), "stop".to_owned()].into(),
            human: true,
            memory: true,
            timers: true,
            ..Permissions::default()
        };
        assert_eq!(some.withholds(&granted), ["signals: stop", "human", "timers"]);
        for (name, is_let) in
            [("crm/7", true), ("crm/", true), ("support", true), ("crm", false), ("support/7", false)]
        {
            assert_eq!(some.lets_memory(name), is_let, "{name}");
        }
        for none in ["memory: false", "memory: []"] {
            assert_eq!(grants(none).withholds(&granted), ["memory"]);
            assert!(!grants(none).lets_memory("crm/7"));
        }
        // What is let is not bounded.
        assert!(grants("human: true, timers: true, memory: true").is_empty());
        let wrong = "grants: { human: 1, memory: [crm/*/x, '', '**', 5], timers: no way, signals: { a: 1 } }";
        let told = load("pawl.yaml", wrong).unwrap_err().to_string();
        for part in [
            "human must be true or false",
            "'crm/*/x' names no memory",
            "'' names no memory",
            "'**' names no memory",
            "an entry of memory must be a text",
            "timers must be true or false",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }
}
