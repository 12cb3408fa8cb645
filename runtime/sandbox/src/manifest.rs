//! `plugin.toml`: what stands beside a component.
//!
//! The component is authoritative for what it is and imports; the manifest says what its author
//! promises and must agree with it. It grants nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pawl_core::plugin::PluginKind;
use pawl_core::route::{COST_MAX, Cost, OFFER_PRIORITY_MAX, OfferSetting};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::error::SandboxError;
use crate::limits::Limits;
use crate::load::{NAME_MAX_BYTES, is_name};
use crate::plugin::LoadedPlugin;

/// The longest `plugin.toml`, in bytes.
pub const MANIFEST_MAX_BYTES: usize = 64 << 10;
/// The most `[` and `{` in one. The parser goes a level deeper for each table that is not closed, and its stack has
/// an end.
pub const MANIFEST_BRACKETS_MAX: usize = 200;

/// A host interface that a plugin may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `permissions.tools`.
    Tools,
    /// `permissions.http`.
    Http,
    /// `permissions.secrets`.
    Secrets,
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
    /// Always granted.
    Grants,
    /// `permissions.models`.
    Models,
    /// `permissions.agents`.
    Agents,
    /// `permissions.signals`.
    Signals,
}

impl Capability {
    /// The name as it stands in `plugin.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Http => "http",
            Self::Secrets => "secrets",
            Self::Human => "human",
            Self::Memory => "memory",
            Self::Timers => "timers",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Grants => "grants",
            Self::Models => "models",
            Self::Agents => "agents",
            Self::Signals => "signals",
        }
    }
}

/// Where something stands in `plugin.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ManifestPlace {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl ManifestPlace {
    fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        Self { line: before.matches('\n').count() + 1, column }
    }
}

impl fmt::Display for ManifestPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// `plugin.toml` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    version: Spanned<String>,
    kind: Spanned<PluginKind>,
    #[serde(default)]
    capabilities: Option<Spanned<BTreeSet<Capability>>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    offers: Option<Spanned<BTreeMap<String, String>>>,
    #[serde(default)]
    priority: Option<Spanned<u32>>,
    #[serde(default)]
    cost: Option<Spanned<f64>>,
    #[serde(default)]
    limits: BTreeMap<String, Spanned<u64>>,
}

/// Where the values stand that may turn out not to fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Places {
    name: ManifestPlace,
    kind: ManifestPlace,
    capabilities: ManifestPlace,
    offers: ManifestPlace,
    limits: BTreeMap<String, ManifestPlace>,
}

/// `plugin.toml`, read and checked for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The plugin's name: `orders` in `orders.lookup`.
    pub name: String,
    /// Three numbers, `1.4.0`, perhaps with `-` and more.
    pub version: String,
    /// The kind of plugin, which the component must be.
    pub kind: PluginKind,
    /// What it needs; all gated interfaces that it imports must be among them.
    pub capabilities: BTreeSet<Capability>,
    /// What routes match.
    pub labels: BTreeMap<String, String>,
    /// What its tools are known as to routes: a capability and the tool that does it.
    pub offers: Option<BTreeMap<String, String>>,
    /// Which goes first of those that a route matches; the higher.
    pub priority: Option<u32>,
    /// What one use of it costs.
    pub cost: Option<Cost>,
    /// What it may use at most, where it says so; see [`Manifest::limits_within`].
    pub limits: BTreeMap<String, u64>,
    places: Places,
}

