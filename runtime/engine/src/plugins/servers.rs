//! MCP servers as plugins: what a run is pinned to is what a server says of its tools.
//!
//! A server has no component. Its pin's digest is that of the description, which the store keeps as it keeps
//! components, so that all that goes over pins finds what it looks for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::definition::Schema;
use pawl_core::plugin::{Description, PluginOrigin, PluginPin};
use pawl_core::{Digest, canonical_json};
use pawl_mcp::Servers;
use pawl_store::Blob;
use serde_json::json;

use super::catalog::compile;
use crate::EngineError;

/// Schemas by the name of their tool, arguments before results.
pub(crate) type Schemas = BTreeMap<String, (Schema, Schema)>;

/// Descriptions whose schemas are held at once; beyond it, all are compiled again when they are needed.
const DESCRIBED_MAX: usize = 100;

/// Asks a server for its tools, and pins them.
pub(super) async fn pinned_server(
    servers: &dyn Servers,
    server: &str,
) -> Result<(PluginPin, Blob), EngineError> {
    let tools = servers.describe(server).await.map_err(EngineError::Mcp)?;
    let blob = Blob::new(canonical_json(&json!({ "mcp": server, "tools": tools })).as_bytes());
    let pin = PluginPin {
        component: blob.digest,
        origin: PluginOrigin::Mcp(server.to_owned()),
        description: Description::Tools(tools),
        limits: BTreeMap::new(),
        named: None,
    };
    Ok((pin, blob))
}

/// The compiled schemas of what runs are pinned to.
#[derive(Debug, Default)]
pub(super) struct DescribedTools(Mutex<HashMap<Digest, Arc<Schemas>>>);

impl DescribedTools {
    pub(super) fn get(&self, pin: &PluginPin) -> Result<Arc<Schemas>, EngineError> {
        let held = |described: &Self| {
            described.0.lock().unwrap_or_else(PoisonError::into_inner).get(&pin.component).cloned()
        };
        if let Some(schemas) = held(self) {
            return Ok(schemas);
        }
        let schemas = Arc::new(compile(&pin.description)?);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= DESCRIBED_MAX {
            held.clear();
        }
        held.insert(pin.component, Arc::clone(&schemas));
        Ok(schemas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_schemas_are_compiled_again() {
        let described = DescribedTools::default();
        let pin = |n: usize| PluginPin {
            component: Digest::of(&n.to_be_bytes()),
            origin: PluginOrigin::Mcp("files".to_owned()),
            description: Description::Tools(Vec::new()),
            limits: BTreeMap::new(),
            named: None,
        };
        for n in 0..DESCRIBED_MAX {
            described.get(&pin(n)).unwrap();
        }
        assert_eq!(described.0.lock().unwrap().len(), DESCRIBED_MAX);
        described.get(&pin(DESCRIBED_MAX)).unwrap();
        assert_eq!(described.0.lock().unwrap().len(), 1);
    }
}
