//! The numbers as Prometheus reads them.

use std::fmt::{Display, Write as _};

use pawl_store::TRANSACTION_SIZES;

use super::gather::Gathered;
use super::histogram::{Histogram, LONG_SECONDS, SHORT_SECONDS};
use super::{ENDS, Metrics, OUTCOMES, OfCalls, VERBS, name_of_end};

/// All numbers, in the text format of Prometheus (version 0.0.4).
pub(super) fn render(metrics: &Metrics, gathered: &Gathered) -> String {
    let mut text = Text(String::with_capacity(16 << 10));
    runs(&mut text, metrics, gathered);
    steps(&mut text, metrics);
    queues(&mut text, metrics, gathered);
    calls(&mut text, metrics);
    models(&mut text, metrics);
    store(&mut text, metrics, gathered);
    spans(&mut text, metrics);
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let mark = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{mark}{label}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// One number with its head.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    fn histogram<const N: usize>(
        &mut self,
        (name, labels): (&str, &[(&str, &str)]),
        bounds: &[f64; N],
        histogram: &Histogram<N>,
    ) {
        let (buckets, count, micros) = histogram.read();
        self.buckets((name, labels), bounds, &buckets, count, seconds(micros, 1_000_000));
    }

    fn buckets(
        &mut self,
        (name, labels): (&str, &[(&str, &str)]),
        bounds: &[impl Display],
        up_to: &[u64],
        count: u64,
        sum: impl Display,
    ) {
        let bucket = format!("{name}_bucket");
        for (end, up_to) in bounds.iter().zip(up_to) {
            let end = end.to_string();
            self.line(&bucket, &[labels, &[("le", end.as_str())]].concat(), up_to);
        }
        self.line(&bucket, &[labels, &[("le", "+Inf")]].concat(), count);
        self.line(&format!("{name}_sum"), labels, sum);
        self.line(&format!("{name}_count"), labels, count);
    }
}

