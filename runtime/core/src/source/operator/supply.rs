//! Whose plugins `pawl.yaml` trusts, and the registries that they come from.

use std::collections::BTreeMap;

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::tree::{Entry, Node};
use super::profile::{filled, key_place};
use super::{REGISTRIES_MAX, TRUSTED_KEYS_MAX};
use crate::diagnostic::Code;
use crate::language::operator::{REGISTRY, TRUSTED_KEY};
use crate::oci::is_host;
use crate::operator::{Login, Registry, TrustedKey};

/// The keys of those who sign plugins.
pub(super) fn trusted_keys(lower: &mut Lower, node: &Node) -> BTreeMap<String, TrustedKey> {
    let mut trusted = BTreeMap::new();
    for entry in entries(lower, node, "trusted_keys", TRUSTED_KEYS_MAX) {
        if lower.name(&entry.key, &entry.key_span, "a trusted key", "-")
            && let Some(key) = trusted_key(lower, &entry.value)
        {
            trusted.insert(entry.key.clone(), key);
        }
    }
    trusted
}

fn trusted_key(lower: &mut Lower, node: &Node) -> Option<TrustedKey> {
    let keys = lower.map(node, &TRUSTED_KEY)?;
    match (get(keys, "key"), get(keys, "file")) {
        (Some(node), None) => match lower.text(node, "key")?.parse() {
            Ok(key) => Some(TrustedKey::Key(key)),
            Err(error) => {
                let help = Some("`pawl plugin keygen` makes one".to_owned());
                lower.report(Code::InvalidValue, &node.span, format!("{error}"), help);
                None
            }
        },
        (None, Some(node)) => filled(lower, node, "file").map(TrustedKey::File),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `{ key: \"ed25519:…\" }` or `{ file: PATH }`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "a trusted key needs one of key and file", help);
            None
        }
    }
}

/// What is to know of registries.
pub(super) fn registries(lower: &mut Lower, node: &Node) -> BTreeMap<String, Registry> {
    let mut registries = BTreeMap::new();
    for entry in entries(lower, node, "registries", REGISTRIES_MAX) {
        if !is_host(&entry.key) {
            let message = format!("'{}' is not the host of a registry", entry.key);
            let help = Some("a name or an address, and its port: localhost:5000".to_owned());
            lower.report(Code::InvalidValue, &entry.key_span, message, help);
        } else if let Some(registry) = registry(lower, &entry.value) {
            registries.insert(entry.key.clone(), registry);
        }
    }
    registries
}

fn registry(lower: &mut Lower, node: &Node) -> Option<Registry> {
    let keys = lower.map(node, &REGISTRY)?;
    let insecure = get(keys, "insecure").and_then(|node| lower.flag(node, "insecure"));
    let username = get(keys, "username");
    let password = get(keys, "password");
    let login = match (username, password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            // Basic authentication ends a name at its first colon.
            let name = filled(lower, username, "username")?;
            if name.contains(':') {
                let help = Some("leave out what follows it".to_owned());
                lower.report(Code::InvalidValue, &username.span, "username has a colon in it", help);
            }
            Some(Login { username: name, password: key_place(lower, password, "password")? })
        }
        (Some(_), None) | (None, Some(_)) => {
            let help = Some("write both, or none".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "a registry needs username and password", help);
            None
        }
    };
    Some(Registry { insecure, login })
}

/// The entries of a map that is not too long, without those that are free.
pub(super) fn entries<'n>(lower: &mut Lower, node: &'n Node, what: &str, max: usize) -> Vec<&'n Entry> {
    let entries = lower.any_map(node, what).unwrap_or_default();
    let entries: Vec<_> = entries.iter().filter(|entry| !entry.key.starts_with("x-")).collect();
    if entries.len() > max {
        let message = format!("there are {} {what}", entries.len());
        lower.report(Code::OutOfRange, &node.span, message, Some(format!("{what}_max is {max}")));
        return Vec::new();
    }
    entries
}
