//! The signals of a run: those that no step has taken yet, and what is known of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::event::SignalReceived;

/// A signal that no step has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// What it brings.
    pub data: Arc<Value>,
}

/// The signals of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signals {
    /// By number, so in the order in which they came.
    kept: BTreeMap<u32, Signal>,
    received: u32,
    keys: BTreeSet<String>,
}

impl Signals {
    /// How many came in, ever.
    pub const fn received(&self) -> u32 {
        self.received
    }

    /// How many wait to be taken.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Whether one with this key of its sender came before.
    pub fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The oldest of a name that waits to be taken.
    pub fn first(&self, name: &str) -> Option<(u32, &Signal)> {
        self.kept.iter().find(|(_, signal)| signal.name == name).map(|(number, signal)| (*number, signal))
    }

    /// Those that wait to be taken, in the order in which they came.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Signal> {
        self.kept.values()
    }

    pub(super) fn receive(&mut self, signal: &SignalReceived) {
        let data = signal.data.share();
        self.kept.insert(signal.number, Signal { name: signal.name.clone(), data });
        self.received = self.received.max(signal.number);
        self.keys.extend(signal.key.clone());
    }

    pub(super) fn take(&mut self, number: u32) {
        self.kept.remove(&number);
    }
}
