//! Compiling, apart from everything that runs.
//!
//! How long a component takes to compile cannot be read from it (`weight.rs` bounds the memory), and
//! the compiler cannot be stopped. So it works on threads of its own, of the lowest priority, for a
//! few components at once; whoever waits for it does not wait beyond `compile_time_max_ms`. A
//! compiler that works on then gives its slot to the next component, as long as there are not too many
//! such; what it works on is refused until it has ended. Other runs go on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pawl_core::Digest;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::SandboxConfig;
use crate::error::SandboxError;
use crate::weight::check_component;

/// Compilers that work on after nobody waits for them any more. Beyond, their slots stay taken.
const LATE_MAX: usize = 4;
/// Of one thread that compiles. What is nested deeply in code needs more than usual.
const STACK_BYTES: usize = 8 << 20;
/// Added to the niceness of threads that compile: all else comes first.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// Who compiles now.
#[derive(Debug, Clone)]
pub(crate) struct Compilers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    slots: Arc<Semaphore>,
    late: Arc<Semaphore>,
    /// What a compiler still works on although nobody waits for it.
    given_up: Mutex<BTreeSet<Digest>>,
    threads: usize,
    time_max: Duration,
}

impl Shared {
    fn given_up(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit under which a compiler works; another takes its place when it is late.
type Permit = Arc<Mutex<OwnedSemaphorePermit>>;

/// What a compiler works on; everything is given back when it ends, however it ends.
struct Work {
    shared: Arc<Shared>,
    digest: Digest,
    _permit: Permit,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.shared.given_up().remove(&self.digest);
    }
}

impl Compilers {
    pub(crate) fn new(config: &SandboxConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let at_once = (config.compiles_max as usize).max(1);
        Self(Arc::new(Shared {
            slots: Arc::new(Semaphore::new(at_once)),
            late: Arc::new(Semaphore::new(LATE_MAX)),
            given_up: Mutex::default(),
            threads: (cores / at_once).max(1),
            time_max: Duration::from_millis(config.compile_time_max_ms),
        }))
    }

    /// Compiles a component. Dropping the future does not stop it, and its time is watched all the same.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        config: &SandboxConfig,
        digest: Digest,
        bytes: Vec<u8>,
    ) -> Result<Component, SandboxError> {
        let (shared, engine, limits) = (Arc::clone(&self.0), engine.clone(), config.component.clone());
        let compiled = tokio::spawn(watched(shared, digest, move || {
            check_component(&bytes, &limits)?;
            let invalid = |error| SandboxError::Invalid { reason: format!("{error:#}") };
            Component::from_binary(&engine, &bytes).map_err(invalid)
        }));
        compiled.await.unwrap_or_else(|error| Err(stopped(&error.to_string())))
    }
}

fn stopped(reason: &str) -> SandboxError {
    SandboxError::Engine(format!("the compiler stopped: {reason}"))
}

/// Does the work on threads of its own, and waits for it as long as it may take.
async fn watched<T: Send + 'static>(
    shared: Arc<Shared>,
    digest: Digest,
    work: impl FnOnce() -> Result<T, SandboxError> + Send + 'static,
) -> Result<T, SandboxError> {
    let limit_ms = u64::try_from(shared.time_max.as_millis()).unwrap_or(u64::MAX);
    let until = Instant::now() + shared.time_max;
    if shared.given_up().contains(&digest) {
        return Err(SandboxError::TooLong { limit_ms, is_late: true });
    }
    let Ok(slot) = timeout_at(until, Arc::clone(&shared.slots).acquire_owned()).await else {
        return Err(SandboxError::CompilersBusy { limit_ms });
    };
    let permit = Arc::new(Mutex::new(slot.map_err(|error| stopped(&error.to_string()))?));
    let (done, mut result) = oneshot::channel();
    let at_work = Work { shared: Arc::clone(&shared), digest, _permit: Arc::clone(&permit) };
    let threads = threads(shared.threads).map_err(|error| stopped(&error.to_string()))?;
    threads.spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(work());
        drop(at_work);
    });
    match timeout_at(until, &mut result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(stopped("it panicked")),
        Err(_) => {
            shared.given_up().insert(digest);
            // It may have ended right before, and would then be given up for ever.
            if !matches!(result.try_recv(), Err(TryRecvError::Empty)) {
                shared.given_up().remove(&digest);
                return Err(SandboxError::TooLong { limit_ms, is_late: false });
            }
            if let Ok(late) = Arc::clone(&shared.late).try_acquire_owned() {
                *permit.lock().unwrap_or_else(PoisonError::into_inner) = late;
            }
            tracing::warn!(%digest, "a component takes longer to compile than compile_time_max_ms ({limit_ms})");
            Err(SandboxError::TooLong { limit_ms, is_late: false })
        }
    }
}

