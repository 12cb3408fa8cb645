//! `plugin.toml`: what stands beside a component.
//!
//! The component is authoritative for what it is and imports; the manifest says what its author
//! promises and must agree with it. It grants nothing.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::plugin::PluginKind;
use serde::{Deserialize, Serialize};

use crate::error::SandboxError;
use crate::limits::Limits;
use crate::load::{NAME_MAX_BYTES, is_name};
use crate::plugin::LoadedPlugin;

/// A host interface that a plugin may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `permissions.tools`.
    Tools,
    /// `permissions.http`.
    Http,
    /// `permissions.human`.
    Human,
    /// `permissions.memory`.
    Memory,
    /// `permissions.timers`.
    Timers,
    /// Always granted.
    Log,
    /// Always granted.
    Clock,
    /// Always granted.
    Random,
    /// Answered with `denied` in this version.
    Models,
    /// Answered with `denied` in this version.
    Agents,
    /// Answered with `denied` in this version.
    Signals,
}

impl Capability {
    /// The name as it stands in `plugin.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Http => "http",
            Self::Human => "human",
            Self::Memory => "memory",
            Self::Timers => "timers",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Models => "models",
            Self::Agents => "agents",
            Self::Signals => "signals",
        }
    }
}

/// `plugin.toml`, read and checked for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plugin's name: `orders` in `orders.lookup`.
    pub name: String,
    /// Three numbers, `1.4.0`, perhaps with `-` and more.
    pub version: String,
    /// The kind of plugin, which the component must be.
    pub kind: PluginKind,
    /// What it needs; all gated interfaces that it imports must be among them.
    #[serde(default)]
    pub capabilities: BTreeSet<Capability>,
    /// What routes match.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it may use at most, where it says so; see [`Manifest::limits_within`].
    #[serde(default)]
    pub limits: BTreeMap<String, u64>,
}

impl Manifest {
    /// Reads `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, SandboxError> {
        let manifest: Self = toml::from_str(text)?;
        if !is_name(&manifest.name) {
            let reason = format!(
                "is {:?}; write letters, digits, `-` and `_`, at most {NAME_MAX_BYTES} of them",
                manifest.name
            );
            return Err(SandboxError::ManifestValue { key: "name", reason });
        }
        if !is_version(&manifest.version) {
            let reason = format!("is {:?}; write three numbers, such as \"1.4.0\"", manifest.version);
            return Err(SandboxError::ManifestValue { key: "version", reason });
        }
        // Names that are none are told now, not when the plugin is first used.
        manifest.limits_within(&Limits::MOST)?;
        Ok(manifest)
    }

    /// What an attempt may use: the ceiling, where the manifest does not ask for less. More than the
    /// ceiling it will not get, so asking for it is an error rather than a limit met later.
    pub fn limits_within(&self, ceiling: &Limits) -> Result<Limits, SandboxError> {
        let wrong = |reason: String| SandboxError::ManifestValue { key: "limits", reason };
        let json = |error: serde_json::Error| wrong(error.to_string());
        let mut limits = serde_json::to_value(ceiling).map_err(json)?;
        for (name, asked) in &self.limits {
            let allowed = limits.get(name).and_then(serde_json::Value::as_u64);
            if let Some(allowed) = allowed.filter(|allowed| asked > allowed) {
                return Err(wrong(format!(
                    "asks for {name} = {asked}, and this pawl allows {allowed}; a manifest can only narrow: \
                     leave the line out, or write less"
                )));
            }
            limits[name] = (*asked).into();
        }
        serde_json::from_value(limits).map_err(json)
    }

    /// Compares it with the name under which the component is used, where that is the file's name.
    pub fn check_name(&self, used: &str) -> Result<(), SandboxError> {
        if self.name == used {
            return Ok(());
        }
        Err(SandboxError::ManifestName { manifest: self.name.clone(), used: used.to_owned() })
    }

    /// Compares it with the component beside it.
    pub fn check(&self, plugin: &LoadedPlugin) -> Result<(), SandboxError> {
        if self.kind != plugin.kind() {
            return Err(SandboxError::ManifestKind { manifest: self.kind, component: plugin.kind() });
        }
        let is_listed = |name| self.capabilities.iter().any(|capability| capability.name() == name);
        let missing: Vec<_> = plugin
            .needs()
            .filter_map(|(import, need)| Some((import, need.capability()?)))
            .filter(|(_, capability)| !is_listed(*capability))
            .map(|(import, capability)| format!("{import} (capability \"{capability}\")"))
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(SandboxError::ManifestCapabilities { missing }) }
    }
}

fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    core.split('.').count() == 3 && core.split('.').all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_strictly() {
        let good = "name = 'orders'\nversion = '1.4.0'\nkind = 'tool'\ncapabilities = ['http']\n\
                    [labels]\nlang = 'de'\n[limits]\nmemory_max_bytes = 1000000";
        let manifest = Manifest::parse(good).unwrap();
        let limits = manifest.limits_within(&Limits::default()).unwrap();
        assert_eq!(limits, Limits { memory_max_bytes: 1_000_000, ..Limits::default() });
        let cases = [
            ("name = 'or.ders'\nversion = '1.4.0'\nkind = 'tool'", "`name` is \"or.ders\""),
            ("name = 'orders'\nversion = '1.4'\nkind = 'tool'", "`version` is \"1.4\""),
            ("name = 'orders'\nversion = '1.4.0'\nkind = 'bot'", "unknown variant `bot`"),
            ("name = 'orders'\nversion = '1.4.0'", "missing field `kind`"),
            ("name = 'a'\nversion = '1.4.0'\nkind = 'tool'\ncolour = 'red'", "unknown field `colour`"),
            ("name = 'a'\nversion = '1.4.0'\nkind = 'tool'\n[limits]\nmemory = 1", "unknown field `memory`"),
            ("name = 'a'\nversion = '1.4.0'\nkind = 'tool'\ncapabilities = ['net']", "unknown variant `net`"),
        ];
        for (text, part) in cases {
            let error = Manifest::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
    #[test]
    fn a_manifest_that_asks_for_more_than_there_is_is_told_so() {
        let text = "name = 'a'\nversion = '1.0.0'\nkind = 'tool'\n[limits]\nlog_max_bytes = 20";
        let manifest = Manifest::parse(text).unwrap();
        let ceiling = |log_max_bytes| Limits { log_max_bytes, ..Limits::default() };
        assert_eq!(manifest.limits_within(&ceiling(20)).unwrap(), ceiling(20));
        let error = manifest.limits_within(&ceiling(10)).unwrap_err().to_string();
        assert!(error.contains("asks for log_max_bytes = 20, and this pawl allows 10"), "{error}");
        let error = manifest.check_name("b").unwrap_err().to_string();
        assert!(error.contains("\"a\"") && error.contains("\"b\""), "{error}");
    }
}
