//! The components that ship with pawl, embedded in the binary.

/// A component that ships with pawl.
#[derive(Debug, Clone, Copy)]
pub struct ShippedPlugin {
    /// Its name.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
    /// Its `plugin.toml`.
    pub manifest: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The components that ship with pawl, by name. Built by `cargo xtask plugins`.
        // A constant would be in the binary once for each unit of code that looks at it.
        pub static SHIPPED: &[ShippedPlugin] = &[$(ShippedPlugin {
            name: $name,
            bytes: include_bytes!(concat!("../../../../plugins/dist/", $name, ".wasm")),
            manifest: include_str!(concat!("../../../../plugins/dist/", $name, ".toml")),
        }),*];
    };
}

shipped![
    "assistant",
    "calc",
    "csv",
    "drafts",
    "echo",
    "flaky",
    "http",
    "jq",
    "notes",
    "orders",
    "payments",
    "planner",
    "reviewer",
    "router",
    "template",
    "text",
    "triage",
    "writer",
];
