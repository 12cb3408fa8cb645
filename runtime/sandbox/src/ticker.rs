//! The pulse that interrupts guests.
//!
//! One thread advances the engine's epoch while at least one guest is active, and sleeps without
//! waking otherwise. It ends with the sandbox. Nothing else advances the epoch.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

/// The length of one epoch.
pub(crate) const TICK: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
struct Beat {
    active: usize,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    beat: Mutex<Beat>,
    changed: Condvar,
}

impl Shared {
    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread and its end.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Keeps the ticker beating while it lives.
#[derive(Debug)]
pub(crate) struct Active(Arc<Shared>);

impl Ticker {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("pawl-ticker".into()).spawn(move || tick(&engine, &theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn activate(&self) -> Active {
        let mut beat = self.shared.beat();
        beat.active += 1;
        if beat.active == 1 {
            self.shared.changed.notify_one();
        }
        Active(Arc::clone(&self.shared))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.beat().active -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.beat().ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread runs nothing that can panic; its result says nothing.
            let _ = thread.join();
        }
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut beat = shared.beat();
    while !beat.ended {
        let woken = if beat.active == 0 {
            shared.changed.wait(beat).unwrap_or_else(PoisonError::into_inner)
        } else {
            let (woken, _) = shared.changed.wait_timeout(beat, TICK).unwrap_or_else(PoisonError::into_inner);
            engine.increment_epoch();
            woken
        };
        beat = woken;
    }
}
