//! The one WebAssembly configuration.
//!
//! Everything that could make two runs of the same guest differ is off: threads, NaN bits,
//! relaxed SIMD. Guests are interrupted by epochs. Memory and stacks come from a pool with
//! copy-on-write images; where the machine cannot reserve the pool, they are made on demand.

use std::path::PathBuf;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::SandboxError;
use crate::cache;
use crate::limits::Limits;
use crate::weight::ComponentLimits;

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
    /// as private as the binary. `None` compiles anew in each process, and so does a folder that
    /// others can write in.
    pub cache_dir: Option<PathBuf>,
    /// Agents that are active at once; more wait for their turn.
    pub agents_max: u32,
    /// Tools that are active at once; more wait for their turn. Apart from the agents, so that
    /// agents that wait for tools cannot keep them from starting.
    pub tools_max: u32,
    /// How large and how heavy a component may be that is compiled.
    pub component: ComponentLimits,
    /// How long compiling a component may take, with the wait for a turn.
    pub compile_time_max_ms: u64,
    /// Components that are compiled at once; more wait for their turn.
    pub compiles_max: u32,
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
            component: ComponentLimits::default(),
            compile_time_max_ms: 120_000,
            compiles_max: 2,
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
        config.cache(cache::open(folder)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A flag of the code generator, as it stands in what the engine compiles: its name, then the kind
    /// of its value, a boolean, then the value.
    fn has(compiled: &[u8], flag: &str, value: bool) -> bool {
        let entry = [flag.as_bytes(), &[2, u8::from(value)]].concat();
        compiled.windows(entry.len()).any(|window| window == entry)
    }

    #[test]
    fn code_is_compiled_with_its_guards_against_speculation() {
        const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
        let engine = Engine::new(&deterministic(&SandboxConfig::default())).unwrap();
        let compiled = engine.precompile_component(EMPTY_COMPONENT).unwrap();
        for guard in ["enable_heap_access_spectre_mitigation", "enable_table_access_spectre_mitigation"] {
            assert!(has(&compiled, guard, true), "{guard} is not on");
        }
        // Where this cannot be read any more, it is told.
        assert!(has(&compiled, "machine_code_cfg_info", false));
    }
}