impl Manifest {
    /// Reads `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, SandboxError> {
        bounded(text)?;
        let written: Written = toml::from_str(text).map_err(|error| SandboxError::ManifestSyntax {
            place: ManifestPlace::of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().trim().replace('\n', "; "),
        })?;
        let place = |span: std::ops::Range<usize>| ManifestPlace::of(text, span.start);
        let wrong = |key: &'static str, place, reason| SandboxError::ManifestValue { place, key, reason };
        if !is_name(written.name.get_ref()) {
            let reason = format!(
                "is {:?}; write letters, digits, `-` and `_`, at most {NAME_MAX_BYTES} of them",
                written.name.get_ref()
            );
            return Err(wrong("name", place(written.name.span()), reason));
        }
        if !is_version(written.version.get_ref()) {
            let reason =
                format!("is {:?}; write three numbers, such as \"1.4.0\"", written.version.get_ref());
            return Err(wrong("version", place(written.version.span()), reason));
        }
        let offers_at = written.offers.as_ref().map_or(written.kind.span(), Spanned::span);
        if written.offers.is_some() && *written.kind.get_ref() == PluginKind::Agent {
            let reason = "is for tools; an agent says in its own description what it can do".to_owned();
            return Err(wrong("offers", place(offers_at), reason));
        }
        let priority = match &written.priority {
            Some(number) if *number.get_ref() > OFFER_PRIORITY_MAX => {
                let reason = format!("is {}; write 0 to {OFFER_PRIORITY_MAX}", number.get_ref());
                return Err(wrong("priority", place(number.span()), reason));
            }
            number => number.as_ref().map(|number| *number.get_ref()),
        };
        let cost = match &written.cost {
            Some(number) => Some(Cost::of(*number.get_ref()).ok_or_else(|| {
                let reason = format!("is {}; write a number from 0 to {COST_MAX}", number.get_ref());
                wrong("cost", place(number.span()), reason)
            })?),
            None => None,
        };
        let capabilities_at = written.capabilities.as_ref().map_or(written.kind.span(), Spanned::span);
        let places = Places {
            name: place(written.name.span()),
            kind: place(written.kind.span()),
            capabilities: place(capabilities_at),
            offers: place(offers_at),
            limits: written.limits.iter().map(|(name, at)| (name.clone(), place(at.span()))).collect(),
        };
        let manifest = Self {
            name: written.name.into_inner(),
            version: written.version.into_inner(),
            kind: written.kind.into_inner(),
            capabilities: written.capabilities.map(Spanned::into_inner).unwrap_or_default(),
            labels: written.labels,
            offers: written.offers.map(Spanned::into_inner),
            priority,
            cost,
            limits: written.limits.into_iter().map(|(name, value)| (name, value.into_inner())).collect(),
            places,
        };
        // Names that are none are told now, not when the plugin is first used.
        manifest.limits_within(&Limits::MOST)?;
        Ok(manifest)
    }

    /// What an attempt may use: the ceiling, where the manifest does not ask for less. More than the
    /// ceiling it will not get, so asking for it is an error rather than a limit met later.
    pub fn limits_within(&self, ceiling: &Limits) -> Result<Limits, SandboxError> {
        let wrong = |name: &str, reason: String| SandboxError::ManifestValue {
            place: self.places.limits.get(name).copied().unwrap_or_default(),
            key: "limits",
            reason,
        };
        let mut limits = serde_json::to_value(ceiling).map_err(|error| wrong("", error.to_string()))?;
        for (name, asked) in &self.limits {
            let Some(allowed) = limits.get(name).and_then(serde_json::Value::as_u64) else {
                let known = limits.as_object().into_iter().flat_map(serde_json::Map::keys);
                let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
                return Err(wrong(name, format!("has no `{name}`; there are {}", known.join(", "))));
            };
            if *asked > allowed {
                let reason = format!(
                    "asks for {name} = {asked}, and this pawl allows {allowed}; a manifest can only narrow: \
                     leave the line out, or write less"
                );
                return Err(wrong(name, reason));
            }
            limits[name] = (*asked).into();
        }
        serde_json::from_value(limits).map_err(|error| wrong("", error.to_string()))
    }

    /// Compares it with the name under which the component is used, where that is the file's name.
    pub fn check_name(&self, used: &str) -> Result<(), SandboxError> {
        if self.name == used {
            return Ok(());
        }
        let (place, manifest) = (self.places.name, self.name.clone());
        Err(SandboxError::ManifestName { place, manifest, used: used.to_owned() })
    }

    /// What it says to those who look for a plugin.
    pub fn offer(&self) -> OfferSetting {
        let named = |offers: &BTreeMap<String, String>| {
            offers.iter().map(|(name, tool)| (name.clone(), Some(tool.clone()))).collect()
        };
        OfferSetting {
            capabilities: self.offers.as_ref().map(named),
            labels: self.labels.clone(),
            priority: self.priority,
            cost: self.cost,
            enabled: None,
        }
    }

    /// Compares it with the component beside it.
    pub fn check(&self, plugin: &LoadedPlugin) -> Result<(), SandboxError> {
        for (capability, tool) in self.offers.iter().flatten() {
            if plugin.description().tool(tool).is_none() {
                let reason = format!("offers {capability} by '{tool}', and the component has no such tool");
                return Err(SandboxError::ManifestValue { place: self.places.offers, key: "offers", reason });
            }
        }
        if self.kind != plugin.kind() {
            let (place, component) = (self.places.kind, plugin.kind());
            return Err(SandboxError::ManifestKind { place, manifest: self.kind, component });
        }
        let is_listed = |name| self.capabilities.iter().any(|capability| capability.name() == name);
        let missing: Vec<_> = plugin
            .needs()
            .filter_map(|(import, need)| Some((import, need.capability()?)))
            .filter(|(_, capability)| !is_listed(*capability))
            .map(|(import, capability)| format!("{import} (capability \"{capability}\")"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(SandboxError::ManifestCapabilities { place: self.places.capabilities, missing })
    }
}

fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    core.split('.').count() == 3 && core.split('.').all(is_number)
}

