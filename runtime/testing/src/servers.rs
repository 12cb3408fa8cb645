//! MCP servers that need not be there, since the tests replace their tools.
//!
//! Nobody has said what such a tool takes and gives, so it takes anything, gives what any tool of a server may, and is
//! called again after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::plugin::{EffectClass, MCP_PREFIX, ToolDescription, split_tool};
use pawl_core::source::test_file::{Gives, TestFile};
use pawl_core::{Failure, FailureKind};
use pawl_engine::Engine;
use pawl_mcp::{McpCall, McpEnd, Servers, undescribed};

/// Servers with the tools that tests replace, and the operator's.
#[derive(Debug)]
pub(crate) struct PlayedServers {
    played: BTreeMap<String, BTreeSet<String>>,
    real: Option<Arc<dyn Servers>>,
}

impl PlayedServers {
    /// Those of which the tests of a file replace tools, and never let one answer itself; nothing where there is none.
    pub(crate) fn of(tests: &TestFile, real: Option<Arc<dyn Servers>>) -> Option<Self> {
        let mut played: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut needed = BTreeSet::new();
        for mock in tests.tests.iter().flat_map(|test| &test.tools) {
            let Some((plugin, tool)) = split_tool(&mock.name) else { continue };
            let Some(server) = plugin.strip_prefix(MCP_PREFIX) else { continue };
            if mock.rules.iter().any(|rule| matches!(rule.gives, Gives::Real)) {
                needed.insert(server.to_owned());
            }
            played.entry(server.to_owned()).or_default().insert(tool.to_owned());
        }
        played.retain(|server, _| !needed.contains(server));
        (!played.is_empty()).then_some(Self { played, real })
    }

    /// Whether the operator names one of those that are played.
    pub(crate) fn has_real(&self) -> bool {
        let names = self.real.iter().flat_map(|real| real.names()).collect::<BTreeSet<_>>();
        self.played.keys().any(|server| names.contains(server))
    }
}

#[async_trait]
impl Servers for PlayedServers {
    fn names(&self) -> Vec<String> {
        let real = self.real.iter().flat_map(|real| real.names());
        real.chain(self.played.keys().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    async fn describe(&self, server: &str) -> Result<Vec<ToolDescription>, Failure> {
        match (self.played.get(server), &self.real) {
            (Some(tools), _) => {
                Ok(tools.iter().map(|tool| undescribed(tool, EffectClass::Idempotent)).collect())
            }
            (None, Some(real)) => real.describe(server).await,
            (None, None) => Err(nobody(server)),
        }
    }

    async fn call(&self, call: McpCall<'_>) -> Result<McpEnd, Failure> {
        match &self.real {
            Some(real) if !self.played.contains_key(call.server) => real.call(call).await,
            _ => Err(nobody(call.server)),
        }
    }

    async fn close(&self) {}
}

fn nobody(server: &str) -> Failure {
    let message = format!(
        "the MCP server '{server}' is not started by this test, which does not say what the tool gives; \
         name it under `tools`"
    );
    Failure::new(FailureKind::Permanent, message)
}

/// Has an engine take other servers for its own as long as this lives.
pub(crate) struct Instead<'a> {
    engine: &'a Engine,
    before: Option<Arc<dyn Servers>>,
}

impl<'a> Instead<'a> {
    pub(crate) fn of(engine: &'a Engine, servers: Arc<dyn Servers>) -> Self {
        Self { engine, before: engine.replace_servers(Some(servers)) }
    }
}

impl Drop for Instead<'_> {
    fn drop(&mut self) {
        self.engine.replace_servers(self.before.take());
    }
}
