//! An agent's attempt: recorded calls are replayed, new ones are journaled.
//!
//! The instance never learns which of its calls are replayed. A replayed call
//! is compared by digest and answered here, without a message; the first that
//! was not recorded goes to the driver, and is answered after it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use pawl_core::call::{CallRequest, CallResponse, LogLevel};
use pawl_core::definition::Schema;
use pawl_core::event::{Event, Work};
use pawl_core::plugin::{EffectClass, PluginPin};
use pawl_core::state::{CallProgress, CallState};
use pawl_core::{AnsweredCall, Command, Digest, Failure, FailureKind, RunId, Timestamp, VisitId, json_bytes};
use pawl_sandbox::{AgentEnd, AgentHost, AgentTask, CallReply};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::memory::Memory;
use super::tool::{self, ToolTry, fits, unusable};
use super::{AgentWork, AttemptEnd, AttemptTask};
use crate::driver::{Acknowledged, Context};
use crate::journal;
use crate::plugins::{AGENT_SCHEMAS, limits_of};

/// How much of a request an error shows.
const SHOWN_MAX_BYTES: usize = 4 * 1024;

/// Runs an agent from the top.
pub(super) async fn run(
    context: &Arc<Context>,
    task: AttemptTask,
    pin: &PluginPin,
    input: Value,
) -> AttemptEnd {
    let failed = |failure| AttemptEnd::Ended { result: Err(failure), silent: Vec::new(), log: Vec::new() };
    let ready = match context.catalog.pinned(context.store.as_ref(), task.run, pin.component).await {
        Ok(ready) => ready,
        Err(error) => return failed(unusable(&error)),
    };
    let schemas = ready.schemas.get(AGENT_SCHEMAS);
    if let Some((accepts, _)) = schemas
        && let Err(failure) = fits(accepts, &input, FailureKind::InvalidInput, "the input does not fit")
    {
        return failed(failure);
    }
    if let Some(result) = stood_in(context, &task, &input).await {
        let result = result.and_then(|value| given(schemas, value));
        return AttemptEnd::Ended { result, silent: Vec::new(), log: Vec::new() };
    }
    let request = AgentTask {
        input,
        run: task.run.to_string(),
        step: task.step.to_string(),
        attempt: task.attempt,
        now: task.started_at,
        seed: *task.seed.as_bytes(),
        grants: task.grants.clone(),
        limits: limits_of(pin, &context.config.limits),
    };
    let silent = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::new(AtomicU32::new(0));
    let (run, visit, recorded) = (task.run, task.visit, task.recorded.len());
    let host = Host {
        context: Arc::clone(context),
        memory: Memory::new(task.memory.clone()),
        silent_bytes: 0,
        recorded_bytes: 0,
        now: task.started_at,
        task,
        made: 0,
        calls: Arc::clone(&calls),
        silent: Arc::clone(&silent),
    };
    let end = context.catalog.sandbox().run_agent(&ready.loaded, request, Box::new(host)).await;
    let result = match end {
        AgentEnd::Suspended => return AttemptEnd::Suspended,
        // Only what the agent itself came to: a limit, or a call that could not be recorded, says
        // nothing about what its code would have gone on to do.
        AgentEnd::Completed(_) | AgentEnd::GaveUp(_) | AgentEnd::Handoff { .. }
            if (calls.load(Ordering::Relaxed) as usize) < recorded =>
        {
            Err(ended_early(context, run, visit, calls.load(Ordering::Relaxed)).await)
        }
        AgentEnd::Completed(value) => given(schemas, value),
        AgentEnd::GaveUp(failure) | AgentEnd::Failed(failure) => Err(failure),
        AgentEnd::Handoff { agent, .. } => Err(Failure::new(
            FailureKind::Denied,
            format!("the agent hands off to '{agent}', and this version has no handoff; call a step instead"),
        )),
    };
    let silent = std::mem::take(&mut *silent.lock().await);
    AttemptEnd::Ended { result, silent, log: Vec::new() }
}

/// An agent's result, if its own description has such.
fn given(schemas: Option<&(Schema, Schema)>, value: Value) -> CallResponse {
    let excluded = "the agent's result is not what its own description says";
    let fitting =
        schemas.map_or(Ok(()), |(_, gives)| fits(gives, &value, FailureKind::InvalidOutput, excluded));
    fitting.map(|()| value)
}

