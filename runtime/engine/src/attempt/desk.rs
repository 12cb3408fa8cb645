//! Where an agent's calls are carried out and recorded: shared by those that are made together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::chat::ChatRequest;
use pawl_core::elicit::ToolAsks;
use pawl_core::plugin::{Description, EffectClass, Permissions, PluginPin, split_tool};
use pawl_core::{
    AnsweredCall, AskedByTool, CallPlace, Command, Digest, Failure, FailureKind, Refusal, Timestamp,
    json_bytes, value_bytes,
};
use pawl_wire::trace::within;
use serde_json::{Value, json};

use super::tool::{self, Called, ToolTry};
use super::{AttemptTask, named, trace, trace_headers};
use crate::EngineError;
use crate::driver::{Acknowledged, Context};

/// What came of a call.
#[derive(Debug)]
pub(super) enum Told {
    /// Its answer, which is durable, and what the agent's clock shows from then on.
    Answer(CallResponse, Timestamp),
    /// Somebody else must act before the agent goes on.
    Wait,
}

/// One agent's attempt, as its calls see it.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) context: Arc<Context>,
    pub(super) task: AttemptTask,
    silent: Mutex<Silent>,
}

/// Calls that were answered at once and are not recorded yet.
#[derive(Debug, Default)]
struct Silent {
    calls: Vec<AnsweredCall>,
    /// How much they hold, as JSON.
    bytes: usize,
}

impl Desk {
    pub(super) fn new(context: Arc<Context>, task: AttemptTask) -> Self {
        Self { context, task, silent: Mutex::default() }
    }

    /// A call, and the first of those that are made together with it.
    pub(super) fn place(&self, call: u32, first: u32) -> CallPlace {
        CallPlace { visit: self.task.visit, attempt: self.task.attempt, call, first }
    }

    /// Keeps a call until the next one that is recorded.
    pub(super) fn keep_silent(&self, answered: AnsweredCall) -> Result<(), Failure> {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.bytes += json_bytes(&answered.request) + response_bytes(answered.response.as_ref());
        silent.calls.push(answered);
        let max = self.context.config.silent_calls_max_bytes;
        if silent.bytes <= max {
            return Ok(());
        }
        silent.calls.pop();
        Err(Failure::new(
            FailureKind::Limit,
            format!(
                "the agent went beyond silent_calls_max_bytes ({max}): it reads memory or writes log \
                 too much between two calls that are recorded"
            ),
        ))
    }

    pub(super) fn take_silent(&self) -> Vec<AnsweredCall> {
        let silent = &mut *self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(silent).calls
    }

