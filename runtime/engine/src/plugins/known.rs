//! What can be asked of the plugins that there are, and what is accepted of them.

use std::path::Path;

use pawl_core::event::Candidate;
use pawl_core::plugin::{PluginKind, PluginPin};
use pawl_core::route::RouteQuery;
use pawl_sandbox::Manifest;

use super::acceptance::{self, Asked, Demands, HeldPlugin};
use super::catalog::{ListedPlugin, PluginEntry};
use crate::routes::{RoutedPlugin, standing_of, standings};
use crate::{Engine, EngineError, Workflow};

impl Engine {
    /// Every plugin that can be used by name, without those that the operator's file gives and that cannot be had.
    pub async fn plugins(&self) -> Result<Vec<PluginEntry>, EngineError> {
        let listed = self.context.catalog.list().await?;
        Ok(listed.into_iter().filter_map(|plugin| plugin.entry.ok()).collect())
    }

    /// Every plugin that can be used by name, with those that cannot be had.
    pub async fn listed_plugins(&self) -> Result<Vec<ListedPlugin>, EngineError> {
        self.context.catalog.list().await
    }

    /// The plugin of this name.
    pub async fn plugin_named(&self, name: &str) -> Result<PluginEntry, EngineError> {
        self.context.catalog.find(name, None).await
    }

    /// The plugins that a route would choose among, the best first, and then those that almost match. What a
    /// step grants is not looked at.
    pub async fn candidates(
        &self,
        query: &RouteQuery,
    ) -> Result<Vec<(Candidate, RoutedPlugin)>, EngineError> {
        standings(&self.context, query).await
    }

    /// How a plugin that was described stands among those that offer the same, one entry a capability: its name, and
    /// what a route would see of it. No other plugin is looked at.
    pub async fn standing_of(&self, entry: &PluginEntry, pin: &PluginPin) -> Vec<(String, Candidate)> {
        standing_of(&self.context, entry, pin).await
    }

    /// How many components are in memory, ready to be used.
    pub fn loaded_plugins(&self) -> usize {
        self.context.catalog.count()
    }

    /// The plugin in this file, with the manifest beside it.
    pub async fn plugin_file(&self, name: &str, path: &Path) -> Result<PluginEntry, EngineError> {
        self.context.catalog.find(name, Some(path)).await
    }

    /// Refuses a plugin that nobody has signed whom the operator trusts, where the operator says whom.
    pub fn trust_plugin(&self, entry: &PluginEntry) -> Result<(), EngineError> {
        self.context.catalog.trust(entry)
    }

    /// Loads a plugin, checks it against its manifest and says what it is.
    pub async fn describe_plugin(&self, entry: &PluginEntry) -> Result<PluginPin, EngineError> {
        Ok(self.context.catalog.pin(entry).await?.0)
    }

    /// What kind of plugin it is, as its manifest says; one without a manifest is loaded to find out.
    pub async fn plugin_kind(&self, entry: &PluginEntry) -> Result<PluginKind, EngineError> {
        if entry.bytes.is_empty() {
            // An MCP server is no component, and offers tools.
            return Ok(PluginKind::Tool);
        }
        let manifest = entry.manifest.as_ref().and_then(|text| Manifest::parse(text).ok());
        match manifest {
            Some(manifest) => Ok(manifest.kind),
            None => Ok(self.describe_plugin(entry).await?.description.kind()),
        }
    }

    /// The interfaces that a plugin imports.
    pub async fn plugin_imports(&self, entry: &PluginEntry) -> Result<Vec<String>, EngineError> {
        let loaded = self.context.catalog.sandbox().load(&entry.bytes).await?;
        Ok(loaded.imports().to_vec())
    }

    /// What a plugin asks for, and what was accepted of it. Looking accepts nothing.
    pub async fn plugin_asks(&self, entry: &PluginEntry) -> Result<Asked, EngineError> {
        acceptance::asked(&self.context, entry).await
    }

    /// The plugins that were refused for what they ask for, and are not accepted yet.
    pub async fn held_plugins(&self) -> Result<Vec<HeldPlugin>, EngineError> {
        acceptance::all_held(self.store().as_ref()).await
    }

    /// Accepts what was refused last under a plugin's name, as it was shown; nothing where nothing was.
    pub async fn accept_plugin(&self, name: &str) -> Result<Option<HeldPlugin>, EngineError> {
        acceptance::accept_held(self.store().as_ref(), name).await
    }

    /// Accepts what a plugin asks for, beside what was accepted under its name before.
    pub async fn accept_demands(&self, name: &str, demands: &Demands) -> Result<(), EngineError> {
        acceptance::accept(self.store().as_ref(), name, demands, None).await
    }

    /// What the plugins of a workflow ask for, and those of the workflows that it starts.
    pub async fn demands(&self, workflow: &Workflow) -> Result<Vec<(String, Demands)>, EngineError> {
        acceptance::demands(&self.context, workflow).await
    }
}
