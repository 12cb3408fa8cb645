//! One try of a visit, carried out: a tool is called, an agent runs.
//!
//! Nothing here decides anything: what came of a try goes to the driver as a
//! message. Dropping the future stops the guest.

mod agent;
mod desk;
mod divergence;
mod group;
mod mcp;
mod memory;
mod rehearsal;
mod stand_in;
mod tool;

pub(crate) use rehearsal::Rehearsing;
pub use stand_in::{AgentPart, AgentWork, Component, StandIn, ToolWork};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pawl_core::call::{CallResponse, LogLevel};
use pawl_core::elicit::ToolAsks;
use pawl_core::event::{LogLine, Work};
use pawl_core::guard::covers;
use pawl_core::plugin::{Mount, Permissions, PluginPins};
use pawl_core::state::{Calls, Dialogue};
use pawl_core::trace::{SpanOf, TraceContext};
use pawl_core::{AnsweredCall, Digest, Failure, FailureKind, Rank, RunId, StepId, Timestamp, VisitId};
use pawl_wire::trace::TraceHeaders;
use serde_json::Value;
use tracing::Instrument as _;

use crate::driver::Context;
use crate::plugins::ReadyPlugin;

/// Everything an attempt needs, copied from the run's state.
#[derive(Debug)]
pub(crate) struct AttemptTask {
    pub(crate) run: RunId,
    pub(crate) visit: VisitId,
    pub(crate) attempt: u32,
    pub(crate) step: StepId,
    pub(crate) work: Arc<Work>,
    pub(crate) grants: Permissions,
    /// Hosts that the workflow grants and the operator does not.
    pub(crate) withheld: Vec<String>,
    /// What else of what the workflow grants is withheld, and by whom.
    pub(crate) bounded: Option<String>,
    /// The folders that its tools have.
    pub(crate) mounts: Arc<Vec<Mount>>,
    pub(crate) pins: Arc<PluginPins>,
    pub(crate) started_at: Timestamp,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) seed: Digest,
    /// The idempotency key of a tool step.
    pub(crate) key: String,
    /// Where it stands among those that wait for an instance.
    pub(crate) rank: Rank,
    /// Whether what it does counts in a budget, so that there must be room for each call before it is made.
    pub(crate) budgeted: bool,
    /// The trace that the run is in, where whoever is asked is told of it.
    pub(crate) trace: Option<TraceContext>,
    /// The calls that an agent made before.
    pub(crate) recorded: Calls,
    /// What tools have asked, and what they were answered, by the agent's call; without one for a tool step.
    pub(crate) dialogues: BTreeMap<Option<u32>, Dialogue>,
    /// The run's memory as it stands.
    pub(crate) memory: BTreeMap<String, Value>,
    /// What stands over the memory that runs share, since the run puts nothing into it: it is a dry rehearsal.
    pub(crate) dry_memory: Option<BTreeMap<String, Value>>,
    /// What answers in place of tools and models, where the run is a rehearsal.
    pub(crate) rehearsing: Option<Arc<Rehearsing>>,
    /// The tools that rules are for, whose calls are told before they are made.
    pub(crate) guarded: Vec<String>,
}

impl AttemptTask {
    /// What is told of the trace by the attempt, or by one of its calls.
    pub(crate) fn trace_at(&self, call: Option<u32>) -> Option<TraceContext> {
        let (visit, attempt) = (self.visit, self.attempt);
        let of = call.map_or(SpanOf::Attempt(visit, attempt), |call| SpanOf::Call(visit, attempt, call));
        self.trace.as_ref().map(|trace| trace.at(of.id(self.run, 0)))
    }

    /// Whether a call of a tool may have to stop at a person.
    pub(crate) fn is_guarded(&self, tool: &str) -> bool {
        self.guarded.iter().any(|pattern| covers(pattern, tool))
    }
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) enum AttemptEnd {
    /// A result or a failure.
    Ended { result: CallResponse, silent: Vec<AnsweredCall>, log: Vec<LogLine> },
    /// Another agent goes on.
    HandedOver { to: String, input: Value, silent: Vec<AnsweredCall> },
    /// The tool asks a person, and is called again with the answer.
    Asks(ToolAsks),
    /// The agent waits; its instance is gone.
    Suspended,
}

/// Carries an attempt out. Whatever is logged meanwhile says of which run and step it is; at the highest level, so
/// that it does so also where little is logged.
pub(crate) async fn carry_out(context: &Arc<Context>, task: AttemptTask) -> AttemptEnd {
    let AttemptTask { run, step, visit, attempt, .. } = &task;
    let span = tracing::error_span!("attempt", %run, %step, %visit, attempt);
    carry_out_in(context, task).instrument(span).await
}

