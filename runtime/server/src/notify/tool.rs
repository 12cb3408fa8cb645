//! A tool that is called with what is told.

use std::fmt::Write as _;

use pawl_core::event::Actor;
use pawl_core::operator::NotifyTool;
use pawl_core::{Digest, FailureKind, RunId};
use pawl_engine::{Engine, HandCall};
use serde_json::{Value, json};

use super::deliver::{NOTIFY_REQUEST_MAX_MS, Sent};

/// The name of the tool's arguments' source: `inputs.notification`.
const INPUT: &str = "notification";

/// The call that a notification makes.
pub(super) fn call(name: &str, tool: &NotifyTool) -> HandCall {
    HandCall {
        tool: format!("{}.{}", tool.plugin, tool.tool),
        with: tool.with.clone().unwrap_or_else(|| json!(format!("${{{{ inputs.{INPUT} }}}}"))),
        input: INPUT,
        http: tool.http.clone(),
        secrets: tool.secrets.iter().cloned().collect(),
        timeout_ms: NOTIFY_REQUEST_MAX_MS,
        by: Actor {
            name: format!("notify:{name}"),
            groups: Vec::new(),
            operator: true,
            via: "notify".to_owned(),
        },
    }
}

/// Calls it once. All calls for one notification have one idempotency key.
pub(super) async fn send(engine: &Engine, call: &HandCall, name: &str, id: &str, body: Value) -> Sent {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Digest::of(format!("notify\0{name}\0{id}").as_bytes()).as_bytes()[..16]);
    match engine.call_by_hand(call, RunId::from_bytes(bytes), body).await {
        Ok(Ok(_)) => Sent::Taken,
        Ok(Err(failure)) => {
            let mut why = failure.to_string();
            // A message of a plugin may be as long as it likes, and a log should not be.
            if let Some((at, _)) = why.char_indices().nth(1_000) {
                why.truncate(at);
                let _ = write!(why, "…");
            }
            match failure.kind {
                FailureKind::InvalidInput | FailureKind::Permanent | FailureKind::Denied => {
                    Sent::Refused(why)
                }
                _ => Sent::NotNow(why),
            }
        }
        // The plugin is not there or is held, which can be mended.
        Err(error) => Sent::NotNow(error.to_string()),
    }
}
