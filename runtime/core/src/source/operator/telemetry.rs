//! Where spans of runs go.

use super::super::keys::get;
use super::super::lower::Lower;
use super::super::tree::Node;
use super::mcp::headers;
use super::profile::{address, filled};
use super::{COLLECTOR_TIMEOUT_MAX_MS, some_time};
use crate::diagnostic::{Code, among};
use crate::language::operator::TELEMETRY;
use crate::operator::{Content, TelemetrySetting};

pub(super) fn telemetry(lower: &mut Lower, node: &Node) -> TelemetrySetting {
    let Some(keys) = lower.map(node, &TELEMETRY) else { return TelemetrySetting::default() };
    let timeout = some_time(lower, keys, "timeout");
    if let (Some(node), Some(time)) = (get(keys, "timeout"), timeout)
        && time.0 > COLLECTOR_TIMEOUT_MAX_MS
    {
        let help = Some(format!("collector_timeout_max_ms is {COLLECTOR_TIMEOUT_MAX_MS}"));
        lower.report(Code::OutOfRange, &node.span, format!("timeout is {time}"), help);
    }
    let secret_at = "what is secret under `headers`";
    TelemetrySetting {
        endpoint: get(keys, "endpoint")
            .and_then(|node| address(lower, node, "endpoint", ("http://127.0.0.1:4318", secret_at))),
        headers: get(keys, "headers").map(|node| headers(lower, node)).unwrap_or_default(),
        service: get(keys, "service").and_then(|node| filled(lower, node, "service")),
        timeout,
        content: get(keys, "content").and_then(|node| content(lower, node)).unwrap_or_default(),
    }
}

fn content(lower: &mut Lower, node: &Node) -> Option<Content> {
    let text = lower.text(node, "content")?;
    let found = Content::ALL.into_iter().find(|content| content.name() == text);
    if found.is_none() {
        let help = among(text, "content is one of", Content::ALL.map(Content::name));
        lower.report(Code::InvalidValue, &node.span, format!("content cannot be '{text}'"), help);
    }
    found
}
