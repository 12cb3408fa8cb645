//! The secrets of `pawl.yaml`, and what becomes of new plugins.

use std::collections::BTreeMap;

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::permissions::hosts;
use super::super::tree::Node;
use super::SECRETS_MAX;
use super::profile::filled;
use super::supply::entries;
use crate::diagnostic::{Code, among};
use crate::language::operator::SECRET;
use crate::operator::{KeyPlace, Secret};
use crate::plugin::Methods;

/// Reads the secrets, by name.
pub(super) fn secrets(lower: &mut Lower, node: &Node) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for entry in entries(lower, node, "secrets", SECRETS_MAX) {
        if lower.name(&entry.key, &entry.key_span, "a secret", "-")
            && let Some(secret) = secret(lower, &entry.value)
        {
            secrets.insert(entry.key.clone(), secret);
        }
    }
    secrets
}

fn secret(lower: &mut Lower, node: &Node) -> Option<Secret> {
    if node.as_text().is_some() {
        let message = "a secret never stands in pawl.yaml".to_owned();
        let help = "write `{ env: NAME, hosts: […] }` or `{ file: PATH, hosts: […] }`".to_owned();
        lower.report(Code::WrongType, &node.span, message, Some(help));
        return None;
    }
    let keys = lower.map(node, &SECRET)?;
    let place = match (get(keys, "env"), get(keys, "file")) {
        (Some(node), None) => filled(lower, node, "env").map(KeyPlace::Env),
        (None, Some(node)) => filled(lower, node, "file").map(KeyPlace::File),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `env: NAME` or `file: PATH`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "a secret needs one of env and file", help);
            None
        }
    };
    let at = lower.required(keys, "hosts", &node.span)?;
    let hosts = hosts(lower, at);
    if hosts.is_empty() {
        let help = Some("name where it may go; it goes nowhere else".to_owned());
        lower.report(Code::InvalidValue, &at.span, "hosts names no host", help);
    }
    if hosts.iter().any(|(_, methods)| *methods != Methods::All) {
        let help = Some("write the hosts as texts; methods are bounded where hosts are granted".to_owned());
        lower.report(Code::WrongType, &at.span, "the hosts of a secret have no methods", help);
    }
    Some(Secret { place: place?, hosts })
}

/// Whether new plugins are held.
pub(super) fn holds(lower: &mut Lower, node: &Node) -> bool {
    const ALL: [&str; 2] = ["accept", "hold"];
    let Some(text) = lower.text(node, "new_plugins") else { return false };
    if !ALL.contains(&text) {
        let help = among(text, "new_plugins is one of", ALL);
        lower.report(Code::InvalidValue, &node.span, format!("new_plugins cannot be '{text}'"), help);
    }
    text == "hold"
}