    /// Bounds what is recorded of the attempt.
    pub(super) fn check_recorded(&self, bytes: usize) -> Result<(), Failure> {
        let max = self.context.config.recorded_calls_max_bytes;
        if bytes <= max {
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

    /// The tools that were granted, as `tools.list` gives them.
    pub(super) fn tools(&self) -> Value {
        let granted = self.task.pins.iter().flat_map(|(plugin, pin)| {
            let tools = match &pin.description {
                Description::Tools(tools) => tools.as_slice(),
                Description::Agent(_) => &[],
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

    /// The agents that were granted, as `agents.list` gives them.
    pub(super) fn agents(&self) -> Value {
        let granted = self.task.pins.iter().filter(|(name, _)| self.task.grants.agents.contains(*name));
        let described = granted.filter_map(|(name, pin)| match &pin.description {
            Description::Agent(agent) => Some(json!({
                "name": name,
                "summary": agent.summary,
                "capabilities": agent.capabilities,
                "input_schema": agent.input_schema,
                "output_schema": agent.output_schema,
            })),
            Description::Tools(_) => None,
        });
        described.collect()
    }

    /// Calls a tool and records its answer.
    pub(super) async fn call_tool(
        self: Arc<Self>,
        at: CallPlace,
        request: CallRequest,
        now: Timestamp,
    ) -> Result<Told, Failure> {
        let CallRequest::Tool { name, arguments } = &request else { return Ok(Told::Wait) };
        let found = split_tool(name).and_then(|(plugin, tool)| {
            let pin = self.task.pins.get(plugin)?;
            Some((pin, pin.description.tool(tool)?.effect, (plugin, tool)))
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
                let is_told =
                    effect == EffectClass::AtMostOnce || self.task.budgeted || self.task.is_guarded(name);
                if is_told && !self.begin(at, &request).await? {
                    return Ok(Told::Wait);
                }
                match self.try_tool(pin, tool, arguments.clone(), at.call, now).await {
                    Called::Answered(response, _) => response,
                    Called::Asks(asks) => return self.ask_for_tool(at, request, asks).await,
                }
            }
        };
        self.record(at, request, response).await
    }

    /// Records a call that was made, with its answer.
    async fn record(
        &self,
        at: CallPlace,
        request: CallRequest,
        response: CallResponse,
    ) -> Result<Told, Failure> {
        let acknowledged = self.end(at, request, response.clone()).await?;
        if acknowledged.parked {
            return Ok(Told::Wait);
        }
        Ok(Told::Answer(response, acknowledged.at))
    }

    /// Records that a call asks a person before it goes on: the agent is put away until they have answered.
    async fn ask_for_tool(
        &self,
        at: CallPlace,
        request: CallRequest,
        asks: ToolAsks,
    ) -> Result<Told, Failure> {
        let CallPlace { visit, attempt, .. } = at;
        let call = Some((at, request));
        let asked = self
            .tell(|silent| Command::AskForTool(Box::new(AskedByTool { visit, attempt, call, asks, silent })));
        asked.await.map_err(|error| not_recorded(&error))?;
        Ok(Told::Wait)
    }

    /// Asks a model and records its answer. A question that was under way at a crash is asked again.
    pub(super) async fn call_model(&self, at: CallPlace, request: CallRequest) -> Result<Told, Failure> {
        let CallRequest::Model { profile, request: asked } = &request else { return Ok(Told::Wait) };
        let response = if self.task.grants.models.contains(profile) {
            if let Some(answer) = self.rehearsed(at.call, &request).await {
                answer
            } else {
                if self.task.budgeted && !self.begin(at, &request).await? {
                    return Ok(Told::Wait);
                }
                self.ask_model(at.call, profile, asked).await
            }
        } else {
            Err(Failure::new(
                FailureKind::Denied,
                format!(
                    "step '{}' may not ask the model '{profile}'; add it to `permissions: models`",
                    self.task.step
                ),
            ))
        };
        self.record(at, request, response).await
    }

    /// Records that a person may not be asked.
    pub(super) async fn deny_question(&self, at: CallPlace, request: CallRequest) -> Result<Told, Failure> {
        let message =
            format!("step '{}' may not ask people; add `human: true` to `permissions`", self.task.step);
        self.record(at, request, Err(Failure::new(FailureKind::Denied, message))).await
    }

    /// What a model said before, where the run is a rehearsal and no other model is to be asked.
    async fn rehearsed(&self, call: u32, request: &CallRequest) -> Option<CallResponse> {
        let rehearsing =
            self.task.rehearsing.as_ref().filter(|rehearsing| rehearsing.what.model.is_none())?;
        let place = (self.task.visit, self.task.attempt, Some(call));
        let answer = rehearsing.answer(self.context.store.as_ref(), place, request).await;
        answer.unwrap_or_else(|failure| Some(Err(failure)))
    }

    async fn ask_model(&self, call: u32, profile: &str, asked: &Value) -> CallResponse {
        let other = self.task.rehearsing.as_ref().and_then(|rehearsing| rehearsing.what.model.as_deref());
        let profile = other.unwrap_or(profile);
        // The sandbox checked it before; what plays an agent in a test is checked here.
        let asked = ChatRequest::read(asked)
            .map_err(|wrong| Failure::new(FailureKind::InvalidInput, format!("models.chat: {wrong}")))?;
        let Some(models) = self.context.standing.now().models.clone() else {
            let message = format!("there is no model '{profile}': this pawl was given none");
            return Err(Failure::new(FailureKind::InvalidInput, message));
        };
        let (key, task) = (self.key(call), &self.task);
        let listener = self.context.progress.listener(task.run, &task.step, (task.visit, call));
        let asking = async {
            match &listener {
                Some(listener) => models.chat_aloud(&key, profile, asked, listener).await,
                None => models.chat(&key, profile, asked).await,
            }
        };
        let began = Instant::now();
        let answer = within(task.trace_at(Some(call)).as_ref().map(trace_headers), asking).await;
        let price = |name: &str| models.prices().get(name).copied();
        self.context.metrics.model_asked(profile, began.elapsed(), answer.as_ref(), price);
        let answer = answer?;
        let (bytes, max) = (value_bytes(&answer) as u64, self.context.config.limits.payload_max_bytes);
        if bytes > max {
            let message = format!(
                "the answer of model '{profile}' has {bytes} bytes as JSON; payload_max_bytes is {max}"
            );
            return Err(Failure::new(FailureKind::InvalidOutput, message));
        }
        Ok(answer)
    }

    async fn try_tool(
        &self,
        pin: &PluginPin,
        (plugin, tool): (&str, &str),
        arguments: Value,
        call: u32,
        now: Timestamp,
    ) -> Called {
        let task = &self.task;
        // A tool below an agent gets the network, secrets and folders of its step, and nothing that only agents have.
        let (http, secrets) = (task.grants.http.clone(), task.grants.secrets.clone());
        let grants = Permissions { http, secrets, ..Permissions::default() };
        let call = ToolTry {
            run: task.run,
            step: &task.step,
            visit: task.visit,
            attempt: task.attempt,
            call: Some(call),
            plugin,
            pin,
            tool,
            arguments,
            key: self.key(call),
            now,
            deadline: task.deadline,
            seed: Digest::of_parts(&[task.seed.as_bytes(), &call.to_be_bytes()]),
            grants: &grants,
            mounts: &task.mounts,
            rank: task.rank,
            rehearsing: task.rehearsing.as_deref(),
            trace: task.trace_at(Some(call)),
            dialogue: task.dialogues.get(&Some(call)),
        };
        match tool::call(&self.context, call).await {
            Called::Answered(result, log) => {
                for line in log {
                    trace(line.level, &format!("{plugin}.{tool}: {}", line.message));
                }
                let result = result.map_err(|failure| named(failure, &format!("{plugin}.{tool}")));
                Called::Answered(result, Vec::new())
            }
            asks @ Called::Asks(_) => asks,
        }
    }

    /// The key that is the same for every try of this call.
    fn key(&self, call: u32) -> String {
        let task = &self.task;
        format!("{}/{}/{}/{call}", task.run, task.visit, task.attempt)
    }

    /// Records that a call begins; false when it must not: it, or another one, waits for a person.
    pub(super) async fn begin(&self, at: CallPlace, request: &CallRequest) -> Result<bool, Failure> {
        let begun = self.tell(|silent| Command::BeginCall { at, request: request.clone(), silent }).await;
        match begun {
            Ok(acknowledged) => Ok(!acknowledged.parked),
            Err(EngineError::Refused(Refusal::CallWaits { .. })) => Ok(false),
            Err(error) => Err(not_recorded(&error)),
        }
    }

    async fn end(
        &self,
        at: CallPlace,
        request: CallRequest,
        response: CallResponse,
    ) -> Result<Acknowledged, Failure> {
        let ended = self.tell(|silent| Command::EndCall { at, request, response, silent }).await;
        ended.map_err(|error| not_recorded(&error))
    }

    /// Whoever takes the silent calls is heard first: those that follow rest on them.
    fn tell(
        &self,
        command: impl FnOnce(Vec<AnsweredCall>) -> Command,
    ) -> impl Future<Output = Result<Acknowledged, EngineError>> + Send + 'static {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let command = command(std::mem::take(&mut *silent).calls);
        self.context.mailbox.call(self.task.run, command)
    }
}

fn not_recorded(error: &EngineError) -> Failure {
    Failure::new(FailureKind::Cancelled, format!("the call was not recorded: {error}"))
}

pub(super) fn response_bytes(response: Result<&Value, &Failure>) -> usize {
    match response {
        Ok(value) => value_bytes(value),
        Err(failure) => failure.message.len() + failure.details.as_ref().map_or(0, value_bytes),
    }
}
