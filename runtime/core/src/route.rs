//! Routes: which of the plugins that there are can do what a step asks for.
//!
//! What is asked for is a [`RouteQuery`], what a plugin gives an [`Offer`]; whether one answers the
//! other is told here, and which of those that do goes first is the engine's to rank. What was chosen
//! stands in the journal and is not chosen again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plugin::{Description, PluginKind};

/// The most labels of a route.
pub const ROUTE_LABELS_MAX: usize = 16;
/// The longest label, once it is evaluated, in bytes.
pub const LABEL_MAX_BYTES: usize = 200;
/// How many candidates an event or a failure names; of the others only their number is told.
pub const ROUTE_CANDIDATES_MAX: usize = 20;
/// The highest priority that a plugin can have.
pub const OFFER_PRIORITY_MAX: u32 = 100;
/// The highest cost that a plugin can have.
pub const COST_MAX: u32 = 1_000_000;

/// By what candidates are ordered that have the same priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// The cheaper one first; last what names no cost.
    Cost,
    /// The quicker one first; what was never used counts as the quickest, so that it is tried.
    Latency,
    /// What failed less goes first.
    Health,
}

impl Preference {
    /// All of them, by name, as the workflow language has them.
    pub const ALL: [(&'static str, Self); 3] =
        [("cost", Self::Cost), ("latency", Self::Latency), ("health", Self::Health)];

    /// The name as it stands in workflows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Latency => "latency",
            Self::Health => "health",
        }
    }
}

/// What a step asks for, with everything evaluated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteQuery {
    /// Agents or tools.
    pub kind: PluginKind,
    /// What it must be able to do.
    pub capability: String,
    /// The labels that it must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What goes first among those of the same priority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<Preference>,
}

impl fmt::Display for RouteQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with the capability '{}'", self.kind.name(), self.capability)?;
        for (number, (name, value)) in self.labels.iter().enumerate() {
            let between = if number == 0 { " and " } else { ", " };
            write!(f, "{between}{name}={value}")?;
        }
        Ok(())
    }
}

/// What something costs, in millionths of whatever the operator counts in, so that it compares exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(pub u64);

impl Cost {
    /// A cost as it is written; nothing for what is none, or is beyond [`COST_MAX`].
    pub fn of(number: f64) -> Option<Self> {
        if !(0.0..=f64::from(COST_MAX)).contains(&number) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within the limits"
        )]
        let millionths = (number * 1e6).round() as u64;
        Some(Self(millionths))
    }

    /// The cost as it is written.
    pub fn number(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the largest cost has 40 bits")]
        let millionths = self.0 as f64;
        millionths / 1e6
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// What a plugin gives to those who look for one, as it and the operator say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its kind.
    pub kind: PluginKind,
    /// What it can do; of a tool plugin, with the tool that does it.
    pub capabilities: BTreeMap<String, Option<String>>,
    /// What tells it from its like.
    pub labels: BTreeMap<String, String>,
    /// From 0 to 100; the higher goes first.
    pub priority: u32,
    /// What one use of it costs.
    pub cost: Option<Cost>,
    /// Whether it may be chosen.
    pub enabled: bool,
}

/// What a manifest, or the operator, says beside what a component says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfferSetting {
    /// Replaces what it can do; of a tool plugin, perhaps with the tool that does it.
    pub capabilities: Option<BTreeMap<String, Option<String>>>,
    /// Labels, one by one.
    pub labels: BTreeMap<String, String>,
    /// Its priority.
    pub priority: Option<u32>,
    /// What one use of it costs.
    pub cost: Option<Cost>,
    /// Whether it may be chosen.
    pub enabled: Option<bool>,
}

impl Offer {
    /// What a component offers by itself: an agent the capabilities that it describes, a tool plugin one
    /// for each of its tools, of the tool's name.
    pub fn of(description: &Description) -> Self {
        let capabilities = match description {
            Description::Agent(agent) => agent.capabilities.iter().map(|name| (name.clone(), None)).collect(),
            Description::Tools(tools) => {
                tools.iter().map(|tool| (tool.name.clone(), Some(tool.name.clone()))).collect()
            }
        };
        let (labels, kind) = (BTreeMap::new(), description.kind());
        Self { kind, capabilities, labels, priority: 0, cost: None, enabled: true }
    }

    /// The same with what a setting says instead. A capability of a tool plugin that names no tool is done by
    /// the one that did it before, or by the tool of its name; one that no tool of the plugin does falls away.
    #[must_use]
    pub fn with(mut self, setting: &OfferSetting, description: &Description) -> Self {
        if let Some(capabilities) = &setting.capabilities {
            let before = std::mem::take(&mut self.capabilities);
            self.capabilities = match description {
                Description::Agent(_) => capabilities.keys().map(|name| (name.clone(), None)).collect(),
                Description::Tools(_) => capabilities
                    .iter()
                    .filter_map(|(name, tool)| {
                        let by = tool.clone().or_else(|| before.get(name).cloned().flatten());
                        let tool = description.tool(by.as_ref().unwrap_or(name))?;
                        Some((name.clone(), Some(tool.name.clone())))
                    })
                    .collect(),
            };
        }
        self.labels.extend(setting.labels.clone());
        self.priority = setting.priority.unwrap_or(self.priority);
        self.cost = setting.cost.or(self.cost);
        self.enabled = setting.enabled.unwrap_or(self.enabled);
        self
    }

