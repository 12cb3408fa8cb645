//! What the engine asks of the sandbox: one call of a tool, one run of an agent.
//!
//! Nothing a guest does ends in an error of the host: it ends in a failure of its attempt.

use async_trait::async_trait;
use pawl_core::plugin::{Hosts, Permissions, PluginKind};
use pawl_core::{Failure, FailureKind};
use serde_json::Value;
use wasmtime::Store;

use crate::bindings::{agent, agent_guest, tool, tool_guest};
use crate::entry::Entry;
use crate::fault::{Fault, explain};
use crate::host::files::open;
use crate::host::from_guest;
use crate::host::progress::Notes;
use crate::imports::Need;
use crate::json;
use crate::limits::{Exceeded, Limits};
use crate::load::{NAME_MAX_BYTES, is_name};
use crate::plugin::{LoadedPlugin, World};
use crate::sandbox::Sandbox;
use crate::secret::Vault;
use crate::state::{HostState, Role, Stop};
use crate::task::{AgentEnd, AgentHost, AgentTask, ToolCall, ToolEnd};
use crate::words::cut_message;

/// A tool's call, on its way into the guest.
struct Calling<'a> {
    world: &'a tool::ToolPre<HostState>,
    context: tool_guest::CallContext,
    tool: &'a str,
    arguments: String,
}

#[async_trait]
impl Entry for Calling<'_> {
    type Guest = tool::Tool;
    type Said = Result<String, tool_guest::Failure>;

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<tool::Tool> {
        self.world.instantiate_async(store).await
    }

    async fn call(&self, guest: &tool::Tool, store: &mut Store<HostState>) -> wasmtime::Result<Self::Said> {
        let guest = guest.pawl_plugin_tool_guest();
        guest.call_call(store, &self.context, self.tool, &self.arguments).await
    }
}

/// An agent's run, on its way into the guest.
struct Running<'a> {
    world: &'a agent::AgentPre<HostState>,
    task: agent_guest::Task,
}

#[async_trait]
impl Entry for Running<'_> {
    type Guest = agent::Agent;
    type Said = Result<agent_guest::Outcome, agent_guest::Failure>;

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<agent::Agent> {
        self.world.instantiate_async(store).await
    }

    async fn call(&self, guest: &agent::Agent, store: &mut Store<HostState>) -> wasmtime::Result<Self::Said> {
        guest.pawl_plugin_agent_guest().call_run(store, &self.task).await
    }
}

impl Sandbox {
    /// Carries out one call of a tool.
    pub async fn call_tool(&self, plugin: &LoadedPlugin, call: ToolCall) -> ToolEnd {
        let World::Tool(world) = &plugin.world else {
            return ToolEnd { result: Err(wrong_kind(PluginKind::Tool)), log: Vec::new() };
        };
        let arguments = match prepare(plugin, &call.grants, &call.limits, &call.arguments) {
            Ok(arguments) => arguments,
            Err(failure) => return ToolEnd { result: Err(failure), log: Vec::new() },
        };
        let folders = match plugin.uses_files().then(|| open(&call.mounts)).transpose() {
            Ok(folders) => folders.unwrap_or_default(),
            Err(failure) => return ToolEnd { result: Err(failure), log: Vec::new() },
        };
        let _turn = self.turn(PluginKind::Tool, call.rank).await;
        let active = self.activate();
        let mut state =
            HostState::new(Role::Tool, call.limits, call.now, call.seed, &call.grants.http, active);
        state.notes = Notes::new(call.progress);
        state.hooks.trace = call.trace;
        state.hooks.vault = Vault::new(&call.grants, call.secrets, call.seed);
        state.folders = folders;
        let context = tool_guest::CallContext {
            idempotency_key: call.idempotency_key,
            run: call.run,
            step: call.step,
            attempt: call.attempt,
            deadline_ms: call.deadline.map(|deadline| deadline.0),
        };
        let calling = Calling { world, context, tool: &call.tool, arguments };
        let (state, ended) = self.enter(&calling, state).await;
        let result = match ended {
            Ok(_) if let Some(exceeded) = state.hooks.exceeded() => Err(exceeded.failure("")),
            Ok(Ok(text)) => parse(state.check_payload(&text), "the tool's result", text).await,
            Ok(Err(failure)) => Err(explained(from_guest(failure, &state.limits), &state)),
            Err(error) => Err(match explain(&error, &state, self.stack_max_bytes()) {
                Fault::Failed(failure) => failure,
                Fault::Suspended => Failure::new(FailureKind::Trap, "a tool cannot be suspended"),
            }),
        };
        let log = state.log().take_lines();
        ToolEnd { result, log }
    }