/// Threads for one component, so that none waits for the parts of another. They end with its work.
fn threads(count: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .stack_size(STACK_BYTES)
        .thread_name(|number| format!("pawl-compile-{number}"))
        .start_handler(|_| step_back())
        // The panic is told by the channel that it closes.
        .panic_handler(|_| {})
        .build()
}

/// On Linux the niceness is a thread's own; elsewhere it would be the whole process's.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "compiling keeps the usual priority");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn compilers(time_max_ms: u64) -> Arc<Shared> {
        let config =
            SandboxConfig { compiles_max: 1, compile_time_max_ms: time_max_ms, ..SandboxConfig::default() };
        Compilers::new(&config).0
    }

    /// Work that goes on until its sender is dropped.
    fn endless(
        shared: &Arc<Shared>,
        name: &str,
    ) -> (mpsc::Sender<()>, impl Future<Output = Result<(), SandboxError>> + use<>) {
        let (end, ended) = mpsc::channel::<()>();
        let work = move || {
            let _ = ended.recv();
            Ok(())
        };
        (end, watched(Arc::clone(shared), Digest::of(name.as_bytes()), work))
    }

    #[tokio::test]
    async fn a_compiler_that_is_late_makes_room_and_is_not_begun_again() {
        let shared = compilers(20);
        let (end, late) = endless(&shared, "a");
        let error = late.await.unwrap_err().to_string();
        assert!(error.contains("compile_time_max_ms (20)"), "{error}");
        // The same again is refused at once, and something else is not.
        let again = watched(Arc::clone(&shared), Digest::of(b"a"), || Ok(())).await.unwrap_err();
        assert!(matches!(again, SandboxError::TooLong { is_late: true, .. }), "{again}");
        watched(Arc::clone(&shared), Digest::of(b"b"), || Ok(())).await.unwrap();
        // Once it has ended, it can be had again.
        let all = Arc::clone(&shared.late).acquire_many_owned(u32::try_from(LATE_MAX).unwrap());
        drop(end);
        drop(all.await.unwrap());
        while shared.given_up().contains(&Digest::of(b"a")) {
            tokio::task::yield_now().await;
        }
        watched(shared, Digest::of(b"a"), || Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_late_at_once() {
        let shared = compilers(20);
        let mut ends = Vec::new();
        for number in 0..=LATE_MAX {
            let (end, late) = endless(&shared, &number.to_string());
            assert!(matches!(late.await, Err(SandboxError::TooLong { is_late: false, .. })));
            ends.push(end);
        }
        // The last of them has kept the one slot.
        let busy = watched(Arc::clone(&shared), Digest::of(b"b"), || Ok(())).await.unwrap_err();
        assert!(matches!(busy, SandboxError::CompilersBusy { limit_ms: 20 }), "{busy}");
        drop(ends);
    }

    #[tokio::test]
    async fn a_compiler_that_panics_is_an_error_and_gives_its_slot_back() {
        let shared = compilers(60_000);
        for _ in 0..2 {
            let ended = watched::<()>(Arc::clone(&shared), Digest::of(b"a"), || panic!("on purpose")).await;
            let error = ended.unwrap_err().to_string();
            assert!(error.contains("the compiler stopped: it panicked"), "{error}");
        }
    }
}
