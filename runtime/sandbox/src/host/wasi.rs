//! WASI 0.2 with nothing behind it, for components of other languages.
//!
//! No arguments, no environment, no sockets, and no folders but those that a tool was granted. Output goes to the plugin's log. Clocks
//! stand at the journal's time, and randomness follows from the attempt's seed. An agent that
//! waits on a clock does not wait: a durable pause is `timers.sleep`. A tool's wait is real, and so
//! its monotonic clock moves; its wall clock stands still like any other.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use pawl_core::Timestamp;
use pawl_core::call::LogLevel;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::host::files::{Folder, give};
use crate::host::log::SharedLog;
use crate::host::random::Sequence;
use crate::state::{HostState, Role};

/// How much output one write may have.
const WRITE_MAX_BYTES: usize = 64 << 10;
/// Output without a line's end is cut here.
const LINE_MAX_BYTES: usize = 4 << 10;
/// The largest piece of randomness that is given at once.
const RANDOM_MAX_BYTES: u64 = 1 << 20;
const NANOS_PER_MS: u64 = 1_000_000;

/// Links all of WASI 0.2, with the monotonic clock replaced.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<HostState>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The journal's time, as all clocks of an attempt show it.
#[derive(Debug, Clone)]
pub(crate) struct SharedTime(Arc<AtomicU64>);

impl SharedTime {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Relaxed))
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.store(now.0, Relaxed);
    }

    fn nanos(&self) -> u64 {
        self.now().0.saturating_mul(NANOS_PER_MS)
    }
}

impl HostWallClock for SharedTime {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now().0)
    }
}

impl HostMonotonicClock for SharedTime {
    fn resolution(&self) -> u64 {
        NANOS_PER_MS
    }

    fn now(&self) -> u64 {
        self.nanos()
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (time, log, seed, folders) = (&self.time, &self.log, self.seed, &self.folders);
        let ctx = self.wasi.get_or_insert_with(|| context(time, log, seed, folders));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

/// Made only when a guest uses WASI: most do not.
fn context(time: &SharedTime, log: &SharedLog, seed: [u8; 32], folders: &[Folder]) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    for lost in give(&mut builder, folders) {
        log.lock().unwrap_or_else(PoisonError::into_inner).add(LogLevel::Warn, lost);
    }
    builder
        .stdout(Output::new(log, LogLevel::Info))
        .stderr(Output::new(log, LogLevel::Error))
        .wall_clock(time.clone())
        .monotonic_clock(time.clone())
        .secure_random(Sequence::new(seed, "wasi:random/random"))
        .insecure_random(Sequence::new(seed, "wasi:random/insecure"))
        .insecure_random_seed(Sequence::new(seed, "wasi:random/insecure-seed").draw_wide())
        .max_random_size(RANDOM_MAX_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

impl HostState {
    /// For a tool, the journal's time and how long it has been there since: a loop that waits for
    /// an instant would not end otherwise. A tool's result is recorded as a whole, so that nothing
    /// replays what it read here.
    fn monotonic_nanos(&self) -> u64 {
        let passed = if matches!(self.role, Role::Tool) { self.meter.elapsed() } else { Duration::ZERO };
        self.time.nanos().saturating_add(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl monotonic_clock::Host for HostState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.monotonic_nanos())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(NANOS_PER_MS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let duration = when.saturating_sub(self.monotonic_nanos());
        self.subscribe_duration(duration)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let duration = if matches!(self.role, Role::Tool) { duration } else { 0 };
        self.clocks().subscribe_duration(duration)
    }
}

/// Stdout or stderr of a guest. Each stream that a guest opens has its own unfinished line.
#[derive(Debug, Clone)]
struct Output {
    log: SharedLog,
    level: LogLevel,
    line: Vec<u8>,
}

impl Output {
    fn new(log: &SharedLog, level: LogLevel) -> Self {
        Self { log: Arc::clone(log), level, line: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line();
            } else {
                self.line.push(*byte);
                if self.line.len() >= LINE_MAX_BYTES {
                    self.end_line();
                }
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if !text.is_empty() {
            self.log.lock().unwrap_or_else(PoisonError::into_inner).add(self.level, text);
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Self::new(&self.log, self.level))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self::new(&self.log, self.level))
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
