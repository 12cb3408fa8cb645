//! Which permission covers which import.
//!
//! This table is the only place that says so. Everything is linked, so that a plugin can always
//! describe itself; whether an attempt may start is decided here, before anything runs.

use pawl_core::plugin::{Permissions, PluginKind};

/// What an import needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: always granted, or nothing behind it.
    Nothing,
    /// `permissions.tools`.
    Tools,
    /// `permissions.agents`.
    Agents,
    /// `permissions.signals`.
    Signals,
    /// `permissions.models`.
    Models,
    /// `permissions.human`.
    Human,
    /// `permissions.memory`.
    Memory,
    /// `permissions.timers`.
    Timers,
    /// `permissions.http`.
    Http,
    /// `permissions.secrets`.
    Secrets,
    /// Nothing covers it; the reason is for people.
    Never(&'static str),
}

const UNKNOWN: Need = Need::Never("pawl has no such interface");
const FOR_AGENTS: Need = Need::Never("for agents only: a tool is a leaf");
const FOR_TOOLS: Need = Need::Never("for tools only: an agent reaches the network through its tools");
const OTHER_VERSION: Need = Need::Never("another version than this pawl's");

/// The interfaces of WASI 0.2 that are linked with nothing behind them.
const WASI: [(&str, &[&str]); 7] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("clocks", &["wall-clock", "monotonic-clock"]),
    ("filesystem", &["types", "preopens"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["random", "insecure", "insecure-seed"]),
    (
        "sockets",
        &[
            "network",
            "instance-network",
            "ip-name-lookup",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
    ("http", &["types"]),
];

impl Need {
    /// What a plugin of this kind needs for an import such as `wasi:http/outgoing-handler@0.2.12`.
    pub(crate) fn of(kind: PluginKind, import: &str) -> Self {
        let (path, version) = import.split_once('@').unwrap_or((import, ""));
        let Some((package, interface)) = path.split_once('/') else { return UNKNOWN };
        match package.split_once(':') {
            Some(("pawl", "plugin")) => versioned(own(kind, interface), version, "0.1."),
            Some(("wasi", package)) => versioned(wasi(kind, package, interface), version, "0.2."),
            _ => UNKNOWN,
        }
    }

    /// Whether these grants cover it.
    pub(crate) fn is_met(self, grants: &Permissions) -> bool {
        match self {
            Self::Nothing => true,
            Self::Tools => !grants.tools.is_empty(),
            Self::Agents => !grants.agents.is_empty(),
            Self::Signals => !grants.signals.is_empty(),
            Self::Models => !grants.models.is_empty(),
            Self::Human => grants.human,
            Self::Memory => grants.memory,
            Self::Timers => grants.timers,
            Self::Http => !grants.http.is_empty(),
            Self::Secrets => !grants.secrets.is_empty(),
            Self::Never(_) => false,
        }
    }

    /// Whether a plugin that looks at its grants may start without it: each call is looked at by itself.
    pub(crate) fn is_checked_by_call(self) -> bool {
        matches!(self, Self::Tools | Self::Agents | Self::Signals | Self::Human | Self::Memory)
    }

    /// Whether any plugin may start without it: each call is looked at by itself.
    pub(crate) fn is_always_checked_by_call(self) -> bool {
        self == Self::Secrets
    }

    /// The names of the capabilities that these grants cover.
    pub(crate) fn granted(grants: &Permissions) -> Vec<&'static str> {
        let all = [
            Self::Tools,
            Self::Agents,
            Self::Signals,
            Self::Models,
            Self::Human,
            Self::Memory,
            Self::Timers,
            Self::Http,
            Self::Secrets,
        ];
        all.into_iter().filter(|need| need.is_met(grants)).filter_map(Self::capability).collect()
    }

    /// Whether there is something in the linker under its name.
    pub(crate) fn is_linked(self) -> bool {
        self != UNKNOWN && self != OTHER_VERSION
    }

    /// The capability's name in `plugin.toml`, for what can be granted.
    pub(crate) fn capability(self) -> Option<&'static str> {
        match self {
            Self::Tools => Some("tools"),
            Self::Agents => Some("agents"),
            Self::Signals => Some("signals"),
            Self::Models => Some("models"),
            Self::Human => Some("human"),
            Self::Memory => Some("memory"),
            Self::Timers => Some("timers"),
            Self::Http => Some("http"),
            Self::Secrets => Some("secrets"),
            Self::Nothing | Self::Never(_) => None,
        }
    }

    /// The import and what it needs, for messages.
    pub(crate) fn explain(self, import: &str) -> String {
        match (self, self.capability()) {
            (Self::Never(reason), _) => format!("{import} ({reason})"),
            (_, Some(capability)) => {
                let path = import.split_once('@').map_or(import, |(path, _)| path);
                format!("{path} (permissions.{capability})")
            }
            (_, None) => import.to_owned(),
        }
    }
}

