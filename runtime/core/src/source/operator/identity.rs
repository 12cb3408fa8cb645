//! Whose tokens the server takes.

use std::collections::BTreeMap;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::Node;
use super::profile::{filled, filled_key};
use super::supply::entries;
use crate::diagnostic::{Code, among};
use crate::language::operator::{IDENTITY, IDENTITY_CLAIMS};
use crate::operator::{Identity, IdentityClaims, JwksPlace};

/// The most roles that an issuer calls otherwise.
pub const IDENTITY_ROLES_MAX: usize = 100;
const ROLES: [&str; 4] = ["viewer", "operator", "approver", "admin"];
const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

pub(super) fn identity(lower: &mut Lower, node: &Node) -> Option<Identity> {
    let keys = lower.map(node, &IDENTITY)?;
    let issuer = filled_key(lower, keys, "issuer", &node.span);
    let audience = filled_key(lower, keys, "audience", &node.span);
    let jwks = jwks(lower, keys, node);
    let algorithms = get(keys, "algorithms").map(|node| algorithms(lower, node));
    let claims = get(keys, "claims").map(|node| claims(lower, node)).unwrap_or_default();
    let roles = get(keys, "roles").map(|node| roles(lower, node)).unwrap_or_default();
    Some(Identity {
        issuer: issuer?,
        audience: audience?,
        jwks: jwks?,
        algorithms: algorithms.unwrap_or_else(|| ALGORITHMS.map(str::to_owned).to_vec()),
        claims,
        roles,
    })
}

fn jwks(lower: &mut Lower, keys: Keys<'_>, node: &Node) -> Option<JwksPlace> {
    match (get(keys, "jwks_url"), get(keys, "jwks_file")) {
        (Some(node), None) => {
            let url = filled(lower, node, "jwks_url")?;
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if rest
                .is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(['@', ' ', '#']))
            {
                let help = Some("write it as in https://login.example.com/.well-known/jwks.json".to_owned());
                lower.report(Code::InvalidValue, &node.span, "jwks_url is no address", help);
                return None;
            }
            Some(JwksPlace::Url(url))
        }
        (None, Some(node)) => filled(lower, node, "jwks_file").map(JwksPlace::File),
        (Some(_), Some(_)) | (None, None) => {
            let help = Some("write `jwks_url: ADDRESS` or `jwks_file: PATH`".to_owned());
            lower.report(Code::KeyMismatch, &node.span, "identity needs one of jwks_url and jwks_file", help);
            None
        }
    }
}

fn algorithms(lower: &mut Lower, node: &Node) -> Vec<String> {
    let mut known = Vec::new();
    for (name, span) in lower.texts(node, "algorithms") {
        if ALGORITHMS.contains(&name) {
            known.push(name.to_owned());
        } else {
            let help = among(name, "there are", ALGORITHMS);
            lower.report(
                Code::InvalidValue,
                &span,
                format!("tokens signed with '{name}' are not taken"),
                help,
            );
        }
    }
    known
}

fn claims(lower: &mut Lower, node: &Node) -> IdentityClaims {
    let usual = IdentityClaims::default();
    let Some(keys) = lower.map(node, &IDENTITY_CLAIMS) else { return usual };
    let mut claim = |key: &str| get(keys, key).and_then(|node| filled(lower, node, key));
    IdentityClaims {
        name: claim("name").unwrap_or(usual.name),
        roles: claim("roles").unwrap_or(usual.roles),
        groups: claim("groups").unwrap_or(usual.groups),
        namespace: claim("namespace"),
    }
}

fn roles(lower: &mut Lower, node: &Node) -> BTreeMap<String, String> {
    let mut roles = BTreeMap::new();
    for entry in entries(lower, node, "identity_roles", IDENTITY_ROLES_MAX) {
        let Some(role) = lower.text(&entry.value, "a role") else { continue };
        if ROLES.contains(&role) {
            roles.insert(entry.key.clone(), role.to_owned());
        } else {
            let help = among(role, "there are", ROLES);
            lower.report(Code::InvalidValue, &entry.value.span, format!("there is no role '{role}'"), help);
        }
    }
    roles
}
