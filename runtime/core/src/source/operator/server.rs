//! How the server listens and ends, who may use it, what it takes at most, and what is kept of runs.

use std::collections::BTreeMap;

use super::super::keys::{Keys, get};
use super::super::lower::Lower;
use super::super::tree::Node;
use super::profile::filled;
use super::{KEEP_RUNS_MAX, TOKEN_REQUESTS_PER_SECOND_TOP};
use crate::diagnostic::{Code, among};
use crate::language::Shape;
use crate::language::operator::{RETENTION, SERVER, SERVER_LIMITS};
use crate::operator::{IdentitySetting, KeepSetting, ServerSetting, is_host, is_origin};

pub(super) fn server(lower: &mut Lower, node: &Node) -> ServerSetting {
    let Some(keys) = lower.map(node, &SERVER) else { return ServerSetting::default() };
    ServerSetting {
        listen: get(keys, "listen").and_then(|node| listen(lower, node)),
        drain: get(keys, "drain").and_then(|node| lower.duration(node, "drain")),
        identity: get(keys, "identity").and_then(|node| identity(lower, node)),
        tls_cert: get(keys, "tls_cert").and_then(|node| filled(lower, node, "tls_cert")),
        tls_key: get(keys, "tls_key").and_then(|node| filled(lower, node, "tls_key")),
        hosts: get(keys, "hosts").map(|node| hosts(lower, node)),
        allow_origins: get(keys, "allow_origins").map(|node| origins(lower, node)),
        public_url: get(keys, "public_url").and_then(|node| public_url(lower, node)),
        token_requests_max: get(keys, "token_requests_max")
            .and_then(|node| lower.whole(node, "token_requests_max", 1..=TOKEN_REQUESTS_PER_SECOND_TOP)),
        limits: limits(lower, keys),
    }
}

fn listen(lower: &mut Lower, node: &Node) -> Option<std::net::SocketAddr> {
    let text = lower.text(node, "listen")?;
    let address = text.parse().ok();
    if address.is_none() {
        let help = Some("write an address and a port, such as 127.0.0.1:8917 or [::1]:8917".to_owned());
        lower.report(Code::InvalidValue, &node.span, format!("'{text}' cannot be listened at"), help);
    }
    address
}

fn identity(lower: &mut Lower, node: &Node) -> Option<IdentitySetting> {
    let text = lower.text(node, "identity")?;
    let found = IdentitySetting::ALL.into_iter().find(|identity| identity.name() == text);
    if found.is_none() {
        let help = among(text, "identity is one of", IdentitySetting::ALL.map(IdentitySetting::name));
        lower.report(Code::InvalidValue, &node.span, format!("identity cannot be '{text}'"), help);
    }
    found
}

fn hosts(lower: &mut Lower, node: &Node) -> Vec<String> {
    let texts = lower.texts(node, "hosts");
    let mut hosts = Vec::new();
    for (text, span) in texts {
        if !is_host(text) {
            let help = Some("write a name alone: pawl.example.com".to_owned());
            lower.report(Code::InvalidValue, &span, format!("'{text}' is no name of a host"), help);
        }
        hosts.push(text.to_owned());
    }
    hosts
}

fn origins(lower: &mut Lower, node: &Node) -> Vec<String> {
    let texts = lower.texts(node, "allow_origins");
    let mut origins = Vec::new();
    for (text, span) in texts {
        if !is_origin(text) {
            let help = Some("write scheme and host: https://console.example.com".to_owned());
            lower.report(Code::InvalidValue, &span, format!("'{text}' is no origin"), help);
        }
        origins.push(text.to_owned());
    }
    origins
}

fn public_url(lower: &mut Lower, node: &Node) -> Option<String> {
    let text = lower.text(node, "public_url")?;
    if !is_origin(text) {
        let help = Some("write scheme and host: https://pawl.example.com".to_owned());
        lower.report(Code::InvalidValue, &node.span, "public_url is no scheme and host", help);
        return None;
    }
    Some(text.to_owned())
}

fn limits(lower: &mut Lower, keys: Keys<'_>) -> BTreeMap<&'static str, u32> {
    let mut limits = BTreeMap::new();
    let Some(keys) = get(keys, "limits").and_then(|node| lower.map(node, &SERVER_LIMITS)) else {
        return limits;
    };
    for key in SERVER_LIMITS.keys() {
        let Shape::Whole(from, to) = key.shape else { continue };
        let number = get(keys, key.name).and_then(|node| lower.whole(node, key.name, from..=to));
        limits.extend(number.map(|number| (key.name, number)));
    }
    limits
}

pub(super) fn retention(lower: &mut Lower, node: &Node) -> KeepSetting {
    let Some(keys) = lower.map(node, &RETENTION) else { return KeepSetting::default() };
    let keep_for = get(keys, "keep_for").and_then(|node| lower.duration(node, "keep_for"));
    let runs = get(keys, "keep_runs").and_then(|node| lower.whole(node, "keep_runs", 0..=KEEP_RUNS_MAX));
    KeepSetting { keep_for, keep_runs: runs.map(u64::from) }
}
