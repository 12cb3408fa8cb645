//! An agent's attempt: recorded calls are replayed, new ones are journaled.
//!
//! The instance never learns which of its calls are replayed. A replayed call
//! is compared by digest and answered here, without a message; the first that
//! was not recorded goes to the driver, and is answered after it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use pawl_core::call::{CallRequest, CallResponse, SharedResponse};
use pawl_core::definition::Schema;
use pawl_core::event::Work;
use pawl_core::plugin::PluginPin;
use pawl_core::state::CallProgress;
use pawl_core::{AnsweredCall, Digest, Failure, FailureKind, Timestamp};
use pawl_sandbox::{AgentEnd, AgentHost, AgentTask, CallReply, CallsReply, ProgressSink};
use serde_json::Value;

use super::desk::{Desk, Told, response_bytes};
use super::divergence::{diverged, ended_early};
use super::group::Group;
use super::memory::Memory;
use super::tool::{fits, unusable};
use super::{AgentPart, AgentWork, AttemptEnd, AttemptTask, kept_out, trace};
use crate::driver::Context;
use crate::plugins::{AGENT_SCHEMAS, limits_of};

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
    let calls = Arc::new(AtomicU32::new(0));
    let request = AgentTask {
        input,
        run: task.run.to_string(),
        step: task.step.to_string(),
        attempt: task.attempt,
        rank: task.rank,
        now: task.started_at,
        seed: *task.seed.as_bytes(),
        grants: task.grants.clone(),
        limits: limits_of(pin, &context.config.limits),
        progress: Some(notes(context, &task, &calls)),
    };
    let (run, visit, recorded) = (task.run, task.visit, task.recorded.last());
    let scope = match &*task.work {
        Work::Agent { memory, .. } => memory.clone(),
        Work::Tool { .. } => None,
    };
    let (memory, now) = (Memory::new(scope, task.memory.clone(), task.dry_memory.clone()), task.started_at);
    let desk = Arc::new(Desk::new(Arc::clone(context), task));
    let host =
        Host { desk: Arc::clone(&desk), memory, now, made: 0, calls: Arc::clone(&calls), recorded_bytes: 0 };
    let end = match stood_in(&desk, &request.input, Box::new(host)).await {
        AgentPart::Played(end) => end,
        AgentPart::Component(host) => context.catalog.sandbox().run_agent(&ready.loaded, request, host).await,
    };
    let result = match end {
        AgentEnd::Suspended => return AttemptEnd::Suspended,
        // Only what the agent itself came to: a limit, or a call that could not be recorded, says
        // nothing about what its code would have gone on to do.
        AgentEnd::Completed(_) | AgentEnd::GaveUp(_) | AgentEnd::Handoff { .. }
            if calls.load(Ordering::Relaxed) < recorded =>
        {
            Err(ended_early(context, run, visit, calls.load(Ordering::Relaxed)).await)
        }
        AgentEnd::Completed(value) => given(schemas, value),
        AgentEnd::GaveUp(failure) => Err(failure),
        AgentEnd::Failed(failure) => Err(kept_out(failure, &ready, &desk.task.grants, name(&desk.task.work))),
        AgentEnd::Handoff { agent: to, input } => {
            return AttemptEnd::HandedOver { to, input, silent: desk.take_silent() };
        }
    };
    AttemptEnd::Ended { result, silent: desk.take_silent(), log: Vec::new() }
}

/// Tells what an agent says of its progress; not again what it said in an earlier instance.
fn notes(context: &Context, task: &AttemptTask, calls: &Arc<AtomicU32>) -> ProgressSink {
    let (calls, recorded) = (Arc::clone(calls), task.recorded.last());
    let tell = context.progress.of(task.run, &task.step, task.visit);
    ProgressSink::new(move |progress| {
        if calls.load(Ordering::Relaxed) >= recorded {
            tell(progress);
        }
    })
}

/// An agent's result, if its own description has such.
fn given(schemas: Option<&(Schema, Schema)>, value: Value) -> CallResponse {
    let excluded = "the agent's result is not what its own description says";
    let fitting =
        schemas.map_or(Ok(()), |(_, gives)| fits(gives, &value, FailureKind::InvalidOutput, excluded));
    fitting.map(|()| value)
}

