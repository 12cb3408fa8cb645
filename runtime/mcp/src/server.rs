//! One server: started when it is needed, started again when it broke, closed when nobody needs it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pawl_core::call::CallResponse;
use pawl_core::operator::McpServer;
use pawl_core::plugin::{EffectClass, ToolDescription};
use pawl_core::{Failure, FailureKind};
use tokio::time::Instant;

use crate::live::{Live, Lost, MCP_MESSAGE_MAX_BYTES, Reach, Use};
use crate::{McpCall, McpError};

/// How long a server may take to start, in milliseconds.
const START_MAX_MS: u64 = 30_000;
/// How often a server may break within the window before it is left alone until the window has passed.
pub const MCP_FAULTS_MAX: usize = 5;
/// The window in which that is counted, in milliseconds.
pub const MCP_FAULTS_WINDOW_MS: u64 = 60_000;
/// The most calls of one server at once; more wait for their turn, which is no part of their `timeout`.
pub const MCP_CALLS_AT_ONCE_MAX: usize = 64;
/// How often a call that may be made again is, when its server breaks.
const TRIES_MAX: u32 = 2;

/// One server of `pawl.yaml`.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    spec: McpServer,
    reach: Reach,
    /// The connection that stands; held while one is made.
    live: tokio::sync::Mutex<Option<Arc<Live>>>,
    /// One for each call that may be under way.
    turns: tokio::sync::Semaphore,
    /// When it broke.
    faults: Mutex<VecDeque<Instant>>,
}

