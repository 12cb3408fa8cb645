//! How a run is told: its steps, what it used, how far it came. The binary says it, so that its commands and the API
//! tell the same.

use std::collections::BTreeMap;
use std::fmt::Debug;

use pawl_core::graph::Marks;
use pawl_core::journal::Envelope;
use pawl_core::view::RunHeader;
use serde_json::{Map, Value};

/// Tells what a journal says.
pub trait Teller: Debug + Send + Sync {
    /// What stands beside a run's own fields: `steps`, `budgets`, `ancestor`, `events`.
    fn detail(&self, header: &RunHeader, envelopes: &[Envelope]) -> Map<String, Value>;

    /// What it asked of models and tools.
    fn usage(&self, header: &RunHeader, envelopes: &[Envelope]) -> Value;

    /// Where each step stands.
    fn marks(&self, header: &RunHeader, envelopes: &[Envelope]) -> Marks;
}

/// Tells nothing but how many events there are: for servers that are embedded without the binary.
#[derive(Debug, Clone, Copy)]
pub struct Terse;

impl Teller for Terse {
    fn detail(&self, _: &RunHeader, envelopes: &[Envelope]) -> Map<String, Value> {
        let empty = || Value::Array(Vec::new());
        let fields = [
            ("steps", empty()),
            ("budgets", empty()),
            ("ancestor", Value::Null),
            ("events", envelopes.len().into()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn usage(&self, _: &RunHeader, _: &[Envelope]) -> Value {
        let names = ["model_calls", "input_tokens", "output_tokens", "tool_calls", "took_ms"];
        let mut usage: Map<String, Value> =
            names.map(|name| (name.to_owned(), 0.into())).into_iter().collect();
        usage.insert("budgets".to_owned(), Value::Array(Vec::new()));
        usage.into()
    }

    fn marks(&self, header: &RunHeader, _: &[Envelope]) -> Marks {
        Marks { status: header.status, steps: BTreeMap::new() }
    }
}
