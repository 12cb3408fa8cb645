//! What a run has asked of models and tools.

use std::collections::BTreeMap;
use std::fmt;

use pawl_core::call::CallRequest;
use pawl_core::event::{Event, Payload, Work};
use pawl_core::journal::Envelope;
use pawl_core::{Duration, VisitId};
use serde_json::{Value, json};

use crate::shape;

/// What a run has asked of models and tools, all of its journal counted: of a fork also what it took over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    model_calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    tool_calls: u64,
    /// From its first event to its last, waits included.
    took_ms: u64,
}

impl Usage {
    pub(crate) fn of(envelopes: &[Envelope]) -> Self {
        let mut usage = Self::default();
        let mut begun: BTreeMap<(VisitId, u32), &CallRequest> = BTreeMap::new();
        let mut tools: BTreeMap<VisitId, bool> = BTreeMap::new();
        for Envelope { event, .. } in envelopes {
            match event {
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
                        Some(CallRequest::Model { .. }) => {
                            usage.model_calls += 1;
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

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "model_calls": self.model_calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "tool_calls": self.tool_calls,
            "took_ms": self.took_ms,
        })
    }
}

fn tokens(response: Option<&Payload>, which: &str) -> u64 {
    let answer = response.cloned().map(Payload::into_value).unwrap_or_default();
    answer["usage"][which].as_u64().unwrap_or_default()
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model_calls, input_tokens, output_tokens, tool_calls, took_ms } = self;
        write!(f, "model calls: {model_calls}, tokens: {input_tokens} in, {output_tokens} out; ")?;
        write!(f, "tool calls: {tool_calls}; {}", shape::took(Duration(*took_ms)))
    }
}