/// What a test gives in the agent's place.
async fn stood_in(context: &Context, task: &AttemptTask, input: &Value) -> Option<CallResponse> {
    let stand_in = context.config.stand_in.as_ref()?;
    let Work::Agent { agent, .. } = &*task.work else { return None };
    let AttemptTask { run, step, visit, attempt, .. } = task;
    let work = AgentWork { run: *run, step, visit: *visit, attempt: *attempt, plugin: agent, input };
    stand_in.agent(work).await
}

/// The host side of one agent's attempt.
#[derive(Debug)]
struct Host {
    context: Arc<Context>,
    task: AttemptTask,
    memory: Memory,
    /// What the agent's clock shows.
    now: Timestamp,
    /// How many calls it has made.
    made: u32,
    /// The same, for whoever looks at the agent's end.
    calls: Arc<AtomicU32>,
    /// Answered at once, not recorded yet.
    silent: Arc<Mutex<Vec<AnsweredCall>>>,
    /// How much they hold, as JSON.
    silent_bytes: usize,
    /// How much all calls and their answers hold, those that are replayed among them, so that a
    /// replay comes to the same sum.
    recorded_bytes: usize,
}

#[async_trait]
impl AgentHost for Host {
    async fn call(&mut self, request: CallRequest) -> CallReply {
        self.made += 1;
        self.calls.store(self.made, Ordering::Relaxed);
        let recorded = self.task.recorded.get(self.made as usize - 1).cloned();
        if let Err(failure) = self.count_recorded(&request) {
            return CallReply::Abort(failure);
        }
        let reply = match recorded {
            Some(state) if state.digest != request.digest() => {
                CallReply::Abort(self.diverged(&request, &state).await)
            }
            Some(CallState { progress: CallProgress::Answered { response, at }, .. }) => {
                self.replay(&request, &response, at)
            }
            Some(CallState { progress: CallProgress::Cleared(_), .. }) | None => {
                self.make(request).await.unwrap_or_else(CallReply::Abort)
            }
            Some(_) => CallReply::Suspend,
        };
        if let CallReply::Answer { response, .. } = &reply {
            self.recorded_bytes += response_bytes(response);
        }
        reply
    }
}

impl Host {
    fn replay(&mut self, request: &CallRequest, response: &CallResponse, at: Option<Timestamp>) -> CallReply {
        if let (CallRequest::MemoryPut { key, value }, Ok(_)) = (request, response) {
            self.memory.put(key, value);
        }
        self.now = at.unwrap_or(self.now);
        CallReply::Answer { response: response.clone(), now: self.now }
    }

    /// Makes a call that was not made before.
    async fn make(&mut self, request: CallRequest) -> Result<CallReply, Failure> {
        match &request {
            CallRequest::Tool { name, .. } => {
                let name = name.clone();
                self.call_tool(request, &name).await
            }
            CallRequest::Human(_) | CallRequest::Sleep { .. } => {
                self.begin(&request).await?;
                Ok(CallReply::Suspend)
            }
            CallRequest::ToolList
            | CallRequest::MemoryGet { .. }
            | CallRequest::MemoryPut { .. }
            | CallRequest::Log { .. }
            | CallRequest::Denied { .. } => {
                let response = self.answer_at_once(&request);
                self.count_silent(&request, &response)?;
                let answered = AnsweredCall { call: self.made, request, response: response.clone() };
                self.silent.lock().await.push(answered);
                Ok(CallReply::Answer { response, now: self.now })
            }
        }
    }

