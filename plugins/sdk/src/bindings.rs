//! What wit-bindgen makes of `wit/plugin.wit`. Not part of the interface: the export macros need it.
//!
//! Each world only imports what the finished component calls, so everything may stand here.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    clippy::pedantic,
    reason = "generated"
)]

/// The agent world, and the interfaces that both worlds share.
pub mod agent {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "pawl:plugin/agent",
        pub_export_macro: true,
        export_macro_name: "export_agent_world",
        default_bindings_module: "pawl_plugin::bindings::agent",
    });
}

/// The tool world; what it shares with the agent world is that world's.
pub mod tool {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "pawl:plugin/tool",
        pub_export_macro: true,
        export_macro_name: "export_tool_world",
        default_bindings_module: "pawl_plugin::bindings::tool",
        generate_all,
        with: {
            "pawl:plugin/types@0.1.0": crate::bindings::agent::pawl::plugin::types,
            "pawl:plugin/log@0.1.0": crate::bindings::agent::pawl::plugin::log,
            "pawl:plugin/clock@0.1.0": crate::bindings::agent::pawl::plugin::clock,
            "pawl:plugin/random@0.1.0": crate::bindings::agent::pawl::plugin::random,
        },
    });
}

pub use agent::exports::pawl::plugin::agent_guest;
pub use agent::pawl::plugin::{
    agents, clock, grants, human, log, memory, models, random, signals, timers, tools, types,
};
pub use tool::exports::pawl::plugin::tool_guest;
pub use tool::pawl::plugin::secrets;
