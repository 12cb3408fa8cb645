//! Entering a guest: one store, one instance, one call, then both are gone.
//!
//! Nothing a guest does ends in an error of the host: it ends in a failure of its attempt. Dropping
//! the future drops the guest wherever it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use pawl_core::plugin::{Permissions, PluginKind};
use pawl_core::{Failure, FailureKind};
use serde_json::Value;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::bindings::{agent_guest, tool_guest};
use crate::fault::{Fault, explain};
use crate::host::from_guest;
use crate::limits::{Exceeded, Limits};
use crate::meter::Metered;
use crate::plugin::{LoadedPlugin, World};
use crate::sandbox::Sandbox;
use crate::state::{HostState, Role, Stop};
use crate::task::{AgentEnd, AgentHost, AgentTask, ToolCall, ToolEnd};

/// What one call may copy out of a guest at least, so that WASI streams work under small limits.
const COPY_MIN_BYTES: u64 = 2 << 20;

/// A store with all guards on.
pub(crate) fn store(engine: &Engine, state: HostState) -> Store<HostState> {
    let copy_max = state.limits.payload_max_bytes.saturating_mul(2).max(COPY_MIN_BYTES);
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_hostcall_fuel(usize::try_from(copy_max).unwrap_or(usize::MAX));
    store.epoch_deadline_callback(|store| on_tick(store.data()));
    store.set_epoch_deadline(1);
    store
}

/// Charges the guest for its time, and lets others run.
fn on_tick(state: &HostState) -> wasmtime::Result<UpdateDeadline> {
    state.meter.charge();
    let allowed = state.limits.guest_time_max_ms;
    if state.meter.spent().as_millis() >= u128::from(allowed) {
        return Err(Stop::limit("guest_time_max_ms", allowed).into());
    }
    if let Some(exceeded) = state.hooks.exceeded() {
        return Err(Stop::Limit(exceeded).into());
    }
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
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
        let _turn = self.turn(PluginKind::Tool).await;
        let active = self.activate();
        let state = HostState::new(Role::Tool, call.limits, call.now, call.seed, &call.grants.http, active);
        let meter = Arc::clone(&state.meter);
        let mut store = store(self.engine(), state);
        let context = tool_guest::CallContext {
            idempotency_key: call.idempotency_key,
            run: call.run,
            step: call.step,
            attempt: call.attempt,
            deadline_ms: call.deadline.map(|deadline| deadline.0),
        };
        let ended = Metered::new(meter, async {
            let guest = world.instantiate_async(&mut store).await?;
            guest.pawl_plugin_tool_guest().call_call(&mut store, &context, &call.tool, &arguments).await
        })
        .await;
        // Dropping what the guest held ends its unfinished lines of output.
        let state = close(store);
        let result = match ended {
            Ok(_) if let Some(exceeded) = state.hooks.exceeded() => Err(exceeded.failure("")),
            Ok(Ok(text)) => parse(&state, "the tool's result", &text),
            Ok(Err(failure)) => Err(from_guest(failure)),
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
        let _turn = self.turn(PluginKind::Agent).await;
        let active = self.activate();
        let no_hosts = BTreeSet::new();
        let state = HostState::new(Role::Agent(host), task.limits, task.now, task.seed, &no_hosts, active);
        let meter = Arc::clone(&state.meter);
        let mut store = store(self.engine(), state);
        let task = agent_guest::Task { run: task.run, step: task.step, attempt: task.attempt, input };
        let ended = Metered::new(meter, async {
            let guest = world.instantiate_async(&mut store).await?;
            guest.pawl_plugin_agent_guest().call_run(&mut store, &task).await
        })
        .await;
        let mut state = close(store);
        let end = self.agent_end(&state, ended);
        if end == AgentEnd::Suspended {
            return end;
        }
        match state.send_log().await {
            Ok(()) => end,
            Err(Stop::Suspended) => AgentEnd::Suspended,
            Err(Stop::Aborted(failure)) => AgentEnd::Failed(failure),
            Err(Stop::Limit(exceeded)) => AgentEnd::Failed(exceeded.failure("")),
        }
    }

    fn agent_end(
        &self,
        state: &HostState,
        ended: wasmtime::Result<Result<agent_guest::Outcome, agent_guest::Failure>>,
    ) -> AgentEnd {
        let ended = match ended {
            Ok(Ok(agent_guest::Outcome::Completed(text))) => {
                parse(state, "the agent's result", &text).map(AgentEnd::Completed)
            }
            Ok(Ok(agent_guest::Outcome::Handoff(to))) => {
                parse(state, "the input of the agent's handoff", &to.input)
                    .map(|input| AgentEnd::Handoff { agent: to.agent, input })
            }
            Ok(Err(failure)) => Err(from_guest(failure)),
            Err(error) => match explain(&error, state, self.stack_max_bytes()) {
                Fault::Suspended => return AgentEnd::Suspended,
                Fault::Failed(failure) => Err(failure),
            },
        };
        ended.unwrap_or_else(AgentEnd::Failed)
    }
}

/// Reads the JSON that a guest ended with. It has ended: what is wrong with it is final.
fn parse(state: &HostState, what: &str, text: &str) -> Result<Value, Failure> {
    if let Err(Stop::Limit(exceeded)) = state.check_payload(text) {
        return Err(exceeded.failure(what));
    }
    serde_json::from_str(text).map_err(|error| {
        let message = format!("{what} is not JSON: {error}; this is the plugin's fault, correct it there");
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

/// Ends the instance and everything it held.
fn close(store: Store<HostState>) -> HostState {
    let mut state = store.into_data();
    state.table = ResourceTable::new();
    state
}
