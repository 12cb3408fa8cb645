//! What `wit/plugin.wit` says, as Rust. Generated; nothing here is written by hand.
//!
//! The types of both worlds are the same ones, and those of WASI are wasmtime-wasi's.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated from the WIT files")]

pub(crate) mod agent {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pawl:plugin/agent",
        imports: {
            "pawl:plugin/clock.now": trappable,
            "pawl:plugin/random.next": trappable,
            default: async | trappable,
        },
        exports: { default: async },
    });
}

pub(crate) mod tool {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "pawl:plugin/tool",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "pawl:plugin/types": super::agent::pawl::plugin::types,
            "pawl:plugin/log": super::agent::pawl::plugin::log,
            "pawl:plugin/clock": super::agent::pawl::plugin::clock,
            "pawl:plugin/random": super::agent::pawl::plugin::random,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        },
    });
}

pub(crate) use agent::exports::pawl::plugin::agent_guest;
pub(crate) use agent::pawl::plugin as host;
pub(crate) use tool::exports::pawl::plugin::tool_guest;
pub(crate) use tool::pawl::plugin as tool_host;
