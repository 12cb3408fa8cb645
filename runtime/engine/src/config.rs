//! The engine's settings and limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use pawl_core::Namespace;
use pawl_core::guard::Policy;
use pawl_core::operator::{NamespaceGrants, PluginSource};
use pawl_core::route::OfferSetting;
use pawl_mcp::Servers;
use pawl_models::Models;
use pawl_registry::{Registries, TrustedKeys};
use pawl_sandbox::{Limits, SandboxConfig};

use crate::upkeep::RetentionSetting;
use crate::{Chance, Clock, LockMode, Secrets, StandIn, SystemChance, SystemClock};

/// The engine's settings and limits.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// A folder whose components come before those that ship with pawl.
    pub plugin_folder: Option<PathBuf>,
    /// How guests are compiled and held. `tools_max` and `agents_max` bound what is under way at
    /// once; more wait for their turn.
    pub sandbox: SandboxConfig,
    /// What one attempt may use at most; a plugin's manifest can only narrow it.
    pub limits: Limits,
    /// Values whose JSON is larger are kept in the blob store, in bytes.
    pub payload_inline_max_bytes: usize,
    /// What an agent's calls that are answered at once may hold until the next one that is
    /// recorded, as JSON, in bytes.
    pub silent_calls_max_bytes: usize,
    /// What all calls of one agent's attempt and their answers may hold, as JSON, in bytes: they are
    /// in memory whenever the agent runs.
    pub recorded_calls_max_bytes: usize,
    /// Tools that one `tools.call-all` of an agent calls at once; more wait for their turn. At least 1.
    pub calls_at_once_max: usize,
    /// What the agents of a run may keep in its memory, as JSON, in bytes.
    pub run_memory_max_bytes: usize,
    /// What a memory that runs share may hold, as JSON, in bytes, counted when a value is put: runs that put
    /// at the same moment may go beyond it by what they put.
    pub shared_memory_max_bytes: usize,
    /// Commands from outside that are not answered yet; more wait before they are accepted. At least 1.
    pub commands_max: usize,
    /// Which runs that are over are kept; all, when absent. Others are removed while the engine drives.
    pub retention: Option<RetentionSetting>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Whether models, servers and hosts that are asked are told of the trace that they are asked in, also where
    /// nobody outside began one.
    pub traced: bool,
    /// How many rows of a kind are counted for a gauge.
    pub metric_rows_counted_max: usize,
    /// Where chance comes from.
    pub chance: Arc<dyn Chance>,
    /// The models that agents may ask. Without any, workflows that grant some are not checked for their names.
    pub models: Option<Arc<dyn Models>>,
    /// The MCP servers whose tools can be called.
    pub mcp: Option<Arc<dyn Servers>>,
    /// What routes shall take plugins for, by their names, instead of what their manifests say.
    pub offers: Arc<BTreeMap<String, OfferSetting>>,
    /// Where plugins are that the operator gives to every workflow, by their names.
    pub sources: Arc<BTreeMap<String, PluginSource>>,
    /// What is asked of every run that is started, beyond what its workflow asks.
    pub policy: Policy,
    /// What the runs of namespaces may be granted.
    pub namespaces: Arc<BTreeMap<Namespace, NamespaceGrants>>,
    /// The secrets of the operator's file. Without them, workflows that grant some are not checked for their names,
    /// nor those that grant folders, and their tools get none.
    pub secrets: Option<Arc<Secrets>>,
    /// The file that the policy comes from, for messages.
    pub policy_file: String,
    /// Whether a plugin is held whose name was never used before, until [`Engine::accept_plugin`](crate::Engine).
    pub hold_new_plugins: bool,
    /// Whose plugins are used; everybody's, when there is none. Those that ship with pawl always are.
    pub trusted_keys: Arc<TrustedKeys>,
    /// Where plugins are fetched from that workflows name by `oci://`.
    pub registries: Arc<Registries>,
    /// What the lock beside a workflow means, where nothing else is said.
    pub lock: LockMode,
    /// What takes the place of plugins, in tests.
    pub stand_in: Option<Arc<dyn StandIn>>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            plugin_folder: None,
            sandbox: SandboxConfig::default(),
            limits: Limits::default(),
            payload_inline_max_bytes: 64 * 1024,
            silent_calls_max_bytes: 16 * 1024 * 1024,
            recorded_calls_max_bytes: 64 * 1024 * 1024,
            calls_at_once_max: 16,
            run_memory_max_bytes: 4 * 1024 * 1024,
            shared_memory_max_bytes: 4 * 1024 * 1024,
            commands_max: 4_096,
            retention: None,
            clock: Arc::new(SystemClock),
            traced: false,
            metric_rows_counted_max: crate::METRIC_ROWS_COUNTED_MAX,
            chance: Arc::new(SystemChance),
            models: None,
            mcp: None,
            offers: Arc::default(),
            sources: Arc::default(),
            policy: Policy::default(),
            namespaces: Arc::default(),
            secrets: None,
            policy_file: "pawl.yaml".to_owned(),
            hold_new_plugins: false,
            trusted_keys: Arc::default(),
            registries: Arc::default(),
            lock: LockMode::default(),
            stand_in: None,
        }
    }
}