/// The plugin that an attempt is of.
fn name(work: &Work) -> &str {
    match work {
        Work::Agent { agent: plugin, .. } | Work::Tool { plugin, .. } => plugin,
    }
}

/// A test may play the agent.
async fn stood_in(desk: &Desk, input: &Value, host: Box<dyn AgentHost>) -> AgentPart {
    let AttemptTask { run, step, visit, attempt, work, .. } = &desk.task;
    match (&desk.context.config.stand_in, &**work) {
        (Some(stand_in), Work::Agent { agent, .. }) => {
            let work = AgentWork { run: *run, step, visit: *visit, attempt: *attempt, plugin: agent, input };
            stand_in.agent(work, host).await
        }
        _ => AgentPart::Component(host),
    }
}

/// The host side of one agent's attempt.
#[derive(Debug)]
struct Host {
    desk: Arc<Desk>,
    memory: Memory,
    /// What the agent's clock shows.
    now: Timestamp,
    /// How many calls it has made.
    made: u32,
    /// The same, for whoever looks at the agent's end.
    calls: Arc<AtomicU32>,
    /// How much all calls and their answers hold, those that are replayed among them, so that a
    /// replay comes to the same sum.
    recorded_bytes: usize,
}

/// What the journal says of a call.
enum Known {
    /// Its answer, and what the clock shows from then on, when the call moved it.
    Answered(SharedResponse, Option<Timestamp>),
    /// It is to be made; a person may have changed what the agent asks.
    New(Option<CallRequest>),
    /// Somebody else must act first.
    Waits,
}

#[async_trait]
impl AgentHost for Host {
    async fn call(&mut self, request: CallRequest) -> CallReply {
        let request = request.on_memory(self.memory.scope());
        let call = self.number(1);
        let canonical = request.canonical();
        if let Err(failure) = self.count_recorded(canonical.len()) {
            return CallReply::Abort(failure);
        }
        let reply = match self.known(call, &request, Digest::of(canonical.as_bytes())).await {
            Err(failure) => CallReply::Abort(failure),
            Ok(Known::Waits) => CallReply::Suspend,
            Ok(Known::Answered(response, at)) => {
                self.now = at.unwrap_or(self.now);
                CallReply::Answer { response, now: self.now }
            }
            Ok(Known::New(cleared)) => {
                self.make(call, cleared.unwrap_or(request)).await.unwrap_or_else(CallReply::Abort)
            }
        };
        if let CallReply::Answer { response, .. } = &reply {
            self.recorded_bytes += response_bytes(response.as_deref());
        }
        reply
    }

    async fn call_all(&mut self, requests: Vec<CallRequest>) -> CallsReply {
        let first = self.number(requests.len());
        let canonical: Vec<_> = requests.iter().map(CallRequest::canonical).collect();
        if let Err(failure) = self.count_recorded(canonical.iter().map(String::len).sum()) {
            return CallsReply::Abort(failure);
        }
        let mut group = Group::new(Arc::clone(&self.desk), first, self.now, requests.len());
        for ((call, request), canonical) in (first..).zip(requests).zip(&canonical) {
            match self.known(call, &request, Digest::of(canonical.as_bytes())).await {
                Err(failure) => return CallsReply::Abort(failure),
                Ok(Known::Waits) => return CallsReply::Suspend,
                Ok(Known::Answered(response, at)) => {
                    self.recorded_bytes += response_bytes(response.as_deref());
                    group.answered(call, response.map(Arc::unwrap_or_clone), at);
                }
                Ok(Known::New(cleared)) => group.add(call, cleared.unwrap_or(request)),
            }
        }
        match group.make(&mut self.recorded_bytes).await {
            Ok(Some((responses, now))) => {
                self.memory.recorded();
                self.now = now;
                CallsReply::Answer { responses, now: Some(now) }
            }
            Ok(None) => CallsReply::Suspend,
            Err(failure) => CallsReply::Abort(failure),
        }
    }
}

impl Host {
    /// The number of the next call; so many are made.
    fn number(&mut self, calls: usize) -> u32 {
        let first = self.made.saturating_add(1);
        self.made = self.made.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
        self.calls.store(self.made, Ordering::Relaxed);
        first
    }