async fn carry_out_in(context: &Arc<Context>, task: AttemptTask) -> AttemptEnd {
    let work = Arc::clone(&task.work);
    let name = match &*work {
        Work::Tool { plugin, .. } => plugin,
        Work::Agent { agent, .. } => agent,
    };
    let pins = Arc::clone(&task.pins);
    let Some(pin) = pins.get(name) else {
        let failure = Failure::new(FailureKind::InvalidInput, format!("the run has no plugin '{name}'"));
        return AttemptEnd::Ended { result: Err(failure), silent: Vec::new(), log: Vec::new() };
    };
    match &*work {
        Work::Tool { tool, arguments, .. } => {
            let call = tool::ToolTry {
                run: task.run,
                step: &task.step,
                visit: task.visit,
                attempt: task.attempt,
                call: None,
                plugin: name,
                pin,
                tool,
                arguments: arguments.clone().into_value(),
                key: task.key.clone(),
                now: task.started_at,
                deadline: task.deadline,
                seed: task.seed,
                grants: &task.grants,
                mounts: &task.mounts,
                rank: task.rank,
                rehearsing: task.rehearsing.as_deref(),
                trace: task.trace_at(None),
                dialogue: task.dialogues.get(&None),
            };
            let (result, log) = match tool::call(context, call).await {
                tool::Called::Answered(result, log) => (result, log),
                tool::Called::Asks(asks) => return AttemptEnd::Asks(asks),
            };
            let result = result.map_err(|failure| explain(failure, &task.withheld));
            let result = result.map_err(|failure| bounded(failure, task.bounded.as_deref()));
            let result = result.map_err(|failure| named(failure, &format!("{name}.{tool}")));
            AttemptEnd::Ended { result, silent: Vec::new(), log }
        }
        Work::Agent { input, .. } => {
            let (input, who, withheld) = (input.clone().into_value(), name.clone(), task.bounded.clone());
            let began = Instant::now();
            let mut end = agent::run(context, task, pin, input).await;
            let outcome = match &end {
                AttemptEnd::Ended { result, .. } => Some(result.as_ref().map(|_| ())),
                AttemptEnd::HandedOver { .. } => Some(Ok(())),
                AttemptEnd::Asks(_) | AttemptEnd::Suspended => None,
            };
            if let Some(outcome) = outcome {
                context.metrics.plugin_called(&who, began.elapsed(), outcome);
            }
            if let AttemptEnd::Ended { result, .. } = &mut end {
                let said = |failure| bounded(named(failure, &who), withheld.as_deref());
                *result = std::mem::replace(result, Ok(Value::Null)).map_err(said);
            }
            end
        }
    }
}

/// Says which plugin it was, where the words of the failure are not the plugin's own.
fn named(failure: Failure, who: &str) -> Failure {
    match failure.kind {
        FailureKind::Trap | FailureKind::Limit | FailureKind::InvalidOutput | FailureKind::Diverged => {
            said_of(failure, who)
        }
        _ => failure,
    }
}

/// The same of a plugin that was not let in: only then the refusal is not in its own words.
fn kept_out(failure: Failure, ready: &ReadyPlugin, grants: &Permissions, who: &str) -> Failure {
    if failure.kind == FailureKind::Denied && !ready.loaded.missing(grants).is_empty() {
        return said_of(failure, who);
    }
    failure
}

fn said_of(failure: Failure, who: &str) -> Failure {
    // A rehearsal is given failures that say it already.
    if failure.message.strip_prefix(who).is_some_and(|rest| rest.starts_with(": ")) {
        return failure;
    }
    Failure { message: format!("{who}: {}", failure.message), ..failure }
}

/// What others are told of the trace that they are asked in.
fn trace_headers(trace: &TraceContext) -> TraceHeaders {
    TraceHeaders { parent: trace.traceparent(), state: trace.state.clone() }
}

/// A line of a log, for whoever watches this process: of which run and step it is, the attempt around it says.
fn trace(level: LogLevel, message: &str) {
    match level {
        LogLevel::Debug => tracing::debug!("{message}"),
        LogLevel::Info => tracing::info!("{message}"),
        LogLevel::Warn => tracing::warn!("{message}"),
        LogLevel::Error => tracing::error!("{message}"),
    }
}

/// Says what is withheld of what the workflow grants: its author cannot see it there.
fn bounded(failure: Failure, withheld: Option<&str>) -> Failure {
    match withheld {
        Some(withheld) if failure.kind == FailureKind::Denied => {
            let message =
                format!("{}; the workflow grants what is withheld here, {withheld}", failure.message);
            Failure { message, ..failure }
        }
        _ => failure,
    }
}

/// Says who withheld the network: the workflow grants it, so its author can do no more.
fn explain(failure: Failure, withheld: &[String]) -> Failure {
    if failure.kind != FailureKind::Denied || withheld.is_empty() {
        return failure;
    }
    let (hosts, flags) = (withheld.join(", "), withheld.join(" --allow-http "));
    let message = format!(
        "{}; the workflow grants {hosts}, but the operator did not allow it: start the run with --allow-http {flags}",
        failure.message
    );
    Failure { message, ..failure }
}
