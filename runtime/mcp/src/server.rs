//! One server: started when it is needed, started again when it broke, closed when nobody needs it.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pawl_core::operator::McpServer;
use pawl_core::plugin::{EffectClass, ToolDescription};
use pawl_core::{Failure, FailureKind};
use tokio::time::Instant;

use crate::live::{Live, Lost, MCP_MESSAGE_MAX_BYTES, Reach, Use};
use crate::talk::{Heard, Talk};
use crate::{McpCall, McpEnd, McpError};

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

/// What came of one try of a call.
enum Tried {
    /// Its end, or a question.
    Ended(Result<McpEnd, Failure>),
    /// The connection broke.
    Broken { reason: String, was_done: bool },
}

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
    /// Calls in which it waits for an answer, by their keys.
    held: Mutex<HashMap<String, (u64, Talk)>>,
    /// Whether it has asked in the middle of a call: from then on it gets one call at a time, so that it is clear in
    /// which it asks.
    asks: AtomicBool,
    alone: tokio::sync::Mutex<()>,
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
            held: Mutex::default(),
            asks: AtomicBool::default(),
            alone: tokio::sync::Mutex::default(),
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
    pub(crate) async fn call(self: &Arc<Self>, call: McpCall<'_>) -> Result<McpEnd, Failure> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Failure::new(FailureKind::Cancelled, "pawl is about to end"));
        };
        let _alone = if self.asks.load(Ordering::Acquire) { Some(self.alone.lock().await) } else { None };
        if let Some(talk) = self.take_held(call.key).and_then(|talk| talk.go_on(&call)) {
            let live = Arc::clone(talk.live());
            match self.try_call(&live, &call, async { Ok(talk) }).await {
                Tried::Ended(end) => return end,
                // With the answers it can be called from the beginning.
                Tried::Broken { reason, .. } => {
                    tracing::warn!(server = self.name, "a held call broke: {reason}");
                }
            }
        }
        let may_repeat = call.tool.effect != EffectClass::AtMostOnce;
        for tries_left in (0..TRIES_MAX).rev() {
            let using = self.live().await?;
            let live = Arc::clone(&using.live);
            let begin = async {
                using.live.unchanged(&self.name, &self.spec, call.tool).await?;
                Ok(Talk::begin(using, &call))
            };
            let (reason, was_done) = match self.try_call(&live, &call, begin).await {
                Tried::Ended(end) => return end,
                Tried::Broken { reason, was_done } => (reason, was_done),
            };
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

    /// Makes a call, or goes on with one, until it ends or asks.
    async fn try_call(
        self: &Arc<Self>,
        live: &Arc<Live>,
        call: &McpCall<'_>,
        talk: impl Future<Output = Result<Talk, Lost>>,
    ) -> Tried {
        let hear = async { talk.await?.hear(call, self.spec.elicitation.as_ref()).await };
        let heard = tokio::time::timeout(self.timeout(), hear).await;
        let lost = match heard {
            Ok(Ok(Heard::Asks(asks, waits))) => {
                if let Some(talk) = waits {
                    self.asks.store(true, Ordering::Release);
                    self.hold(call.key, talk);
                }
                return Tried::Ended(Ok(McpEnd::Asks(asks)));
            }
            Ok(Ok(Heard::Result(result))) => match live.shown(result) {
                Ok(value) => return Tried::Ended(Ok(McpEnd::Result(value))),
                Err(lost) => lost,
            },
            Ok(Err(lost)) => lost,
            Err(_) => {
                // What hangs once may hang for ever.
                self.retire(live, true).await;
                return Tried::Ended(Err(Failure::new(FailureKind::Timeout, self.too_slow())));
            }
        };
        let (reason, was_done) = match lost {
            Lost::Broken { reason, was_done } => (reason, was_done),
            answered @ Lost::Answered(_) => return Tried::Ended(Err(live.failed(answered))),
        };
        let flooded = live.notes.flooded.load(Ordering::Acquire);
        self.retire(live, true).await;
        if flooded {
            let message = format!(
                "the MCP server '{}' sent a message of more than mcp_message_max_bytes ({MCP_MESSAGE_MAX_BYTES})",
                self.name
            );
            return Tried::Ended(Err(Failure::new(FailureKind::Limit, message)));
        }
        Tried::Broken { reason, was_done }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, Talk)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_held(&self, key: &str) -> Option<Talk> {
        self.held().remove(key).map(|(_, talk)| talk)
    }

    /// Keeps a call open in which the server waits for an answer, for a while.
    fn hold(self: &Arc<Self>, key: &str, talk: Talk) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(asks) = &self.spec.elicitation else { return };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut held = self.held();
        // One that is too many is given up, and made again with its answer.
        if held.len() >= MCP_CALLS_AT_ONCE_MAX {
            return;
        }
        held.insert(key.to_owned(), (number, talk));
        drop(held);
        let (server, key) = (Arc::downgrade(self), key.to_owned());
        let until = Instant::now() + Duration::from_millis(asks.hold.0);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            let Some(server) = server.upgrade() else { return };
            let mut held = server.held();
            if held.get(&key).is_some_and(|(at, _)| *at == number) {
                held.remove(&key);
            }
        });
    }

    /// Closes it. A call that comes later starts it again.
    pub(crate) async fn close(&self) {
        // Nobody answers these any more.
        std::mem::take(&mut *self.held());
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
        // Calls that wait on it are made again.
        self.held().retain(|_, (_, talk)| !Arc::ptr_eq(talk.live(), live));
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