    fn answer_at_once(&mut self, request: &CallRequest) -> CallResponse {
        match request {
            CallRequest::ToolList => Ok(self.tools()),
            CallRequest::MemoryGet { key } => Ok(self.memory.get(key)),
            CallRequest::MemoryPut { key, value } => {
                let max = self.context.config.run_memory_max_bytes;
                self.memory.put_within(key, value, max).map(|()| Value::Null)
            }
            CallRequest::Log { level, message } => {
                let (run, step) = (self.task.run, &self.task.step);
                match level {
                    LogLevel::Debug => tracing::debug!(%run, %step, "{message}"),
                    LogLevel::Info => tracing::info!(%run, %step, "{message}"),
                    LogLevel::Warn => tracing::warn!(%run, %step, "{message}"),
                    LogLevel::Error => tracing::error!(%run, %step, "{message}"),
                }
                Ok(Value::Null)
            }
            CallRequest::Tool { .. } | CallRequest::Human(_) | CallRequest::Sleep { .. } => Ok(Value::Null),
            CallRequest::Denied { capability, .. } => Err(Failure::new(
                FailureKind::Denied,
                format!("{capability} is not part of this version of pawl"),
            )),
        }
    }

    /// Bounds what is recorded of the attempt: checked where a call begins, so that what a tool has
    /// done is recorded, whatever it answers.
    fn count_recorded(&mut self, request: &CallRequest) -> Result<(), Failure> {
        self.recorded_bytes += json_bytes(request);
        let max = self.context.config.recorded_calls_max_bytes;
        if self.recorded_bytes <= max {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Limit,
            format!(
                "the agent went beyond recorded_calls_max_bytes ({max}): its calls and their answers hold \
                 too much together; let it ask for less, or share the work among several steps"
            ),
        ))
    }

    /// Bounds what waits to be recorded.
    fn count_silent(&mut self, request: &CallRequest, response: &CallResponse) -> Result<(), Failure> {
        self.silent_bytes += json_bytes(request) + response_bytes(response);
        let max = self.context.config.silent_calls_max_bytes;
        if self.silent_bytes <= max {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Limit,
            format!(
                "the agent went beyond silent_calls_max_bytes ({max}): it reads memory or writes log \
                 too much between two calls that are recorded"
            ),
        ))
    }

    /// The tools that were granted, as `tools.list` gives them.
    fn tools(&self) -> Value {
        let granted = self.task.pins.iter().flat_map(|(plugin, pin)| {
            let tools = match &pin.description {
                pawl_core::plugin::Description::Tools(tools) => tools.as_slice(),
                pawl_core::plugin::Description::Agent(_) => &[],
            };
            tools.iter().map(move |tool| (format!("{plugin}.{}", tool.name), tool))
        });
        granted
            .filter(|(name, _)| self.task.grants.allows_tool(name))
            .map(|(name, tool)| {
                json!({
                    "name": name,
                    "summary": tool.summary,
                    "input_schema": tool.input_schema,
                    "output_schema": tool.output_schema,
                    "effect": tool.effect,
                })
            })
            .collect()
    }

    async fn call_tool(&mut self, request: CallRequest, name: &str) -> Result<CallReply, Failure> {
        let found = name.split_once('.').and_then(|(plugin, tool)| {
            let pin = self.task.pins.get(plugin)?;
            Some((pin.clone(), pin.description.tool(tool)?.effect, tool.to_owned()))
        });
        let response = match (self.task.grants.allows_tool(name), found) {
            (false, _) => Err(Failure::new(
                FailureKind::Denied,
                format!("step '{}' may not call {name}; add it to `permissions: tools`", self.task.step),
            )),
            (true, None) => Err(Failure::new(
                FailureKind::InvalidInput,
                format!("there is no tool {name}; `tools.list` gives those there are"),
            )),
            (true, Some((pin, effect, tool))) => {
                if effect == EffectClass::AtMostOnce {
                    self.begin(&request).await?;
                }
                self.try_tool(&pin, &tool, &request).await
            }
        };
        let acknowledged = self.end(request, response.clone()).await?;
        if acknowledged.parked {
            return Ok(CallReply::Suspend);
        }
        self.now = acknowledged.at;
        Ok(CallReply::Answer { response, now: self.now })
    }

    async fn try_tool(&self, pin: &PluginPin, tool: &str, request: &CallRequest) -> CallResponse {
        let CallRequest::Tool { name, arguments } = request else { return Ok(Value::Null) };
        let task = &self.task;
        let key = format!("{}/{}/{}/{}", task.run, task.visit, task.attempt, self.made);
        // A tool below an agent gets the network of its step, and nothing that only agents have.
        let grants = pawl_core::plugin::Permissions { http: task.grants.http.clone(), ..Default::default() };
        let call = ToolTry {
            run: task.run,
            step: &task.step,
            visit: task.visit,
            attempt: task.attempt,
            call: Some(self.made),
            plugin: name.split_once('.').map_or("", |(plugin, _)| plugin),
            pin,
            tool,
            arguments: arguments.clone(),
            key,
            now: self.now,
            deadline: task.deadline,
            seed: Digest::of_parts(&[task.seed.as_bytes(), &self.made.to_be_bytes()]),
            grants: &grants,
        };
        let (result, log) = tool::call(&self.context, call).await;
        for line in log {
            tracing::info!(run = %task.run, step = %task.step, tool, "{}", line.message);
        }
        result
    }

    async fn begin(&mut self, request: &CallRequest) -> Result<Acknowledged, Failure> {
        let command = Command::BeginCall {
            visit: self.task.visit,
            attempt: self.task.attempt,
            call: self.made,
            request: request.clone(),
            silent: self.take_silent().await,
        };
        self.ask_driver(command).await
    }

    async fn end(&mut self, request: CallRequest, response: CallResponse) -> Result<Acknowledged, Failure> {
        let command = Command::EndCall {
            visit: self.task.visit,
            attempt: self.task.attempt,
            call: self.made,
            request,
            response,
            silent: self.take_silent().await,
        };
        self.ask_driver(command).await
    }

    async fn take_silent(&mut self) -> Vec<AnsweredCall> {
        self.silent_bytes = 0;
        std::mem::take(&mut *self.silent.lock().await)
    }

    async fn ask_driver(&self, command: Command) -> Result<Acknowledged, Failure> {
        self.context.mailbox.call(self.task.run, command).await.map_err(|error| {
            Failure::new(FailureKind::Cancelled, format!("the call was not recorded: {error}"))
        })
    }

    /// The error of a replay that asks for something else; shows both requests.
    async fn diverged(&self, request: &CallRequest, recorded: &CallState) -> Failure {
        let (run, visit) = (self.task.run, self.task.visit);
        let before = recorded_request(&self.context, run, visit, self.made).await;
        let before = before.unwrap_or_else(|| format!("a request with digest {}", recorded.digest));
        Failure::new(
            FailureKind::Diverged,
            format!(
                "call {} of the agent differs from the journal: recorded {before}, now {}; \
                 the agent's code must be deterministic between its calls",
                self.made,
                shown(request.to_json().to_string())
            ),
        )
    }
}

