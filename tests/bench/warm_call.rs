//! What one call of a tool costs in the sandbox: an instance from the pool, the call, and its end.
//!
//! `cargo bench --workspace --bench warm_call [-- CALLS]`
//!
//! The component is loaded and linked; everything else is new for each call. One call after the other, on one
//! thread.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pawl_core::plugin::Permissions;
use pawl_core::{Rank, Timestamp};
use pawl_sandbox::{Limits, Sandbox, SandboxConfig, ToolCall};
use pawl_tests::{at_ms, cpu_time, root};
use serde_json::json;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLS: usize = 50_000;
const WARM_UP_CALLS: usize = 2_000;
/// What the project wants to stay below.
const AIM_US: f64 = 30.0;

fn main() -> Result<()> {
    let calls = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(CALLS).max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(calls))
}

async fn measure(calls: usize) -> Result<()> {
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let bytes = std::fs::read(root().join("plugins/dist/echo.wasm"))?;
    let plugin = sandbox.load(&bytes).await?;
    let mut took = Vec::with_capacity(calls);
    let mut cpu = Duration::ZERO;
    for number in 0..WARM_UP_CALLS + calls {
        if number == WARM_UP_CALLS {
            cpu = cpu_time();
        }
        let call = call(number);
        let begun = Instant::now();
        let end = sandbox.call_tool(&plugin, call).await;
        if number >= WARM_UP_CALLS {
            took.push(begun.elapsed());
        }
        let Ok(value) = end.result else { bail!("the call failed: {end:?}") };
        ensure!(value == json!({ "text": "to and fro" }), "the tool gave {value}");
    }
    let cpu = cpu_time().saturating_sub(cpu);
    took.sort_unstable();
    let p50 = at_ms(&took, 50) * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let each = cpu.as_secs_f64() * 1e6 / calls as f64;
    let holds = if p50 < AIM_US { "holds" } else { "is missed" };
    #[expect(clippy::print_stdout, reason = "the benchmark's result")]
    {
        println!("a warm call of a pooled component, {calls} calls one after the other, µs");
        println!("{:>7} {:>7} {:>9}", "p50", "p99", "CPU/call");
        println!("{p50:>7.1} {:>7.1} {each:>9.1}", at_ms(&took, 99) * 1e3);
        println!("the aim of {AIM_US} µs {holds}");
    }
    Ok(())
}

fn call(number: usize) -> ToolCall {
    ToolCall {
        tool: "say".into(),
        arguments: json!({ "text": "to and fro" }),
        idempotency_key: number.to_string(),
        run: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
        step: "say".into(),
        attempt: 1,
        rank: Rank::new(Timestamp(0), 50),
        deadline: None,
        now: Timestamp(1_700_000_000_000),
        seed: [7; 32],
        grants: Permissions::default(),
        secrets: None,
        mounts: Vec::new(),
        limits: Limits::default(),
        progress: None,
        trace: None,
    }
}
