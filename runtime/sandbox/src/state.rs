//! What one instance of a guest has beside it, and how its calls reach the engine.
//!
//! A store lives as long as one attempt. Nothing in it survives, and nothing in it is shared with
//! another attempt.

use std::sync::{Arc, MutexGuard, PoisonError};

use pawl_core::call::{CallRequest, CallResponse, SharedResponse};
use pawl_core::{Failure, FailureKind, Timestamp, canonical_json};
use serde_json::Value;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::config::{
    CORE_INSTANCES_MAX, MEMORIES_MAX, POOL_MEMORY_MAX_BYTES, POOL_TABLE_ELEMENTS_MAX, TABLES_MAX,
};
use crate::host::files::Folder;
use crate::host::http::{FIELDS_MAX_BYTES, HttpHooks};
use crate::host::log::{LogBook, SharedLog};
use crate::host::progress::Notes;
use crate::host::random::Sequence;
use crate::host::wasi::SharedTime;
use crate::json;
use crate::limits::{Exceeded, HANDLES_MAX, Limits};
use crate::meter::Meter;
use crate::task::{AgentHost, CallReply, CallsReply};
use crate::ticker::Active;

/// What unwinds out of a guest on the host's decision; found again by its type.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Stop {
    /// The engine will run the agent again later.
    #[error("suspended")]
    Suspended,
    /// The engine ends the attempt.
    #[error("{0}")]
    Aborted(Failure),
    /// A limit.
    #[error("{} exceeded", .0.limit)]
    Limit(Exceeded),
}

impl Stop {
    pub(crate) fn limit(limit: &'static str, value: u64) -> Self {
        Self::Limit(Exceeded { limit, value })
    }
}

/// What differs between the three ways in which a guest is entered.
pub(crate) enum Role {
    /// `describe`: no capability does anything.
    Describe,
    /// A tool's call.
    Tool,
    /// An agent's run; its calls go to the engine.
    Agent(Box<dyn AgentHost>),
}

/// The data of a store.
pub(crate) struct HostState {
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    /// The capabilities that were granted; an agent can ask for them.
    pub(crate) granted: Vec<&'static str>,
    pub(crate) log: SharedLog,
    pub(crate) notes: Notes,
    pub(crate) time: SharedTime,
    pub(crate) seed: [u8; 32],
    pub(crate) random: Sequence,
    pub(crate) meter: Arc<Meter>,
    pub(crate) table: ResourceTable,
    pub(crate) wasi: Option<WasiCtx>,
    /// The folders that were granted, open.
    pub(crate) folders: Vec<Folder>,
    pub(crate) http: WasiHttpCtx,
    pub(crate) hooks: HttpHooks,
    /// Stands in for `table` where `wasi:http` is not granted: nothing goes into it.
    pub(crate) closed: ResourceTable,
    /// Whether the guest tried to use `wasi:http` nevertheless.
    pub(crate) is_http_refused: bool,
    /// Growth that was refused; a trap after it is this limit's doing.
    pub(crate) refused: Option<Exceeded>,
    /// Whether the engine ended the attempt: nothing more is told to it then.
    pub(crate) is_aborted: bool,
    memory_bytes: usize,
    host_calls: u32,
    /// Whether the engine was told or asked anything.
    has_asked: bool,
    /// Keeps the ticker going.
    _active: Active,
}

