//! How long a warm call takes: instance from the pool, one call, everything dropped.
//!
//! `cargo run --release -p pawl-sandbox --example warm_call`
#![allow(clippy::print_stdout, reason = "an example that prints its figures")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use pawl_sandbox::Limits;
use support::{call, sandbox, tool};

const WARM: usize = 1_000;
const MEASURED: usize = 20_000;

#[tokio::main]
async fn main() {
    let sandbox = sandbox();
    let guest = tool("(call $ok (local.get $args_ptr) (local.get $args_len))");
    let plugin = sandbox.load(&guest.build()).await.expect("the guest loads");
    let mut times = Vec::with_capacity(MEASURED);
    for round in 0..WARM + MEASURED {
        let call = call(Limits::default());
        let begin = Instant::now();
        let end = sandbox.call_tool(&plugin, call).await;
        let time = begin.elapsed();
        assert!(end.result.is_ok());
        if round >= WARM {
            times.push(time);
        }
    }
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100];
    let show = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    println!("warm call: p50 {}, p99 {}", show(at(50)), show(at(99)));
}
