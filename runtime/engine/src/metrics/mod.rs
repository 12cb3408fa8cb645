//! What the engine counts while it runs, for whoever watches it.
//!
//! Not authoritative: numbers of this process, which begin at zero with it. Feeding them takes no lock and, but for
//! the first use of a name, no memory; and no name that users choose makes more than [`METRIC_NAMES_MAX`] series.
//! What can be read when it is asked for (who waits, what is open) is not counted but looked up, in `gather`.

mod family;
mod gather;
mod histogram;
mod tally;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pawl_core::budget::Price;
use pawl_core::{Failure, FailureKind};
use serde_json::Value;

use family::Family;
pub use family::METRIC_NAMES_MAX;
pub use gather::METRIC_ROWS_COUNTED_MAX;
use histogram::{Histogram, LONG_SECONDS, SHORT_SECONDS};
pub(crate) use tally::Tally;

/// The verbs of steps, as the language has them.
const VERBS: [&str; 13] = [
    "agent", "tool", "human", "set", "switch", "wait", "fail", "parallel", "map", "loop", "signal", "emit",
    "workflow",
];
/// What becomes of a step.
const OUTCOMES: [&str; 3] = ["completed", "failed", "skipped"];
/// What becomes of a run.
const ENDS: [&str; 3] = ["completed", "failed", "cancelled"];
/// How calls end: well, or as one of the kinds of failure.
const CALL_ENDS: usize = 1 + FailureKind::ALL.len();

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted of the runs of one workflow.
#[derive(Debug, Default)]
struct OfWorkflow {
    started: Counter,
    ended: [Counter; ENDS.len()],
    steps: [[Counter; OUTCOMES.len()]; VERBS.len()],
}

/// What is counted of the calls of one plugin, or of one model.
#[derive(Debug, Default)]
struct OfCalls {
    ended: [Counter; CALL_ENDS],
    took: Histogram<{ LONG_SECONDS.len() }>,
}

/// What is counted of one model beside that.
#[derive(Debug, Default)]
struct OfModel {
    calls: OfCalls,
    input_tokens: Counter,
    output_tokens: Counter,
    /// In millionths.
    cost: Counter,
}

/// What is counted of spans on their way to a collector.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: Counter,
    refused: Counter,
    failed: Counter,
    missed: Counter,
}

impl SpanCounts {
    /// So many were taken by the collector.
    pub fn exported(&self, spans: u64) {
        self.exported.add(spans);
    }

    /// So many were refused by it for good, and are dropped.
    pub fn refused(&self, spans: u64) {
        self.refused.add(spans);
    }

    /// It could not be reached or was busy; the same spans are sent again.
    pub fn failed(&self) {
        self.failed.add(1);
    }

    /// Notices of runs came too fast, and the store is looked through instead.
    pub fn missed(&self) {
        self.missed.add(1);
    }
}

/// What the engine counts while it runs.
#[derive(Debug, Default)]
pub struct Metrics {
    workflows: Family<OfWorkflow>,
    steps: [Histogram<{ LONG_SECONDS.len() }>; VERBS.len()],
    plugins: Family<OfCalls>,
    models: Family<OfModel>,
    commits: Histogram<{ SHORT_SECONDS.len() }>,
    commits_failed: Counter,
    late: Histogram<{ LONG_SECONDS.len() }>,
    readers: AtomicU64,
    spans: SpanCounts,
}

/// Somebody who reads events as they come, until this is dropped.
#[derive(Debug)]
pub struct Reader(std::sync::Arc<Metrics>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// What is counted of spans on their way to a collector.
    pub const fn spans(&self) -> &SpanCounts {
        &self.spans
    }

    /// Counts somebody who reads events as they come, until what this gives is dropped.
    pub fn reader(self: &std::sync::Arc<Self>) -> Reader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        Reader(std::sync::Arc::clone(self))
    }

    /// A commit came to its end.
    pub(crate) fn committed(&self, took: Duration, went_well: bool) {
        self.commits.record(&SHORT_SECONDS, took);
        self.commits_failed.add(u64::from(!went_well));
    }

    /// Something was due so long ago when its time was served.
    pub(crate) fn served_late(&self, late: pawl_core::Duration) {
        self.late.record(&LONG_SECONDS, Duration::from_millis(late.0));
    }

    /// A plugin was called.
    pub(crate) fn plugin_called(&self, plugin: &str, took: Duration, outcome: Result<(), &Failure>) {
        let of = self.plugins.of(plugin);
        of.ended[end_of(outcome)].add(1);
        of.took.record(&LONG_SECONDS, took);
    }

    /// A model was asked. Its answer says which one answered, and how much it read and wrote; that costs what the
    /// operator says now.
    pub(crate) fn model_asked(
        &self,
        asked: &str,
        took: Duration,
        outcome: Result<&Value, &Failure>,
        price: impl FnOnce(&str) -> Option<Price>,
    ) {
        let answered = outcome.ok().and_then(|answer| answer["profile"].as_str()).unwrap_or(asked);
        let of = self.models.of(answered);
        of.calls.ended[end_of(outcome.map(|_| ()))].add(1);
        of.calls.took.record(&LONG_SECONDS, took);
        let Ok(answer) = outcome else { return };
        let tokens = |which: &str| answer["usage"][which].as_u64().unwrap_or(0);
        let (input, output) = (tokens("input_tokens"), tokens("output_tokens"));
        of.input_tokens.add(input);
        of.output_tokens.add(output);
        of.cost.add(price(answered).map_or(0, |price| price.of(input, output)));
    }
}

/// How a call ended: 0 is well.
fn end_of(outcome: Result<(), &Failure>) -> usize {
    let Err(failure) = outcome else { return 0 };
    FailureKind::ALL.iter().position(|kind| *kind == failure.kind).map_or(0, |place| place + 1)
}

/// The name of how a call ended.
fn name_of_end(end: usize) -> &'static str {
    end.checked_sub(1).and_then(|place| FailureKind::ALL.get(place)).map_or("ok", |kind| kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_of_models_are_counted_with_what_they_cost_for_who_answered() {
        let price = |name: &str| (name == "backup").then_some(Price { input: 2_000_000, output: 10_000_000 });
        let metrics = Metrics::default();
        let answer = json!({ "profile": "backup", "usage": { "input_tokens": 1_000, "output_tokens": 100 } });
        metrics.model_asked("main", Duration::from_millis(7), Ok(&answer), price);
        let failure = Failure::new(FailureKind::Transient, "away");
        metrics.model_asked("main", Duration::from_millis(7), Err(&failure), price);
        let of = metrics.models.of("backup");
        assert_eq!((of.input_tokens.value(), of.output_tokens.value()), (1_000, 100));
        // 0.002 for what it read and 0.001 for what it wrote, in millionths.
        assert_eq!(of.cost.value(), 3_000);
        let text = text::render(&metrics, &gather::Gathered::default());
        assert!(text.contains("pawl_model_calls_total{model=\"main\",outcome=\"transient\"} 1\n"), "{text}");
        assert!(text.contains("pawl_model_cost_total{model=\"backup\"} 0.003\n"), "{text}");
    }

    #[test]
    fn readers_are_counted_while_they_read() {
        let metrics = std::sync::Arc::new(Metrics::default());
        let readers = [metrics.reader(), metrics.reader()];
        assert_eq!(metrics.readers.load(Ordering::Relaxed), 2);
        drop(readers);
        assert_eq!(metrics.readers.load(Ordering::Relaxed), 0);
    }
}
