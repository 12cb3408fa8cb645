//! What the operator says, which may change while runs go on.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use pawl_core::Namespace;
use pawl_core::guard::Policy;
use pawl_core::operator::{NamespaceGrants, PluginSource};
use pawl_core::route::OfferSetting;
use pawl_mcp::Servers;
use pawl_models::Models;

use crate::{Engine, EngineConfig, Secrets};

/// What the operator says: the part of [`EngineConfig`] that can be given anew, with [`Engine::reload`].
#[derive(Debug, Clone)]
pub struct OperatorSays {
    /// The models that agents may ask.
    pub models: Option<Arc<dyn Models>>,
    /// The MCP servers whose tools can be called.
    pub mcp: Option<Arc<dyn Servers>>,
    /// What routes shall take plugins for, by their names.
    pub offers: Arc<BTreeMap<String, OfferSetting>>,
    /// Where plugins are that are given to every workflow, by their names.
    pub sources: Arc<BTreeMap<String, PluginSource>>,
    /// What is asked of every run that is started from now on.
    pub policy: Policy,
    /// What the runs of namespaces may be granted.
    pub namespaces: Arc<BTreeMap<Namespace, NamespaceGrants>>,
    /// The secrets that tools may send.
    pub secrets: Option<Arc<Secrets>>,
    /// Whether a plugin is held whose name was never used before.
    pub hold_new_plugins: bool,
    /// The file that the policy comes from, for messages.
    pub policy_file: String,
    /// Whether whoever is asked is told of the trace of a run that nobody outside began one for.
    pub traced: bool,
}

impl OperatorSays {
    /// What an engine is begun with.
    pub fn of(config: &EngineConfig) -> Self {
        Self {
            models: config.models.clone(),
            mcp: config.mcp.clone(),
            offers: Arc::clone(&config.offers),
            sources: Arc::clone(&config.sources),
            policy: config.policy.clone(),
            namespaces: Arc::clone(&config.namespaces),
            secrets: config.secrets.clone(),
            hold_new_plugins: config.hold_new_plugins,
            policy_file: config.policy_file.clone(),
            traced: config.traced,
        }
    }

    /// What is asked of the runs of a namespace. One that the file says nothing of has no secret and no folder.
    pub fn policy_of(&self, namespace: &Namespace) -> Policy {
        if namespace.is_default() {
            return self.policy.clone();
        }
        self.namespaces.get(namespace).cloned().unwrap_or_default().policy(&self.policy)
    }

    /// Where that is said, for messages.
    pub(crate) fn said_of(&self, namespace: &Namespace) -> String {
        let file = &self.policy_file;
        if namespace.is_default() { file.clone() } else { format!("{file} (namespaces: {namespace})") }
    }
}

/// What the operator said last.
#[derive(Debug)]
pub(crate) struct Standing(RwLock<Arc<OperatorSays>>);

impl Standing {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self(RwLock::new(Arc::new(OperatorSays::of(config))))
    }

    /// As it is now; what is begun with it goes on with it.
    pub(crate) fn now(&self) -> Arc<OperatorSays> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, says: OperatorSays) -> Arc<OperatorSays> {
        let mut standing = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut standing, Arc::new(says))
    }
}

impl Engine {
    /// What is asked of the runs of a namespace that are started now.
    pub fn policy_of(&self, namespace: &Namespace) -> Policy {
        self.context.standing.now().policy_of(namespace)
    }

    /// The MCP servers as they were given last.
    pub fn servers(&self) -> Option<Arc<dyn Servers>> {
        self.context.catalog.servers()
    }

    /// From now on the MCP servers are these. Gives those from before, which are not closed.
    pub fn replace_servers(&self, servers: Option<Arc<dyn Servers>>) -> Option<Arc<dyn Servers>> {
        self.context.catalog.replace_servers(servers)
    }

    /// From now on models, MCP servers, plugins, offers and the policy are these. Runs that were started before keep the policy
    /// that they were started under, and a question that is under way is answered by the model that it was put to. MCP
    /// servers that are not the same any more are closed: a call that is under way with one fails, and may be tried
    /// again with the new one.
    pub async fn reload(&self, says: OperatorSays) {
        let servers = says.mcp.clone();
        self.context.catalog.replace_sources(&says.policy_file, &says.sources);
        let before = self.context.standing.replace(says);
        let is_same = match (&before.mcp, &servers) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        if let Some(old) = self.context.catalog.replace_servers(servers) {
            old.close().await;
        }
    }
}