impl Server {
    pub(crate) fn new(name: &str, spec: &McpServer, folder: &Path) -> Result<Arc<Self>, McpError> {
        let reach = Reach::new(spec, folder).ok_or_else(|| {
            let url = match &spec.reached {
                pawl_core::operator::McpReached::Http { url, .. } => url.clone(),
                pawl_core::operator::McpReached::Program { .. } => String::new(),
            };
            McpError::Address { server: name.to_owned(), url }
        })?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            spec: spec.clone(),
            reach,
            live: tokio::sync::Mutex::default(),
            turns: tokio::sync::Semaphore::new(MCP_CALLS_AT_ONCE_MAX),
            faults: Mutex::default(),
        }))
    }

    /// The tools as they are now.
    pub(crate) async fn describe(self: &Arc<Self>) -> Result<Vec<ToolDescription>, Failure> {
        let using = self.live().await?;
        let live = &using.live;
        match tokio::time::timeout(self.timeout(), live.tools(&self.name, &self.spec)).await {
            Ok(Ok(tools)) => Ok(tools),
            Ok(Err(lost)) => {
                if matches!(lost, Lost::Broken { .. }) {
                    self.retire(live, true).await;
                }
                Err(self.about(live.failed(lost)))
            }
            Err(_) => {
                self.retire(live, true).await;
                Err(self.about(Failure::new(FailureKind::Transient, self.too_slow())))
            }
        }
    }

    /// Calls a tool that is still what the run was started with.
    pub(crate) async fn call(self: &Arc<Self>, call: McpCall<'_>) -> CallResponse {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Failure::new(FailureKind::Cancelled, "pawl is about to end"));
        };
        let may_repeat = call.tool.effect != EffectClass::AtMostOnce;
        for tries_left in (0..TRIES_MAX).rev() {
            let using = self.live().await?;
            let live = &using.live;
            let end = tokio::time::timeout(self.timeout(), self.call_on(live, call)).await;
            let (reason, was_done) = match end {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(Lost::Answered(failure))) => return Err(live.failed(Lost::Answered(failure))),
                Ok(Err(Lost::Broken { reason, was_done })) => (reason, was_done),
                Err(_) => {
                    // What hangs once may hang for ever.
                    self.retire(live, true).await;
                    return Err(Failure::new(FailureKind::Timeout, self.too_slow()));
                }
            };
            let flooded = live.notes.flooded.load(std::sync::atomic::Ordering::Acquire);
            self.retire(live, true).await;
            if flooded {
                let message = format!(
                    "the MCP server '{}' sent a message of more than mcp_message_max_bytes ({MCP_MESSAGE_MAX_BYTES})",
                    self.name
                );
                return Err(Failure::new(FailureKind::Limit, message));
            }
            if tries_left == 0 || (was_done && !may_repeat) {
                let words = live.last_words().await;
                let reason = if words.is_empty() { reason } else { words };
                let message = live.secrets.out_of(format!(
                    "the MCP server '{}' broke before it answered: {}",
                    self.name,
                    reason.trim_start_matches("; ")
                ));
                // Whoever may call it again does; for the others nobody knows what it has done.
                let kind = if was_done && !may_repeat { FailureKind::Trap } else { FailureKind::Transient };
                return Err(Failure::new(kind, message));
            }
            tracing::warn!(
                server = self.name,
                tool = call.tool.name,
                "the server broke; the call is made again"
            );
        }
        // The last try returns.
        Err(Failure::new(FailureKind::Permanent, "the tool was never called, which is a fault of pawl"))
    }

    async fn call_on(&self, live: &Live, call: McpCall<'_>) -> Result<serde_json::Value, Lost> {
        live.unchanged(&self.name, &self.spec, call.tool).await?;
        live.call(&call.tool.name, call.arguments, call.key).await
    }

    /// Closes it. A call that comes later starts it again.
    pub(crate) async fn close(&self) {
        let live = self.live.lock().await.take();
        if let Some(live) = live {
            live.close().await;
        }
    }

    const fn timeout(&self) -> Duration {
        Duration::from_millis(self.spec.timeout.0)
    }

    fn too_slow(&self) -> String {
        format!(
            "the MCP server '{}' gave no answer within its `timeout` ({} ms) in pawl.yaml",
            self.name, self.spec.timeout.0
        )
    }

    /// The connection that stands, or a new one.
    async fn live(self: &Arc<Self>) -> Result<Use, Failure> {
        let mut slot = self.live.lock().await;
        if let Some(live) = slot.take() {
            if let Some(using) = live.hold().filter(|_| live.stands()) {
                *slot = Some(live);
                return Ok(using);
            }
            // It ended between two calls: that is no fault of a call.
            tokio::spawn(async move { live.close().await });
        }
        self.may_start()?;
        let start = Live::start(&self.name, &self.spec, &self.reach);
        let started = tokio::time::timeout(Duration::from_millis(START_MAX_MS), start).await;
        let started = started.unwrap_or_else(|_| {
            let message = format!("it did not begin within {START_MAX_MS} ms");
            Err(Failure::new(FailureKind::Transient, message))
        });
        let live = started.map_err(|failure| {
            self.broke();
            self.about(failure)
        })?;
        tracing::info!(server = self.name, "the MCP server was started");
        tokio::spawn(watch(
            Arc::downgrade(self),
            Arc::downgrade(&live),
            Duration::from_millis(self.spec.idle.0),
        ));
        let using = live.hold().ok_or_else(|| {
            self.about(Failure::new(FailureKind::Transient, "it was closed before it was used"))
        })?;
        *slot = Some(live);
        Ok(using)
    }

    /// Lets go of a connection, which is closed when its last call has ended.
    async fn retire(self: &Arc<Self>, live: &Arc<Live>, broke: bool) {
        let mut slot = self.live.lock().await;
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, live)) {
            *slot = None;
            if broke {
                self.broke();
            }
            let live = Arc::clone(live);
            tokio::spawn(async move { live.close().await });
        }
    }

    fn broke(&self) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push_back(Instant::now());
        if faults.len() > MCP_FAULTS_MAX {
            faults.pop_front();
        }
    }

    /// Whether it may be started: not one that breaks all the time.
    fn may_start(&self) -> Result<(), Failure> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = faults.front().filter(|_| faults.len() >= MCP_FAULTS_MAX) else { return Ok(()) };
        let window = Duration::from_millis(MCP_FAULTS_WINDOW_MS);
        let Some(left) = window.checked_sub(first.elapsed()) else { return Ok(()) };
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let message = format!(
            "it broke {MCP_FAULTS_MAX} times within {} s (mcp_faults_max) and is not started for {} s",
            MCP_FAULTS_WINDOW_MS / 1_000,
            left_ms.div_ceil(1_000)
        );
        let failure =
            Failure { retry_after_ms: Some(left_ms), ..Failure::new(FailureKind::Transient, message) };
        Err(self.about(failure))
    }

    fn about(&self, failure: Failure) -> Failure {
        let message = format!("the MCP server '{}' cannot be used: {}", self.name, failure.message);
        Failure { message, ..failure }
    }
}

/// Closes a connection that nobody has used for a while.
async fn watch(server: Weak<Server>, live: Weak<Live>, idle: Duration) {
    loop {
        let Some(since) = live.upgrade().map(|live| live.unused_since()) else { return };
        tokio::time::sleep_until(since + idle).await;
        let (Some(server), Some(live)) = (server.upgrade(), live.upgrade()) else { return };
        if live.unused_since() + idle <= Instant::now() {
            tracing::info!(server = server.name, "the MCP server is closed: nobody needs it");
            return server.retire(&live, false).await;
        }
    }
}
