//! `namespaces`: what runs of each may be granted.

use std::collections::BTreeMap;

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::permissions::folders;
use super::super::tree::Node;
use super::NAMESPACES_MAX;
use super::policy::grants;
use super::supply::entries;
use crate::Namespace;
use crate::diagnostic::Code;
use crate::language::operator::NAMESPACE;
use crate::operator::NamespaceGrants;

/// Reads what each namespace is given.
pub(super) fn namespaces(lower: &mut Lower, node: &Node) -> BTreeMap<Namespace, NamespaceGrants> {
    let mut found = BTreeMap::new();
    for entry in entries(lower, node, "namespaces", NAMESPACES_MAX) {
        let Some(keys) = lower.map(&entry.value, &NAMESPACE) else { continue };
        let given = NamespaceGrants {
            grants: get(keys, "grants").map(|node| grants(lower, node)).unwrap_or_default(),
            files: get(keys, "files").map(|node| folders(lower, node)).unwrap_or_default(),
        };
        match entry.key.parse::<Namespace>() {
            Ok(name) if name.is_default() => {
                let help =
                    Some("write `grants` and `files` at the top of the file: they are its own".to_owned());
                lower.report(Code::InvalidValue, &entry.key_span, "nothing is said of 'default' here", help);
            }
            Ok(name) => {
                found.insert(name, given);
            }
            Err(error) => lower.report(Code::InvalidValue, &entry.key_span, error.to_string(), None),
        }
    }
    found
}