impl HostState {
    pub(crate) fn new(
        role: Role,
        limits: Limits,
        now: Timestamp,
        seed: [u8; 32],
        hosts: &pawl_core::plugin::Hosts,
        active: Active,
    ) -> Self {
        let log = LogBook::shared(limits.log_max_bytes);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_MAX_BYTES);
        let mut closed = ResourceTable::new();
        closed.set_max_capacity(0);
        Self {
            role,
            hooks: HttpHooks::new(hosts, &limits, &log),
            limits,
            granted: Vec::new(),
            log,
            notes: Notes::new(None),
            time: SharedTime::new(now),
            seed,
            random: Sequence::new(seed, RANDOM),
            meter: Meter::new(),
            table: table(),
            wasi: None,
            folders: Vec::new(),
            http,
            closed,
            is_http_refused: false,
            refused: None,
            is_aborted: false,
            memory_bytes: 0,
            host_calls: 0,
            has_asked: false,
            _active: active,
        }
    }

    /// How long the guest may be there at all. An agent's waits are its host's.
    pub(crate) fn wall_max_ms(&self) -> Option<u64> {
        match self.role {
            Role::Describe | Role::Tool => Some(self.limits.wall_time_max_ms),
            Role::Agent(_) => None,
        }
    }

    /// Whether anything of the guest was seen outside: then it cannot begin again unnoticed.
    pub(crate) fn is_touched(&self) -> bool {
        self.has_asked || self.hooks.has_sent() || !self.log().is_empty()
    }

    /// As it was at the beginning, for another instance.
    pub(crate) fn renew(&mut self) {
        self.table = table();
        self.wasi = None;
        self.random = Sequence::new(self.seed, RANDOM);
        self.refused = None;
        self.memory_bytes = 0;
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, LogBook> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that leaves the sandbox.
    pub(crate) fn count_host_call(&mut self) -> Result<(), Stop> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls_max {
            return Err(Stop::limit("host_calls_max", self.limits.host_calls_max.into()));
        }
        Ok(())
    }

    /// Refuses a text that is too long to cross.
    pub(crate) fn check_payload(&self, text: &str) -> Result<(), Stop> {
        if text.len() as u64 > self.limits.payload_max_bytes {
            return Err(Stop::limit("payload_max_bytes", self.limits.payload_max_bytes));
        }
        Ok(())
    }

    /// Reads JSON that the guest gave; what does not parse is the guest's to handle.
    pub(crate) async fn json(&mut self, what: &str, text: &str) -> Result<Result<Value, Failure>, Stop> {
        self.check_payload(text)?;
        let (read, took) = json::read_aside(text).await;
        if let Some(took) = took {
            self.meter.charge_reading(text.len(), took);
        }
        Ok(read.map_err(|reason| Failure::new(FailureKind::InvalidInput, format!("{what} {reason}"))))
    }

    /// Writes JSON for the guest.
    pub(crate) fn text(&self, value: &Value) -> Result<String, Stop> {
        // Which is what a guest gets of any value: its keys in order, no white space.
        let text = canonical_json(value);
        self.check_payload(&text)?;
        Ok(text)
    }

    /// Takes one call of an agent to the engine and waits for the answer.
    pub(crate) async fn forward(&mut self, request: CallRequest) -> Result<CallResponse, Stop> {
        Ok(self.forward_shared(request).await?.map(Arc::unwrap_or_clone))
    }

    /// The same; the answer may be the journal's own.
    pub(crate) async fn forward_shared(&mut self, request: CallRequest) -> Result<SharedResponse, Stop> {
        self.count_host_call()?;
        self.send_log().await?;
        self.ask(request).await
    }

    /// Takes calls that an agent makes together to the engine and waits for all answers.
    pub(crate) async fn forward_all(
        &mut self,
        requests: Vec<CallRequest>,
    ) -> Result<Vec<CallResponse>, Stop> {
        for _ in &requests {
            self.count_host_call()?;
        }
        self.send_log().await?;
        let Role::Agent(host) = &mut self.role else {
            return Ok(requests.iter().map(|request| Err(not_here(request))).collect());
        };
        self.has_asked = true;
        self.meter.leave_guest();
        let reply = host.call_all(requests).await;
        self.meter.enter_guest();
        match reply {
            CallsReply::Answer { responses, now } => {
                self.time.set(now.unwrap_or(self.time.now()));
                Ok(responses)
            }
            CallsReply::Suspend => Err(Stop::Suspended),
            CallsReply::Abort(failure) => Err(self.aborted(failure)),
        }
    }

    /// Takes log lines that an agent has written meanwhile to the engine, in their order.
    pub(crate) async fn send_log(&mut self) -> Result<(), Stop> {
        if !matches!(self.role, Role::Agent(_)) {
            return Ok(());
        }
        let lines = self.log().take_lines();
        for (level, message) in lines {
            // The answer to a log line carries nothing but the time.
            let _ = self.ask(CallRequest::Log { level, message }).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, request: CallRequest) -> Result<SharedResponse, Stop> {
        let Role::Agent(host) = &mut self.role else {
            return Ok(Err(not_here(&request)));
        };
        self.has_asked = true;
        self.meter.leave_guest();
        let reply = host.call(request).await;
        self.meter.enter_guest();
        match reply {
            CallReply::Answer { response, now } => {
                self.time.set(now);
                Ok(response)
            }
            CallReply::Suspend => Err(Stop::Suspended),
            CallReply::Abort(failure) => Err(self.aborted(failure)),
        }
    }

    fn aborted(&mut self, failure: Failure) -> Stop {
        self.is_aborted = true;
        Stop::Aborted(failure)
    }
}

/// The answer to a call of a guest that describes itself.
fn not_here(request: &CallRequest) -> Failure {
    let message = format!("{} cannot be used here: nothing is granted", request.function());
    Failure::new(FailureKind::Denied, message)
}

/// The name of the sequence behind `random.next`.
const RANDOM: &str = "pawl:plugin/random";

fn table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    table
}

impl ResourceLimiter for HostState {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        let allowed = self.limits.memory_max_bytes;
        if total as u64 > allowed || desired > POOL_MEMORY_MAX_BYTES {
            let value = allowed.min(POOL_MEMORY_MAX_BYTES as u64);
            self.refused = Some(Exceeded { limit: "memory_max_bytes", value });
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = self.limits.table_elements_max.min(POOL_TABLE_ELEMENTS_MAX as u64);
        if desired as u64 > allowed {
            self.refused = Some(Exceeded { limit: "table_elements_max", value: allowed });
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}