fn response_bytes(response: &CallResponse) -> usize {
    match response {
        Ok(value) => json_bytes(value),
        Err(failure) => failure.message.len() + failure.details.as_ref().map_or(0, json_bytes),
    }
}

/// A request as errors show it: they are for people, and stand in the journal.
fn shown(mut request: String) -> String {
    if request.len() > SHOWN_MAX_BYTES {
        request.truncate(request.floor_char_boundary(SHOWN_MAX_BYTES));
        request.push_str(" […]");
    }
    request
}

/// The error of a replay that asks for less.
async fn ended_early(context: &Context, run: RunId, visit: VisitId, made: u32) -> Failure {
    let left = recorded_request(context, run, visit, made.saturating_add(1)).await;
    Failure::new(
        FailureKind::Diverged,
        format!(
            "the agent ended after call {made}, and the journal goes on: recorded {}, now nothing; \
             the agent's code must be deterministic between its calls",
            left.unwrap_or_else(|| "another call".to_owned())
        ),
    )
}

/// The request of a recorded call, as errors show it.
async fn recorded_request(context: &Context, run: RunId, visit: VisitId, call: u32) -> Option<String> {
    let (this_visit, this_call) = (visit, call);
    let history = journal::read(context.store.as_ref(), run).await.ok()?;
    let request = history.envelopes.into_iter().rev().find_map(|envelope| match envelope.event {
        Event::CallStarted { visit, call, request, .. }
        | Event::CallCompleted { visit, call, request: Some(request), .. }
            if visit == this_visit && call == this_call =>
        {
            Some(request)
        }
        _ => None,
    });
    Some(shown(request?.to_json().to_string()))
}
