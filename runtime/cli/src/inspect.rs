//! Looks into components without running them.

use std::sync::Arc;

use pawl_core::plugin::{Permissions, PluginOrigin};
use pawl_engine::EngineError;
use pawl_sandbox::{LoadedPlugin, Sandbox, SandboxConfig};

use crate::fault::Fault;
use crate::place::Place;

/// How many turns the pool is made for: one component of another language may need several shares.
const POOL_SHARE: u32 = 8;

/// Loads components, one at a time.
#[derive(Debug)]
pub(crate) struct Inspector {
    sandbox: Sandbox,
}

impl Inspector {
    pub(crate) fn new(place: &Place) -> Result<Self, Fault> {
        let config = SandboxConfig {
            cache_dir: place.cache(),
            agents_max: POOL_SHARE,
            tools_max: POOL_SHARE,
            ..SandboxConfig::default()
        };
        Ok(Self { sandbox: Sandbox::new(config).map_err(EngineError::from)? })
    }

    /// Compiles a component and asks it what it is.
    pub(crate) async fn load(&self, name: &str, bytes: &[u8]) -> Result<Arc<LoadedPlugin>, Fault> {
        self.sandbox.load(bytes).await.map_err(|error| {
            Fault::usage(format!("plugin '{name}' cannot be loaded: {error}"))
                .hint("rebuild the component, or name another file")
        })
    }
}

/// Where a plugin comes from, for people.
pub(crate) fn origin(origin: &PluginOrigin) -> String {
    match origin {
        PluginOrigin::Workflow(path) | PluginOrigin::Folder(path) | PluginOrigin::Registry(path) => {
            path.clone()
        }
        PluginOrigin::Operator(from) => format!("{from} in pawl.yaml"),
        PluginOrigin::Shipped => "ships with pawl".to_owned(),
        PluginOrigin::Mcp(server) => format!("mcp.{server} in pawl.yaml"),
    }
}

/// The imports of a plugin, and for those that need a permission, which: as the sandbox says it.
pub(crate) fn imports(loaded: &LoadedPlugin) -> Vec<(String, Option<String>)> {
    let missing = loaded.missing(&Permissions::default());
    let need = |import: &str| {
        let path = import.split('@').next().unwrap_or(import);
        let explained = missing.iter().find(|text| text.split([' ', '@']).next() == Some(path))?;
        let (_, reason) = explained.split_once(" (")?;
        Some(reason.trim_end_matches(')').to_owned())
    };
    loaded.imports().iter().map(|import| (import.clone(), need(import))).collect()
}
