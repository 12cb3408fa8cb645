//! How well plugins did of late: what was seen last weighs most.

use std::collections::{BTreeMap, HashMap};

use pawl_core::{Digest, Duration, RunId, Timestamp, VisitId};

use super::circuit::{CIRCUIT_COOL_DOWN_MS, Circuit};

/// What is older says nothing any more, in milliseconds.
pub(crate) const HEALTH_WINDOW_MS: u64 = 60 * 60 * 1_000;
/// After this time what was seen weighs half as much, in milliseconds.
pub(crate) const HEALTH_HALF_LIFE_MS: u64 = 10 * 60 * 1_000;
/// How much is remembered of one plugin, the newest.
pub(crate) const OBSERVATIONS_MAX: usize = 128;
/// How many plugins something is remembered of; the one that was used last longest ago makes way.
pub(crate) const OBSERVED_PLUGINS_MAX: usize = 1_000;

/// A plugin of a name, with these bytes: another build of it begins anew.
pub(crate) type PluginKey = (String, Digest);
/// Which attempt.
pub(crate) type AttemptPlace = (RunId, VisitId, u32);

/// What was seen of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) plugin: PluginKey,
    pub(crate) attempt: AttemptPlace,
    /// When it ended.
    pub(crate) at: Timestamp,
    pub(crate) went_well: bool,
    /// How long it took, where that says something of the plugin.
    pub(crate) took: Option<Duration>,
}

/// What was seen of all plugins.
#[derive(Debug, Default)]
pub(crate) struct Health {
    seen: HashMap<PluginKey, BTreeMap<(Timestamp, AttemptPlace), Observation>>,
    /// The plugins that were left out and have their one try now, since when.
    trying: HashMap<PluginKey, Timestamp>,
}

/// How a plugin stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) health_permille: u32,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) circuit: Circuit,
}

impl Health {
    /// Takes in what was seen; the same attempt counts once.
    pub(crate) fn observe(&mut self, seen: Observation) {
        if !self.seen.contains_key(&seen.plugin) && self.seen.len() >= OBSERVED_PLUGINS_MAX {
            let newest = |(key, seen): (&PluginKey, &BTreeMap<(Timestamp, AttemptPlace), Observation>)| {
                (seen.last_key_value().map(|((at, _), _)| *at), key.clone())
            };
            if let Some((_, oldest)) = self.seen.iter().map(newest).min() {
                self.seen.remove(&oldest);
            }
        }
        self.trying.remove(&seen.plugin);
        let of_plugin = self.seen.entry(seen.plugin.clone()).or_default();
        of_plugin.insert((seen.at, seen.attempt), seen);
        while of_plugin.len() > OBSERVATIONS_MAX {
            of_plugin.pop_first();
        }
    }

    /// A plugin that was left out has its one try.
    pub(crate) fn tries(&mut self, plugin: PluginKey, now: Timestamp) {
        self.trying.insert(plugin, now);
    }

    /// How a plugin stands; one of which nothing is known is well.
    pub(crate) fn condition(&self, plugin: &PluginKey, now: Timestamp) -> Condition {
        let nothing = BTreeMap::new();
        let seen = self.seen.get(plugin).unwrap_or(&nothing);
        let recent = || seen.values().filter(|seen| now.since(seen.at).0 <= HEALTH_WINDOW_MS);
        let weight = |seen: &Observation| weight(now.since(seen.at).0);
        // Nothing known counts as one that went well: a single failure does not make a plugin the worst of all.
        let all = 1.0 + recent().map(weight).sum::<f64>();
        let well = 1.0 + recent().filter(|seen| seen.went_well).map(weight).sum::<f64>();
        let timed = || recent().filter_map(|seen| Some((weight(seen), seen.took?)));
        let weights: f64 = timed().map(|(weight, _)| weight).sum();
        let latency = (weights > 0.0).then(|| {
            let sum: f64 = timed().map(|(weight, took)| weight * float(took.0)).sum();
            whole(sum / weights)
        });
        let mut circuit = Circuit::of(recent(), now);
        // A try of which nothing is heard does not keep others out for ever.
        if circuit == Circuit::HalfOpen
            && let Some(since) = self.trying.get(plugin)
        {
            let until = since.after(Duration(CIRCUIT_COOL_DOWN_MS));
            if now < until {
                circuit = Circuit::Open(until);
            }
        }
        let health_permille = u32::try_from(whole(well / all * 1_000.0)).unwrap_or_default();
        Condition { health_permille, latency_ms: latency, circuit }
    }
}

/// What was seen so long ago counts this much.
fn weight(age_ms: u64) -> f64 {
    0.5_f64.powf(float(age_ms) / float(HEALTH_HALF_LIFE_MS))
}

#[expect(clippy::cast_precision_loss, reason = "times are compared, not added up")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never below 0, and `as` saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
