//! What a run has asked of models and tools.

use std::collections::BTreeMap;
use std::fmt;

use pawl_core::budget::{self, Dimension, Prices};
use pawl_core::call::CallRequest;
use pawl_core::event::{Event, Payload, Work};
use pawl_core::journal::Envelope;
use pawl_core::{Duration, Failure, VisitId};
use serde_json::{Value, json};

use crate::shape;

/// What a run has asked of models and tools, all of its journal counted: of a fork also what it took over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    model_calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    tool_calls: u64,
    /// What its models cost, in millionths, by the prices that it was started with; nothing where it has none.
    money: Option<u64>,
    /// From its first event to its last, waits included.
    took_ms: u64,
}

impl Usage {
    pub(crate) fn of(envelopes: &[Envelope]) -> Self {
        let mut usage = Self::default();
        let mut prices = Prices::new();
        let mut begun: BTreeMap<(VisitId, u32), &CallRequest> = BTreeMap::new();
        let mut tools: BTreeMap<VisitId, bool> = BTreeMap::new();
        for Envelope { event, .. } in envelopes {
            match event {
                Event::RunStarted(started) => prices.clone_from(&started.prices),
                Event::DefinitionChanged(changed) => prices.extend(changed.prices.clone()),
                Event::AttemptStarted { visit, work, .. } => {
                    if let Some(work) = work {
                        tools.insert(*visit, matches!(**work, Work::Tool { .. }));
                    }
                    usage.tool_calls += u64::from(tools.get(visit).is_some_and(|is_tool| *is_tool));
                }
                Event::CallStarted { visit, call, request, .. } => {
                    begun.insert((*visit, *call), request);
                }
                Event::CallCompleted { visit, call, request, response, .. } => {
                    let request = request.as_ref().or(begun.remove(&(*visit, *call)));
                    match request {
                        Some(CallRequest::Tool { .. }) => usage.tool_calls += 1,
                        Some(request @ CallRequest::Model { .. }) => {
                            usage.model_calls += 1;
                            usage.spend(request, response, &prices);
                            usage.input_tokens += tokens(response.as_ref().ok(), "input_tokens");
                            usage.output_tokens += tokens(response.as_ref().ok(), "output_tokens");
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if let (Some(first), Some(last)) = (envelopes.first(), envelopes.last()) {
            usage.took_ms = last.time.since(first.time).0;
        }
        usage
    }

    /// Counts what a call of a model has cost, as budgets do.
    fn spend(&mut self, request: &CallRequest, response: &Result<Payload, Failure>, prices: &Prices) {
        if prices.is_empty() {
            return;
        }
        let answer = response.clone().map(Payload::into_value);
        let cost = budget::after(request, &answer, &budget::before(request, prices), prices);
        let spent = self.money.get_or_insert(0);
        *spent = spent.saturating_add(cost.used(Dimension::Money));
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut document = json!({
            "model_calls": self.model_calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "tool_calls": self.tool_calls,
            "took_ms": self.took_ms,
        });
        if let Some(money) = self.money {
            document["money"] = Dimension::Money.to_json(money);
        }
        document
    }
}

fn tokens(response: Option<&Payload>, which: &str) -> u64 {
    let answer = response.cloned().map(Payload::into_value).unwrap_or_default();
    answer["usage"][which].as_u64().unwrap_or_default()
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model_calls, input_tokens, output_tokens, tool_calls, money, took_ms } = self;
        write!(f, "model calls: {model_calls}, tokens: {input_tokens} in, {output_tokens} out")?;
        if let Some(money) = money {
            write!(f, ", money: {}", Dimension::Money.written(*money))?;
        }
        write!(f, "; ")?;
        write!(f, "tool calls: {tool_calls}; {}", shape::took(Duration(*took_ms)))
    }
}
