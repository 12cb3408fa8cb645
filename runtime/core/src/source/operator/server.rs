//! How the server listens and ends, and what is kept of runs.

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::tree::Node;
use super::KEEP_RUNS_MAX;
use crate::diagnostic::Code;
use crate::language::operator::{RETENTION, SERVER};
use crate::operator::{KeepSetting, ServerSetting};

pub(super) fn server(lower: &mut Lower, node: &Node) -> ServerSetting {
    let Some(keys) = lower.map(node, &SERVER) else { return ServerSetting::default() };
    let listen = get(keys, "listen").and_then(|node| {
        let text = lower.text(node, "listen")?;
        let address = text.parse().ok();
        if address.is_none() {
            let help = Some("write an address and a port, such as 127.0.0.1:8917 or [::1]:8917".to_owned());
            lower.report(Code::InvalidValue, &node.span, format!("'{text}' cannot be listened at"), help);
        }
        address
    });
    ServerSetting { listen, drain: get(keys, "drain").and_then(|node| lower.duration(node, "drain")) }
}

pub(super) fn retention(lower: &mut Lower, node: &Node) -> KeepSetting {
    let Some(keys) = lower.map(node, &RETENTION) else { return KeepSetting::default() };
    let keep_for = get(keys, "keep_for").and_then(|node| lower.duration(node, "keep_for"));
    let runs = get(keys, "keep_runs").and_then(|node| lower.whole(node, "keep_runs", 0..=KEEP_RUNS_MAX));
    KeepSetting { keep_for, keep_runs: runs.map(u64::from) }
}