    /// Whether it is what is asked for: the tool that does it, or in words why not.
    pub fn answers(&self, query: &RouteQuery) -> Result<Option<&str>, Miss> {
        if self.kind != query.kind {
            return Err(Miss::far(format!("it is a plugin of kind {}", self.kind.name())));
        }
        let Some(tool) = self.capabilities.get(&query.capability) else {
            let has: Vec<&str> = self.capabilities.keys().map(String::as_str).collect();
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            return Err(Miss::far(format!("its capabilities are: {has}")));
        };
        for (name, wanted) in &query.labels {
            match self.labels.get(name) {
                Some(found) if found == wanted => {}
                Some(found) => return Err(Miss::near(format!("its label {name} is {found}, not {wanted}"))),
                None => return Err(Miss::near(format!("it has no label {name}"))),
            }
        }
        if !self.enabled {
            return Err(Miss::near("the operator has turned it off in pawl.yaml".to_owned()));
        }
        Ok(tool.as_deref())
    }
}

/// Why a plugin is not what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// In words.
    pub why: String,
    /// Whether it can do it and is left out for another reason.
    pub is_near: bool,
}

impl Miss {
    const fn far(why: String) -> Self {
        Self { why, is_near: false }
    }

    const fn near(why: String) -> Self {
        Self { why, is_near: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{EffectClass, ToolDescription};
    use serde_json::json;

    fn tools(names: &[&str]) -> Description {
        let tool = |name: &&str| ToolDescription {
            name: (*name).to_owned(),
            summary: String::new(),
            input_schema: json!({}),
            output_schema: json!({}),
            effect: EffectClass::Pure,
        };
        Description::Tools(names.iter().map(tool).collect())
    }

    fn query(capability: &str, labels: &[(&str, &str)]) -> RouteQuery {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RouteQuery { kind: PluginKind::Tool, capability: capability.to_owned(), labels, prefer: Vec::new() }
    }

    #[test]
    fn a_tool_is_a_capability_until_somebody_says_otherwise() {
        let description = tools(&["find", "list"]);
        let own = Offer::of(&description);
        assert_eq!(own.answers(&query("find", &[])), Ok(Some("find")));
        let names = |pairs: &[(&str, Option<&str>)]| {
            let pairs = pairs.iter();
            pairs.map(|(name, tool)| ((*name).to_owned(), tool.map(str::to_owned))).collect()
        };
        let set = |pairs: &[(&str, Option<&str>)]| OfferSetting {
            capabilities: Some(names(pairs)),
            ..OfferSetting::default()
        };
        let manifest =
            own.with(&set(&[("lookup", Some("find")), ("gone", Some("none")), ("list", None)]), &description);
        assert_eq!(manifest.answers(&query("lookup", &[])), Ok(Some("find")));
        assert_eq!(manifest.answers(&query("list", &[])), Ok(Some("list")));
        assert_eq!(
            manifest.answers(&query("gone", &[])).unwrap_err().why,
            "its capabilities are: list, lookup"
        );
        // The operator names the capability alone: the tool is the manifest's.
        let operator = manifest.with(&set(&[("lookup", None)]), &description);
        assert_eq!(operator.answers(&query("lookup", &[])), Ok(Some("find")));
        assert!(operator.answers(&query("list", &[])).is_err());
    }

    #[test]
    fn labels_are_equal_or_the_plugin_is_a_near_miss() {
        let description = tools(&["find"]);
        let labels = BTreeMap::from([("lang".to_owned(), "de".to_owned())]);
        let offer =
            Offer::of(&description).with(&OfferSetting { labels, ..OfferSetting::default() }, &description);
        assert!(offer.answers(&query("find", &[("lang", "de")])).is_ok());
        for (labels, why) in
            [([("lang", "en")], "its label lang is de, not en"), ([("tier", "1")], "it has no label tier")]
        {
            let miss = offer.answers(&query("find", &labels)).unwrap_err();
            assert_eq!((miss.why.as_str(), miss.is_near), (why, true));
        }
        let off = OfferSetting { enabled: Some(false), ..OfferSetting::default() };
        assert!(offer.clone().with(&off, &description).answers(&query("find", &[])).unwrap_err().is_near);
        let agent = RouteQuery { kind: PluginKind::Agent, ..query("find", &[]) };
        assert!(!offer.answers(&agent).unwrap_err().is_near);
    }

    #[test]
    fn costs_compare_as_they_are_written() {
        assert_eq!(Cost::of(0.002), Some(Cost(2_000)));
        assert_eq!(Cost::of(0.1).map(|cost| cost.to_string()), Some("0.1".to_owned()));
        assert_eq!(Cost::of(f64::from(COST_MAX)), Some(Cost(1_000_000_000_000)));
        for number in [-0.1, f64::NAN, f64::INFINITY, f64::from(COST_MAX) + 1.0] {
            assert_eq!(Cost::of(number), None);
        }
    }
}
