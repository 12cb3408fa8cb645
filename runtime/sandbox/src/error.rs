//! Why a plugin could not be loaded.

use std::path::PathBuf;

use pawl_core::{Failure, plugin::PluginKind};

use crate::manifest::ManifestPlace;

/// Why the sandbox could not be made, or a plugin could not be loaded. What goes wrong in an
/// attempt is a [`Failure`] instead.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The bytes are something else.
    #[error("this is not a WebAssembly component but {found}; {hint}")]
    NotComponent {
        /// What it looks like.
        found: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The file ends too early.
    #[error(
        "the component is truncated: {what} needs {needed} bytes and {available} are there; \
         copy or download the file again"
    )]
    Truncated {
        /// The part that is cut off.
        what: String,
        /// How long it says it is.
        needed: u64,
        /// How long it is.
        available: u64,
    },
    /// The file is larger than anything that is compiled.
    #[error(
        "the component has {size} bytes, more than component_max_bytes ({limit}); build it with optimization for size and strip it"
    )]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Compiling it would take more than it may.
    #[error(
        "{what} would take too much to compile: more than {name} ({limit}); divide it into smaller functions, \
         of fewer locals and fewer blocks within each other, or build it with optimization"
    )]
    TooHeavy {
        /// The part.
        what: String,
        /// The limit's name.
        name: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It is made of more modules and components than can ever have instances.
    #[error(
        "the component is made of more modules and components than PARTS_MAX ({limit}); join its modules, \
         or make several plugins of it"
    )]
    TooManyParts {
        /// The limit.
        limit: usize,
    },
    /// Compiling it takes longer than it may.
    #[error(
        "the component takes longer to compile than compile_time_max_ms ({limit_ms}){}; \
         build it with optimization for size, of smaller functions",
        if *is_late { ", and is still being compiled" } else { "" }
    )]
    TooLong {
        /// The limit.
        limit_ms: u64,
        /// Whether that was found before, and its compiler has not ended since.
        is_late: bool,
    },
    /// Other components are being compiled, and take too long.
    #[error(
        "the component waited for a turn to be compiled longer than compile_time_max_ms ({limit_ms}), for others \
         take too long; look for them in the log, take them away, and start pawl again"
    )]
    CompilersBusy {
        /// The limit.
        limit_ms: u64,
    },
    /// The bytes do not follow the format, or use what the sandbox has switched off.
    #[error(
        "the component is not valid: {reason}; rebuild it for wasm32-unknown-unknown or wasm32-wasip2, without threads"
    )]
    Invalid {
        /// The validator's words.
        reason: String,
    },
    /// It targets neither world.
    #[error(
        "the component exports neither pawl:plugin/tool-guest@0.1.0 nor pawl:plugin/agent-guest@0.1.0 \
         (it exports: {exports}); build it for the world `tool` or `agent` of pawl:plugin"
    )]
    NoWorld {
        /// What it exports instead.
        exports: String,
    },
    /// It targets both worlds.
    #[error(
        "the component exports both tool-guest and agent-guest; a plugin is one of the two, make two components"
    )]
    BothWorlds,
    /// An interface has the right name and other types.
    #[error(
        "the component does not fit pawl:plugin@0.1.0: {reason}; rebuild it with the WIT files of this version"
    )]
    Mismatch {
        /// Where and how.
        reason: String,
    },
    /// `describe` did not end well.
    #[error("the plugin could not describe itself: {0}")]
    Describe(Failure),
    /// `describe` gave something that cannot be used.
    #[error("the plugin's description is wrong: {0}; correct what its `describe` returns")]
    Description(String),
    /// `plugin.toml` does not parse, or has a key or a type that it should not have.
    #[error("plugin.toml, {place}: {reason}")]
    ManifestSyntax {
        /// Where.
        place: ManifestPlace,
        /// What is wrong.
        reason: String,
    },
    /// A value in `plugin.toml` cannot be used.
    #[error("plugin.toml, {place}: `{key}` {reason}")]
    ManifestValue {
        /// Where.
        place: ManifestPlace,
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The manifest is another plugin's, or its file has another's name.
    #[error(
        "plugin.toml, {place}: name = {manifest:?}, but the file's name makes the plugin {used:?}; give both the same name"
    )]
    ManifestName {
        /// Where.
        place: ManifestPlace,
        /// What the manifest says.
        manifest: String,
        /// The name under which the component was found.
        used: String,
    },
    /// The manifest names the other kind.
    #[error("plugin.toml, {place}: kind = \"{}\", but the component is a plugin of kind \"{}\"; correct `kind`, or name another component", manifest.name(), component.name())]
    ManifestKind {
        /// Where.
        place: ManifestPlace,
        /// What the manifest says.
        manifest: PluginKind,
        /// What the component exports.
        component: PluginKind,
    },
    /// The component imports more than the manifest says it needs.
    #[error("plugin.toml, {place}: it lists too few capabilities: the component imports {}; add them to `capabilities`", missing.join(", "))]
    ManifestCapabilities {
        /// Where they are listed, or could be.
        place: ManifestPlace,
        /// Imports, each with the capability that covers it.
        missing: Vec<String>,
    },
    /// The folder for compiled code cannot be used.
    #[error("the folder for compiled code {path} cannot be used: {reason}", path = path.display())]
    CacheDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// wasmtime does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
}
