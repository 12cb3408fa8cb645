//! What one attempt of a guest may use.
//!
//! Every limit has a name with a unit, a default, a failure that names it and a test that goes
//! beyond it. A limit ends the attempt; it never harms another one.

use pawl_core::{Failure, FailureKind};
use serde::{Deserialize, Serialize};

/// Resources of the host that a guest may hold at once, each with a handle: what they need is the
/// host's memory, not the guest's. Ordinary guests hold a dozen.
pub(crate) const HANDLES_MAX: usize = 1_000;

/// What one attempt of a guest may use. Stands in `plugin.toml` under `limits`, key by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of all the component's core modules together.
    pub memory_max_bytes: u64,
    /// The guest's own running time, without what it waits for.
    pub guest_time_max_ms: u64,
    /// A tool's call by the clock on the wall, with what it waits for. An agent waits in its calls,
    /// which cost nothing.
    pub wall_time_max_ms: u64,
    /// Calls that leave the sandbox: an agent's calls to the engine, a tool's HTTP requests.
    pub host_calls_max: u32,
    /// Calls in one `tools.call-all`.
    pub call_all_max: u32,
    /// One JSON text that crosses the border, in either direction.
    pub payload_max_bytes: u64,
    /// Log lines of the attempt; each counts 16 bytes and its text. Lines beyond are dropped.
    pub log_max_bytes: u64,
    /// Elements of one table.
    pub table_elements_max: u64,
    /// The body of one HTTP request or response.
    pub http_body_max_bytes: u64,
    /// One HTTP request until its response's head is there, and between two pieces of its body.
    pub http_wait_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_max_bytes: 64 << 20,
            guest_time_max_ms: 10_000,
            wall_time_max_ms: 600_000,
            host_calls_max: 10_000,
            call_all_max: 256,
            payload_max_bytes: 4 << 20,
            log_max_bytes: 64 << 10,
            table_elements_max: 20_000,
            http_body_max_bytes: 16 << 20,
            http_wait_max_ms: 30_000,
        }
    }
}

impl Limits {
    /// No limit at all: what a manifest's names are checked against.
    pub(crate) const MOST: Self = Self {
        memory_max_bytes: u64::MAX,
        guest_time_max_ms: u64::MAX,
        wall_time_max_ms: u64::MAX,
        host_calls_max: u32::MAX,
        call_all_max: u32::MAX,
        payload_max_bytes: u64::MAX,
        log_max_bytes: u64::MAX,
        table_elements_max: u64::MAX,
        http_body_max_bytes: u64::MAX,
        http_wait_max_ms: u64::MAX,
    };

    /// The smaller of each limit and its ceiling: what a plugin asks for, cut to what an operator allows.
    #[must_use]
    pub fn at_most(&self, ceiling: &Self) -> Self {
        Self {
            memory_max_bytes: self.memory_max_bytes.min(ceiling.memory_max_bytes),
            guest_time_max_ms: self.guest_time_max_ms.min(ceiling.guest_time_max_ms),
            wall_time_max_ms: self.wall_time_max_ms.min(ceiling.wall_time_max_ms),
            host_calls_max: self.host_calls_max.min(ceiling.host_calls_max),
            call_all_max: self.call_all_max.min(ceiling.call_all_max),
            payload_max_bytes: self.payload_max_bytes.min(ceiling.payload_max_bytes),
            log_max_bytes: self.log_max_bytes.min(ceiling.log_max_bytes),
            table_elements_max: self.table_elements_max.min(ceiling.table_elements_max),
            http_body_max_bytes: self.http_body_max_bytes.min(ceiling.http_body_max_bytes),
            http_wait_max_ms: self.http_wait_max_ms.min(ceiling.http_wait_max_ms),
        }
    }
}

/// A limit that a guest went beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// The limit's name, as in [`Limits`].
    pub(crate) limit: &'static str,
    /// Its value in this attempt.
    pub(crate) value: u64,
}

impl Exceeded {
    /// The failure that the attempt ends with; `detail` says what the guest was doing.
    pub(crate) fn failure(self, detail: &str) -> Failure {
        let Self { limit, value } = self;
        let colon = if detail.is_empty() { "" } else { ": " };
        Failure::new(
            FailureKind::Limit,
            format!("the plugin went beyond {limit} ({value}){colon}{detail}; {}", hint(limit)),
        )
    }
}

/// Who can do what about it.
fn hint(limit: &str) -> &'static str {
    if limit == "handles_max" {
        "this limit is fixed: let the plugin drop what it no longer uses"
    } else {
        "correct the plugin, or raise this limit where it was set: in its plugin.toml as far as pawl's \
         own limit, which only a program that embeds pawl can raise"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_says_what_can_be_done() {
        let failure = Exceeded { limit: "log_max_bytes", value: 1 }.failure("a line");
        assert!(failure.message.starts_with("the plugin went beyond log_max_bytes (1): a line; correct"));
        let fixed = Exceeded { limit: "handles_max", value: 1 }.failure("");
        assert!(fixed.message.contains("this limit is fixed"), "{fixed}");
    }
}