    /// Runs an agent from the top until it ends, fails or is suspended by its host.
    pub async fn run_agent(
        &self,
        plugin: &LoadedPlugin,
        task: AgentTask,
        host: Box<dyn AgentHost>,
    ) -> AgentEnd {
        let World::Agent(world) = &plugin.world else {
            return AgentEnd::Failed(wrong_kind(PluginKind::Agent));
        };
        let input = match prepare(plugin, &task.grants, &task.limits, &task.input) {
            Ok(input) => input,
            Err(failure) => return AgentEnd::Failed(failure),
        };
        let granted = Need::granted(&task.grants);
        let _turn = self.turn(PluginKind::Agent, task.rank).await;
        let active = self.activate();
        let no_hosts = Hosts::default();
        let mut state =
            HostState::new(Role::Agent(host), task.limits, task.now, task.seed, &no_hosts, active);
        state.notes = Notes::new(task.progress);
        state.granted = granted;
        let task = agent_guest::Task { run: task.run, step: task.step, attempt: task.attempt, input };
        let (mut state, ended) = self.enter(&Running { world, task }, state).await;
        let end = self.agent_end(&mut state, ended).await;
        // After an abort the engine has its failure: a line more would get another in its place.
        if end == AgentEnd::Suspended || state.is_aborted {
            return end;
        }
        match state.send_log().await {
            Ok(()) => end,
            Err(Stop::Suspended) => AgentEnd::Suspended,
            Err(Stop::Aborted(failure)) => AgentEnd::Failed(failure),
            Err(Stop::Limit(exceeded)) => AgentEnd::Failed(exceeded.failure("")),
        }
    }

    async fn agent_end(
        &self,
        state: &mut HostState,
        ended: wasmtime::Result<Result<agent_guest::Outcome, agent_guest::Failure>>,
    ) -> AgentEnd {
        let ended = match ended {
            Ok(Ok(agent_guest::Outcome::Completed(text))) => {
                parse(state.check_payload(&text), "the agent's result", text).await.map(AgentEnd::Completed)
            }
            Ok(Ok(agent_guest::Outcome::Handoff(to))) if !is_name(&to.agent) => {
                let message = format!(
                    "the agent hands off to what is no name of an agent: letters, digits, `-` and `_`, \
                     at most {NAME_MAX_BYTES} of them"
                );
                Err(Failure::new(FailureKind::InvalidOutput, message))
            }
            Ok(Ok(agent_guest::Outcome::Handoff(to))) => {
                let input =
                    parse(state.check_payload(&to.input), "the input of the agent's handoff", to.input);
                input.await.map(|input| AgentEnd::Handoff { agent: to.agent, input })
            }
            Ok(Err(failure)) => return AgentEnd::GaveUp(from_guest(failure, &state.limits)),
            Err(error) => match explain(&error, state, self.stack_max_bytes()) {
                Fault::Suspended => return AgentEnd::Suspended,
                Fault::Failed(failure) => Err(failure),
            },
        };
        ended.unwrap_or_else(AgentEnd::Failed)
    }
}

/// Says what was missing, where a tool was refused a request and says no more than that.
fn explained(failure: Failure, state: &HostState) -> Failure {
    match &state.hooks.refused {
        Some(why) if failure.kind == FailureKind::Denied && !failure.message.contains(why) => {
            Failure { message: cut_message(format!("{}; {why}", failure.message)), ..failure }
        }
        _ => failure,
    }
}

/// Reads the JSON that a guest ended with. It has ended: what is wrong with it is final.
async fn parse(checked: Result<(), Stop>, what: &str, text: String) -> Result<Value, Failure> {
    if let Err(Stop::Limit(exceeded)) = checked {
        return Err(exceeded.failure(what));
    }
    json::read_aside(&text).await.0.map_err(|reason| {
        let message = format!("{what} {reason}; this is the plugin's fault, correct it there");
        Failure::new(FailureKind::InvalidOutput, message)
    })
}

fn wrong_kind(needed: PluginKind) -> Failure {
    let message = format!("the component is not a plugin of kind \"{}\"", needed.name());
    Failure::new(FailureKind::InvalidInput, message)
}

/// What can be refused before anything runs.
fn prepare(
    plugin: &LoadedPlugin,
    grants: &Permissions,
    limits: &Limits,
    input: &Value,
) -> Result<String, Failure> {
    plugin.check_grants(grants)?;
    let text = input.to_string();
    if text.len() as u64 > limits.payload_max_bytes {
        let exceeded = Exceeded { limit: "payload_max_bytes", value: limits.payload_max_bytes };
        let failure = exceeded.failure("its input");
        // Nothing has happened yet, so nothing is left open.
        return Err(Failure { kind: FailureKind::InvalidInput, ..failure });
    }
    Ok(text)
}