/// Refuses what is too much to be read.
fn bounded(text: &str) -> Result<(), SandboxError> {
    let beyond = |byte: usize, reason: String| {
        Err(SandboxError::ManifestSyntax { place: ManifestPlace::of(text, byte), reason })
    };
    if text.len() > MANIFEST_MAX_BYTES {
        let reason = format!("there are {} bytes; manifest_max_bytes is {MANIFEST_MAX_BYTES}", text.len());
        return beyond(0, reason);
    }
    match text.match_indices(['[', '{']).nth(MANIFEST_BRACKETS_MAX) {
        Some((byte, _)) => beyond(
            byte,
            format!("there are more than manifest_brackets_max ({MANIFEST_BRACKETS_MAX}) [ and {{"),
        ),
        None => Ok(()),
    }
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
        let head = "name = 'a'\nversion = '1.4.0'\nkind = 'tool'\n";
        let cases = [
            ("name = 'or.ders'\nversion = '1.4.0'\nkind = 'tool'", "line 1, column 8: `name` is \"or.ders\""),
            ("name = 'orders'\nversion = '1.4'\nkind = 'tool'", "line 2, column 11: `version` is \"1.4\""),
            ("name = 'orders'\nversion = '1.4.0'\nkind = 'bot'", "line 3, column 8: unknown variant `bot`"),
            ("name = 'orders'\nversion = '1.4.0'", "line 1, column 1: missing field `kind`"),
            ("name = 3\nversion = '1.4.0'\nkind = 'tool'", "line 1, column 8: invalid type: integer"),
            (&format!("{head}colour = 'red'"), "line 4, column 1: unknown field `colour`"),
            (&format!("{head}labels = {{ lang = 1 }}"), "line 4, column 19: invalid type: integer"),
            (&format!("{head}capabilities = ['log', 'net']"), "line 4, column 24: unknown variant `net`"),
            (&format!("{head}capabilities = 'log'"), "line 4, column 16: invalid type: string"),
            (&format!("{head}[limits]\nmemory = 1"), "line 5, column 10: `limits` has no `memory`"),
            (&format!("{head}[limits]\nlog_max_bytes = '1 KiB'"), "line 5, column 17: invalid type: string"),
            (&format!("{head}[limits]\nlog_max_bytes = -1"), "line 5, column 17: invalid value: integer"),
            (&format!("{head}name = 'b'"), "line 4, column 1: duplicate key"),
            (&format!("{head}priority = 101"), "line 4, column 12: `priority` is 101; write 0 to 100"),
            (&format!("{head}cost = -0.1"), "line 4, column 8: `cost` is -0.1; write a number from 0"),
            (&format!("{head}offers = ['a']"), "line 4, column 10: invalid type: sequence"),
            (
                "name = 'a'\nversion = '1.4.0'\nkind = 'agent'\noffers = { a = 'b' }",
                "line 4, column 10: `offers` is for tools",
            ),
            (&format!("{head}[limits"), "line 4, column 8: "),
            (
                &format!("{head}{}", "labels = { d\n".repeat(4_000)),
                "line 204, column 10: there are more than",
            ),
            (&format!("{head}#{}", "x".repeat(70_000)), "bytes; manifest_max_bytes is 65536"),
        ];
        for (text, part) in cases {
            let error = Manifest::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("plugin.toml, line "), "{text}: {error}");
            assert!(error.contains(part) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn a_manifest_that_asks_for_more_than_there_is_is_told_so() {
        let text = "name = 'a'\nversion = '1.0.0'\nkind = 'tool'\n[limits]\nlog_max_bytes = 20";
        let manifest = Manifest::parse(text).unwrap();
        let ceiling = |log_max_bytes| Limits { log_max_bytes, ..Limits::default() };
        assert_eq!(manifest.limits_within(&ceiling(20)).unwrap(), ceiling(20));
        let error = manifest.limits_within(&ceiling(10)).unwrap_err().to_string();
        let told = "line 5, column 17: `limits` asks for log_max_bytes = 20, and this pawl allows 10";
        assert!(error.contains(told), "{error}");
        let error = manifest.check_name("b").unwrap_err().to_string();
        assert!(error.contains("line 1, column 8: name = \"a\"") && error.contains("\"b\""), "{error}");
    }
}