/// A label's value as it stands between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// So many parts of a whole, exact as long as that is.
fn seconds(parts: u64, whole: u64) -> String {
    let digits = whole.ilog10() as usize;
    let text = format!("{}.{:0digits$}", parts / whole, parts % whole);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn runs(text: &mut Text, metrics: &Metrics, gathered: &Gathered) {
    let workflows = metrics.workflows.all();
    text.head("pawl_runs_started_total", "counter", "Runs that were started, by workflow.");
    for (name, of) in workflows.iter().filter(|(_, of)| of.started.value() > 0) {
        text.line("pawl_runs_started_total", &[("workflow", name)], of.started.value());
    }
    text.head("pawl_runs_ended_total", "counter", "Runs that ended, by workflow and how.");
    for (name, of) in &workflows {
        for (status, ended) in ENDS.iter().zip(&of.ended).filter(|(_, ended)| ended.value() > 0) {
            text.line("pawl_runs_ended_total", &[("workflow", name), ("status", status)], ended.value());
        }
    }
    text.head("pawl_runs", "gauge", "Runs that are not over, by status.");
    for (status, runs) in &gathered.runs {
        text.line("pawl_runs", &[("status", status)], runs);
    }
    text.one("pawl_runs_in_memory", "gauge", "Runs that this process has in hand.", gathered.in_memory);
}

fn steps(text: &mut Text, metrics: &Metrics) {
    text.head("pawl_steps_total", "counter", "Steps that were done, by workflow, verb and outcome.");
    for (name, of) in metrics.workflows.all() {
        for (verb, outcomes) in VERBS.iter().zip(&of.steps) {
            for (outcome, steps) in OUTCOMES.iter().zip(outcomes).filter(|(_, steps)| steps.value() > 0) {
                let labels = [("workflow", name), ("verb", verb), ("outcome", outcome)];
                text.line("pawl_steps_total", &labels, steps.value());
            }
        }
    }
    let name = "pawl_step_duration_seconds";
    text.head(name, "histogram", "From a step's beginning to its end, with what it waited for.");
    for (verb, took) in VERBS.iter().zip(&metrics.steps).filter(|(_, took)| took.read().1 > 0) {
        text.histogram((name, &[("verb", verb)]), &LONG_SECONDS, took);
    }
}

fn queues(text: &mut Text, metrics: &Metrics, gathered: &Gathered) {
    let gauges: [(&str, &str, String); 7] = [
        ("pawl_slots_waiting", "Runs and steps that wait for a slot.", gathered.queued.0.to_string()),
        (
            "pawl_slot_wait_oldest_seconds",
            "How long the first of them has waited.",
            seconds(gathered.queued.1, 1_000),
        ),
        (
            "pawl_commands_unanswered",
            "Commands that were accepted and are not answered yet.",
            gathered.commands.to_string(),
        ),
        ("pawl_approvals_open", "Approvals that wait for a person.", gathered.approvals.0.to_string()),
        (
            "pawl_approval_oldest_seconds",
            "How long the oldest open approval has waited.",
            seconds(gathered.approvals.1, 1_000),
        ),
        (
            "pawl_timers_overdue_seconds",
            "For how long the earliest timer has been due.",
            seconds(gathered.overdue_ms, 1_000),
        ),
        (
            "pawl_event_readers",
            "Who reads events as they come.",
            metrics.readers.load(std::sync::atomic::Ordering::Relaxed).to_string(),
        ),
    ];
    for (name, help, value) in gauges {
        text.one(name, "gauge", help, value);
    }
    let name = "pawl_timer_lateness_seconds";
    text.head(name, "histogram", "How much later than due timers were served.");
    text.histogram((name, &[]), &LONG_SECONDS, &metrics.late);
}

fn ends(text: &mut Text, name: &str, who: (&str, &str), of: &OfCalls) {
    for (end, calls) in of.ended.iter().enumerate().filter(|(_, calls)| calls.value() > 0) {
        text.line(name, &[who, ("outcome", name_of_end(end))], calls.value());
    }
}

fn calls(text: &mut Text, metrics: &Metrics) {
    let plugins = metrics.plugins.all();
    let name = "pawl_plugin_calls_total";
    text.head(name, "counter", "Calls of tools and attempts of agents, by plugin and outcome.");
    for (plugin, of) in &plugins {
        ends(text, name, ("plugin", plugin), of);
    }
    let name = "pawl_plugin_call_duration_seconds";
    text.head(name, "histogram", "How long these took.");
    for (plugin, of) in plugins.iter().filter(|(_, of)| of.took.read().1 > 0) {
        text.histogram((name, &[("plugin", plugin)]), &LONG_SECONDS, &of.took);
    }
}

fn models(text: &mut Text, metrics: &Metrics) {
    let models = metrics.models.all();
    let name = "pawl_model_calls_total";
    text.head(name, "counter", "Questions to models, by the operator's name of the model and outcome.");
    for (model, of) in &models {
        ends(text, name, ("model", model), &of.calls);
    }
    let asked = || models.iter().filter(|(_, of)| of.calls.took.read().1 > 0);
    let name = "pawl_model_call_duration_seconds";
    text.head(name, "histogram", "How long these took, with retries.");
    for (model, of) in asked() {
        text.histogram((name, &[("model", model)]), &LONG_SECONDS, &of.calls.took);
    }
    let name = "pawl_model_tokens_total";
    text.head(name, "counter", "Tokens that models read (input) and wrote (output).");
    for (model, of) in asked() {
        text.line(name, &[("model", model), ("direction", "input")], of.input_tokens.value());
        text.line(name, &[("model", model), ("direction", "output")], of.output_tokens.value());
    }
    let name = "pawl_model_cost_total";
    text.head(name, "counter", "What that cost, in the money of the operator's prices.");
    for (model, of) in asked().filter(|(_, of)| of.cost.value() > 0) {
        text.line(name, &[("model", model)], seconds(of.cost.value(), 1_000_000));
    }
}

fn store(text: &mut Text, metrics: &Metrics, gathered: &Gathered) {
    text.one("pawl_store_bytes", "gauge", "Bytes of the store on disk.", gathered.store_bytes);
    let name = "pawl_commit_duration_seconds";
    text.head(name, "histogram", "From handing a commit to the store until it is durable.");
    text.histogram((name, &[]), &SHORT_SECONDS, &metrics.commits);
    let help = "Commits that the store did not take.";
    text.one("pawl_commits_failed_total", "counter", help, metrics.commits_failed.value());
    let name = "pawl_transaction_commits";
    text.head(name, "histogram", "Commits that shared one durable transaction.");
    let commits = gathered.commits;
    let mut up_to = 0;
    let sizes = commits.sizes.map(|size| {
        up_to += size;
        up_to
    });
    let count = commits.transactions.max(up_to);
    text.buckets((name, &[]), &TRANSACTION_SIZES, &sizes, count, commits.commits);
}

fn spans(text: &mut Text, metrics: &Metrics) {
    let spans = &metrics.spans;
    let counters = [
        ("pawl_spans_exported_total", "Spans that the collector took.", &spans.exported),
        ("pawl_spans_refused_total", "Spans that the collector refused, and that are lost.", &spans.refused),
        ("pawl_span_exports_failed_total", "Times that the collector could not be reached.", &spans.failed),
        (
            "pawl_span_notices_missed_total",
            "Times that runs changed faster than they were followed; the store is looked through then.",
            &spans.missed,
        ),
    ];
    for (name, help, counter) in counters {
        text.one(name, "counter", help, counter.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_numbers_are_written_as_prometheus_reads_them() {
        let mut text = Text(String::new());
        text.line("a", &[("x", "q\"\\\n"), ("y", "z")], 1);
        assert_eq!(text.0, "a{x=\"q\\\"\\\\\\n\",y=\"z\"} 1\n");
        for (parts, whole, shown) in
            [(0, 1_000, "0"), (1_500, 1_000, "1.5"), (7, 1_000_000, "0.000007"), (90_000, 1_000, "90")]
        {
            assert_eq!(seconds(parts, whole), shown);
        }
    }
}
