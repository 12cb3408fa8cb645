//! All servers of an operator.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::operator::Operator;
use pawl_core::plugin::ToolDescription;
use pawl_core::{Failure, FailureKind};

use crate::server::Server;
use crate::{McpCall, McpEnd, McpError, Servers};

/// The MCP servers of a `pawl.yaml`.
#[derive(Debug, Default)]
pub struct Hub {
    servers: BTreeMap<String, Arc<Server>>,
}

impl Hub {
    /// The servers that an operator names; paths are relative to `folder`. None is started yet.
    pub fn new(operator: &Operator, folder: &Path) -> Result<Self, McpError> {
        let server = |(name, spec): (&String, _)| Ok((name.clone(), Server::new(name, spec, folder)?));
        Ok(Self { servers: operator.mcp.iter().map(server).collect::<Result<_, McpError>>()? })
    }

    fn get(&self, name: &str) -> Result<&Arc<Server>, Failure> {
        self.servers.get(name).ok_or_else(|| {
            let message = format!("there is no MCP server '{name}'; name it under `mcp` in pawl.yaml");
            Failure::new(FailureKind::InvalidInput, message)
        })
    }
}

#[async_trait]
impl Servers for Hub {
    fn names(&self) -> Vec<String> {
        self.servers.keys().cloned().collect()
    }

    async fn describe(&self, server: &str) -> Result<Vec<ToolDescription>, Failure> {
        self.get(server)?.describe().await
    }

    async fn call(&self, call: McpCall<'_>) -> Result<McpEnd, Failure> {
        self.get(call.server)?.call(call).await
    }

    async fn close(&self) {
        let mut closing = tokio::task::JoinSet::new();
        for server in self.servers.values().map(Arc::clone) {
            closing.spawn(async move { server.close().await });
        }
        closing.join_all().await;
    }
}