    /// What is known of a call, whose request has this digest.
    async fn known(&self, call: u32, request: &CallRequest, digest: Digest) -> Result<Known, Failure> {
        let task = &self.desk.task;
        let Some(state) = task.recorded.get(call) else { return Ok(Known::New(None)) };
        if state.digest != digest {
            let place = (task.run, task.visit, call);
            return Err(diverged(&self.desk.context, place, request, state.digest).await);
        }
        Ok(match &state.progress {
            CallProgress::Answered { response, at } => Known::Answered(response.clone(), *at),
            CallProgress::Cleared(request) => Known::New(Some(request.clone())),
            CallProgress::Running(_)
            | CallProgress::Asking(_)
            | CallProgress::Guarded(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Paused(..)
            | CallProgress::Unknown(..) => Known::Waits,
        })
    }

    /// Makes a call that was not made before.
    async fn make(&mut self, call: u32, request: CallRequest) -> Result<CallReply, Failure> {
        match &request {
            CallRequest::Tool { .. } => {
                let place = self.desk.place(call, call);
                let told = Arc::clone(&self.desk).call_tool(place, request, self.now).await?;
                Ok(self.told(told))
            }
            CallRequest::Model { .. } => {
                let place = self.desk.place(call, call);
                let told = self.desk.call_model(place, request).await?;
                Ok(self.told(told))
            }
            // An agent that looks at its grants starts without this one.
            CallRequest::Human(_) if !self.desk.task.grants.human => {
                let place = self.desk.place(call, call);
                let told = self.desk.deny_question(place, request).await?;
                Ok(self.told(told))
            }
            CallRequest::Agent { .. }
            | CallRequest::Signal { .. }
            | CallRequest::Human(_)
            | CallRequest::Sleep { .. } => {
                self.desk.begin(self.desk.place(call, call), &request).await?;
                Ok(CallReply::Suspend)
            }
            CallRequest::ToolList
            | CallRequest::AgentList
            | CallRequest::MemoryGet { .. }
            | CallRequest::MemoryPut { .. }
            | CallRequest::Log { .. }
            | CallRequest::Denied { .. } => {
                let response = self.answer_at_once(&request).await;
                self.desk.keep_silent(AnsweredCall { call, request, response: response.clone() })?;
                Ok(CallReply::Answer { response: response.map(Arc::new), now: self.now })
            }
        }
    }

    /// What came of a call that is recorded by now.
    fn told(&mut self, told: Told) -> CallReply {
        match told {
            Told::Answer(response, at) => {
                self.memory.recorded();
                self.now = at;
                CallReply::Answer { response: response.map(Arc::new), now: at }
            }
            Told::Wait => CallReply::Suspend,
        }
    }

    async fn answer_at_once(&mut self, request: &CallRequest) -> CallResponse {
        let context = &self.desk.context;
        match request {
            CallRequest::ToolList => Ok(self.desk.tools()),
            CallRequest::AgentList => Ok(self.desk.agents()),
            CallRequest::MemoryGet { key, .. } => self.memory.get(context.store.as_ref(), key).await,
            CallRequest::MemoryPut { key, value, .. } => {
                let put = self.memory.put(context.store.as_ref(), (key, value), &context.config);
                put.await.map(|()| Value::Null)
            }
            CallRequest::Log { level, message } => {
                trace(*level, message);
                Ok(Value::Null)
            }
            CallRequest::Tool { .. }
            | CallRequest::Agent { .. }
            | CallRequest::Signal { .. }
            | CallRequest::Human(_)
            | CallRequest::Model { .. }
            | CallRequest::Sleep { .. } => Ok(Value::Null),
            CallRequest::Denied { capability, .. } => Err(Failure::new(
                FailureKind::Denied,
                format!("{capability} is not part of this version of pawl"),
            )),
        }
    }

    /// Bounds what is recorded of the attempt: checked where a call begins, so that what a tool has
    /// done is recorded, whatever it answers.
    fn count_recorded(&mut self, bytes: usize) -> Result<(), Failure> {
        self.recorded_bytes += bytes;
        self.desk.check_recorded(self.recorded_bytes)
    }
}
