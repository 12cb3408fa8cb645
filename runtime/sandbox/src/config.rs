//! The one WebAssembly configuration.
//!
//! Everything that could make two runs of the same guest differ is off: threads, NaN bits,
//! relaxed SIMD. Guests are interrupted by epochs. Memory and stacks come from a pool with
//! copy-on-write images; where the machine cannot reserve the pool, they are made on demand.

use std::path::{Path, PathBuf};

use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use crate::SandboxError;
use crate::limits::Limits;

/// The stack that is left to host functions, which run on the guest's fiber.
const HOST_STACK_BYTES: usize = 1536 << 10;
/// How large one memory of the pool can become; `memory_max_bytes` beyond it has no effect.
pub(crate) const POOL_MEMORY_MAX_BYTES: usize = 1 << 30;
/// How many elements one table of the pool can have; `table_elements_max` beyond it has no effect.
pub(crate) const POOL_TABLE_ELEMENTS_MAX: usize = 100_000;
/// What stays mapped of a memory, table or stack that goes back to the pool.
const KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Core instances of one component: those of Python and JavaScript have several dozen.
pub(crate) const CORE_INSTANCES_MAX: u32 = 64;
/// Tables of one component.
pub(crate) const TABLES_MAX: u32 = 16;
/// Linear memories of one component.
pub(crate) const MEMORIES_MAX: u32 = 4;

/// How the sandbox is set up. Limits of one attempt are in [`Limits`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where compiled code is kept. Whoever can write there can run native code as pawl: keep it
    /// as private as the binary. `None` compiles anew in each process.
    pub cache_dir: Option<PathBuf>,
    /// Agents that are active at once; more wait for their turn.
    pub agents_max: u32,
    /// Tools that are active at once; more wait for their turn. Apart from the agents, so that
    /// agents that wait for tools cannot keep them from starting.
    pub tools_max: u32,
    /// The largest component that is compiled.
    pub component_max_bytes: u64,
    /// Components kept in memory, compiled and linked; the least recently used goes first.
    pub loaded_max: usize,
    /// The stack of one guest.
    pub stack_max_bytes: usize,
    /// What `describe` may use.
    pub describe: Limits,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            agents_max: 256,
            tools_max: 256,
            component_max_bytes: 64 << 20,
            loaded_max: 128,
            stack_max_bytes: 512 << 10,
            describe: Limits { guest_time_max_ms: 2_000, wall_time_max_ms: 10_000, ..Limits::default() },
        }
    }
}

/// The engine that everything runs on.
pub(crate) fn engine(settings: &SandboxConfig) -> Result<Engine, SandboxError> {
    let mut config = deterministic(settings);
    if let Some(folder) = &settings.cache_dir {
        config.cache(Some(cache(folder)?));
    }
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "the instance pool cannot be reserved; instances are made on demand, which is slower"
            );
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config).map_err(|error| SandboxError::Engine(format!("{error:#}")))
        }
    }
}

/// Threads are not even compiled into this wasmtime (its feature `threads` is not taken); a test
/// makes sure that a component with a shared memory is refused.
fn deterministic(settings: &SandboxConfig) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .concurrency_support(false)
        .max_wasm_stack(settings.stack_max_bytes)
        .async_stack_size(settings.stack_max_bytes.saturating_add(HOST_STACK_BYTES));
    config
}

fn pool(settings: &SandboxConfig) -> PoolingAllocationConfig {
    let components = settings.agents_max.saturating_add(settings.tools_max);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(components)
        .total_stacks(components)
        .total_core_instances(components.saturating_mul(8))
        .total_memories(components.saturating_mul(2))
        .total_tables(components.saturating_mul(4))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_memory_size(POOL_MEMORY_MAX_BYTES)
        .table_elements(POOL_TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

fn cache(folder: &Path) -> Result<Cache, SandboxError> {
    let unusable = |reason: String| SandboxError::CacheDir { path: folder.to_owned(), reason };
    std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    let folder = folder.canonicalize().map_err(|error| unusable(error.to_string()))?;
    remove_unfinished(&folder);
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map_err(|error| unusable(format!("{error:#}")))
}

/// Removes what a process that was killed left half written: wasmtime makes such a file only where
/// there is none, so that its entry would never be written again. All go, however young, since a
/// restart follows a kill at once. Should another process be writing one at this moment, it loses
/// that entry, says so in its log, and compiles the next time.
fn remove_unfinished(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_unfinished = entry.file_name().to_string_lossy().contains(".wip-");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_unfinished(&entry.path()),
            Ok(kind) if kind.is_file() && is_unfinished => {
                if let Err(error) = std::fs::remove_file(entry.path()) {
                    tracing::warn!(%error, path = %entry.path().display(), "an unfinished file stays in the cache");
                }
            }
            _ => {}
        }
    }
}