fn versioned(need: Need, version: &str, line: &str) -> Need {
    if need == UNKNOWN || version.starts_with(line) { need } else { OTHER_VERSION }
}

fn own(kind: PluginKind, interface: &str) -> Need {
    let need = match interface {
        "types" | "log" | "clock" | "random" => return Need::Nothing,
        "secrets" => {
            return match kind {
                PluginKind::Tool => Need::Secrets,
                PluginKind::Agent => FOR_TOOLS,
            };
        }
        "grants" => Need::Nothing,
        "models" => Need::Models,
        "signals" => Need::Signals,
        "tools" => Need::Tools,
        "agents" => Need::Agents,
        "human" => Need::Human,
        "memory" => Need::Memory,
        "timers" => Need::Timers,
        _ => return UNKNOWN,
    };
    match kind {
        PluginKind::Agent => need,
        PluginKind::Tool => FOR_AGENTS,
    }
}

fn wasi(kind: PluginKind, package: &str, interface: &str) -> Need {
    if (package, interface) == ("http", "outgoing-handler") {
        return match kind {
            PluginKind::Tool => Need::Http,
            PluginKind::Agent => FOR_TOOLS,
        };
    }
    let known = WASI.iter().any(|(name, interfaces)| *name == package && interfaces.contains(&interface));
    if known { Need::Nothing } else { UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_has_one_need() {
        let cases = [
            (PluginKind::Tool, "pawl:plugin/log@0.1.0", Need::Nothing),
            (PluginKind::Tool, "wasi:http/outgoing-handler@0.2.12", Need::Http),
            (PluginKind::Agent, "wasi:http/outgoing-handler@0.2.12", FOR_TOOLS),
            (PluginKind::Agent, "wasi:http/types@0.2.3", Need::Nothing),
            (PluginKind::Agent, "pawl:plugin/tools@0.1.0", Need::Tools),
            (PluginKind::Agent, "pawl:plugin/agents@0.1.0", Need::Agents),
            (PluginKind::Agent, "pawl:plugin/signals@0.1.0", Need::Signals),
            (PluginKind::Tool, "pawl:plugin/tools@0.1.0", FOR_AGENTS),
            (PluginKind::Tool, "pawl:plugin/secrets@0.1.0", Need::Secrets),
            (PluginKind::Agent, "pawl:plugin/secrets@0.1.0", FOR_TOOLS),
            (PluginKind::Agent, "pawl:plugin/models@0.1.0", Need::Models),
            (PluginKind::Agent, "pawl:plugin/grants@0.1.0", Need::Nothing),
            (PluginKind::Tool, "pawl:plugin/grants@0.1.0", FOR_AGENTS),
            (PluginKind::Agent, "pawl:plugin/tools@0.2.0", OTHER_VERSION),
            (PluginKind::Agent, "pawl:plugin/teleport@0.1.0", UNKNOWN),
            (PluginKind::Tool, "wasi:cli/environment@0.2.0", Need::Nothing),
            (PluginKind::Tool, "wasi:cli/environment@0.3.0", OTHER_VERSION),
            (PluginKind::Tool, "wasi:gpu/types@0.2.0", UNKNOWN),
            (PluginKind::Tool, "acme:x/y", UNKNOWN),
            (PluginKind::Tool, "plain", UNKNOWN),
        ];
        for (kind, import, need) in cases {
            assert_eq!(Need::of(kind, import), need, "{import}");
        }
    }
}
