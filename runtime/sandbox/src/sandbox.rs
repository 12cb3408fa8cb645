//! The sandbox itself: one engine, one ticker, what is loaded, and turns for those who wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pawl_core::plugin::PluginKind;
use pawl_core::{Digest, Rank};
use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::SandboxError;
use crate::compile::Compilers;
use crate::config::{self, SandboxConfig};
use crate::host;
use crate::plugin::LoadedPlugin;
use crate::room::Room;
use crate::state::HostState;
use crate::ticker::{Active, Ticker};
use crate::turnstile::{Turn, Turnstile};

/// Runs plugins. Cloning is cheap; everything ends with the last clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    config: SandboxConfig,
    engine: Engine,
    linker: Linker<HostState>,
    ticker: Ticker,
    agents: Turnstile,
    tools: Turnstile,
    room: Room,
    compilers: Compilers,
    loaded: Mutex<Loaded>,
}

/// One plugin that is loaded, or being loaded: whoever comes second waits for the first.
pub(crate) type Slot = Arc<OnceCell<Arc<LoadedPlugin>>>;

/// What is in memory, by digest.
#[derive(Default)]
struct Loaded {
    slots: HashMap<Digest, (u64, Slot)>,
    uses: u64,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets up the engine, its pool and its ticker.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        host::http::choose_tls_provider();
        let engine = config::engine(&config)?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let ticker =
            Ticker::start(engine.clone()).map_err(|error| SandboxError::Engine(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            agents: Turnstile::new(config.agents_max),
            tools: Turnstile::new(config.tools_max),
            room: Room::default(),
            compilers: Compilers::new(&config),
            config,
            engine,
            linker,
            ticker,
            loaded: Mutex::default(),
        })))
    }

    /// The largest component that is compiled.
    pub fn component_max_bytes(&self) -> u64 {
        self.0.config.component.component_max_bytes
    }

    pub(crate) fn config(&self) -> &SandboxConfig {
        &self.0.config
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linker(&self) -> &Linker<HostState> {
        &self.0.linker
    }

    pub(crate) fn stack_max_bytes(&self) -> usize {
        self.0.config.stack_max_bytes
    }

    pub(crate) fn compilers(&self) -> &Compilers {
        &self.0.compilers
    }

    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Keeps the ticker beating for an instance.
    pub(crate) fn activate(&self) -> Active {
        self.0.ticker.activate()
    }

    /// Waits until one more instance of a kind may be active; the smallest rank comes first.
    pub(crate) async fn turn(&self, kind: PluginKind, rank: Rank) -> Turn<'_> {
        match kind {
            PluginKind::Agent => self.0.agents.turn(rank).await,
            PluginKind::Tool => self.0.tools.turn(rank).await,
        }
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a component in memory. Runs that still use an evicted one keep it.
    pub(crate) fn slot(&self, digest: Digest) -> Slot {
        let mut loaded = self.loaded();
        loaded.uses += 1;
        let now = loaded.uses;
        if let Some((used, slot)) = loaded.slots.get_mut(&digest) {
            *used = now;
            return Arc::clone(slot);
        }
        if loaded.slots.len() >= self.0.config.loaded_max {
            let oldest = loaded.slots.iter().min_by_key(|(_, (used, _))| *used).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                loaded.slots.remove(&oldest);
            }
        }
        let slot = Slot::default();
        loaded.slots.insert(digest, (now, Arc::clone(&slot)));
        slot
    }
}
