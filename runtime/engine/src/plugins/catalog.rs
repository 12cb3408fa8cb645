//! Finds plugins by name and holds what was loaded of them.
//!
//! The order is fixed: what the workflow names, then what the operator's file gives, then the plugin folder, then
//! what ships with pawl; the pin says which it was.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pawl_core::definition::Schema;
use pawl_core::oci::Reference;
use pawl_core::plugin::{Description, MCP_PREFIX, PluginOrigin, PluginPin};
use pawl_core::{Digest, RunId};
use pawl_mcp::Servers;
use pawl_registry::{Package, Registries, SIGNATURE_MAX_BYTES, TrustedKeys, signature_place};
use pawl_sandbox::{Limits, LoadedPlugin, Manifest, Sandbox};
use pawl_store::{Blob, Store};

use super::limits::as_map;
use super::servers::{DescribedTools, Schemas, pinned_server};
use super::settle::settled;
use super::supply::Supply;
use super::{SHIPPED, manifest_places};
use crate::routes::Registry;
use crate::{EngineConfig, EngineError, files, journal};

/// A plugin that can be used by name.
#[derive(Debug, Clone)]
pub struct PluginEntry {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub origin: PluginOrigin,
    /// The component's bytes; none of an MCP server, which is no component.
    pub bytes: Arc<[u8]>,
    /// Its `plugin.toml`, where there is one.
    pub manifest: Option<String>,
    /// What somebody who signed it has put beside it, where there is such a file.
    pub signature: Option<String>,
}

/// A plugin that can be used by name, or why it cannot be had.
#[derive(Debug)]
pub struct ListedPlugin {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub origin: PluginOrigin,
    /// The plugin.
    pub entry: Result<PluginEntry, EngineError>,
}

impl From<PluginEntry> for ListedPlugin {
    fn from(entry: PluginEntry) -> Self {
        Self { name: entry.name.clone(), origin: entry.origin.clone(), entry: Ok(entry) }
    }
}

/// A loaded component with its schemas compiled: arguments before results.
#[derive(Debug)]
pub(crate) struct ReadyPlugin {
    pub(crate) loaded: Arc<LoadedPlugin>,
    pub(crate) schemas: Schemas,
}

/// Finds and loads plugins.
#[derive(Debug)]
pub(crate) struct Catalog {
    sandbox: Sandbox,
    folder: Option<PathBuf>,
    /// What one attempt may use at most.
    ceiling: Limits,
    trusted: Arc<TrustedKeys>,
    registries: Arc<Registries>,
    ready: Mutex<HashMap<Digest, Arc<ReadyPlugin>>>,
    servers: RwLock<Option<Arc<dyn Servers>>>,
    described: DescribedTools,
    pub(super) supply: Supply,
    /// What is known of plugins for routes.
    pub(crate) registry: Registry,
}

/// The name under which an agent's own schemas stand.
pub(crate) const AGENT_SCHEMAS: &str = "";

impl Catalog {
    pub(crate) fn new(sandbox: Sandbox, config: &EngineConfig) -> Self {
        let (folder, ceiling) = (config.plugin_folder.clone(), config.limits.clone());
        let supply = Supply::default();
        supply.replace(&config.policy_file, &config.sources);
        Self {
            sandbox,
            folder,
            ceiling,
            trusted: Arc::clone(&config.trusted_keys),
            registries: Arc::clone(&config.registries),
            ready: Mutex::default(),
            servers: RwLock::new(config.mcp.clone()),
            described: DescribedTools::default(),
            supply,
            registry: Registry::default(),
        }
    }

    pub(crate) fn servers(&self) -> Option<Arc<dyn Servers>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on the servers are these; gives those from before.
    pub(crate) fn replace_servers(&self, servers: Option<Arc<dyn Servers>>) -> Option<Arc<dyn Servers>> {
        std::mem::replace(&mut *self.servers.write().unwrap_or_else(PoisonError::into_inner), servers)
    }

    /// The schemas of a pinned server's tools.
    pub(crate) fn schemas(&self, pin: &PluginPin) -> Result<Arc<Schemas>, EngineError> {
        self.described.get(pin)
    }

    pub(crate) const fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Every plugin that can be used by name, sorted by name; one that the operator's file gives may not be had.
    pub(crate) async fn list(&self) -> Result<Vec<ListedPlugin>, EngineError> {
        let mut entries = BTreeMap::new();
        for shipped in SHIPPED {
            entries.insert(shipped.name.to_owned(), ListedPlugin::from(from_binary(shipped)));
        }
        for path in self.folder_files()? {
            settled(&path).await;
            if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
                let entry = self.read_file(name, &path, PluginOrigin::Folder(path.display().to_string()))?;
                entries.insert(name.to_owned(), entry.into());
            }
        }
        for (name, source) in self.sources().iter() {
            // Gone if the operator's file was read again meanwhile.
            let Some(entry) = self.looked_at(name).await else { continue };
            let origin = PluginOrigin::Operator(source.to_string());
            entries.insert(name.clone(), ListedPlugin { name: name.clone(), origin, entry });
        }
        entries.extend(self.server_names().map(|server| (server_name(&server), from_server(&server).into())));
        Ok(entries.into_values().collect())
    }

    fn server_names(&self) -> impl Iterator<Item = String> {
        self.servers().into_iter().flat_map(|servers| servers.names())
    }

    pub(crate) fn folder_files(&self) -> Result<Vec<PathBuf>, EngineError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let unreadable = |error: std::io::Error| EngineError::Unreadable {
            path: folder.display().to_string(),
            reason: error.to_string(),
        };
        let files = match std::fs::read_dir(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut paths = Vec::new();
        for file in files {
            let path = file.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// The plugin of this name: a path given by the workflow, what the operator's file gives, the folder, or what
    /// ships with pawl.
    ///
    /// The folder is looked at anew each time, so what is dropped into it is there at once; a file
    /// that is still being written is waited for.
    pub(crate) async fn find(&self, name: &str, path: Option<&Path>) -> Result<PluginEntry, EngineError> {
        if let Some(path) = path {
            settled(path).await;
            return self.read_file(name, path, PluginOrigin::Workflow(path.display().to_string()));
        }
        if let Some(server) = name.strip_prefix(MCP_PREFIX) {
            let is_there = self.server_names().any(|known| known == server);
            return is_there.then(|| from_server(server)).ok_or_else(|| EngineError::NoPlugin {
                name: name.to_owned(),
                hint: "name the server under `mcp` in pawl.yaml, the operator's file".to_owned(),
            });
        }
        if let Some(supplied) = self.supplied(name).await {
            return supplied;
        }
        // A name with a path in it would lead out of the folder.
        let in_folder = self.folder.as_ref().filter(|_| is_file_name(name));
        let in_folder = in_folder.map(|folder| folder.join(format!("{name}.wasm")));
        if let Some(path) = in_folder.filter(|path| path.exists()) {
            settled(&path).await;
            return self.read_file(name, &path, PluginOrigin::Folder(path.display().to_string()));
        }
        SHIPPED.iter().find(|shipped| shipped.name == name).map(from_binary).ok_or_else(|| {
            let known: Vec<_> = SHIPPED.iter().map(|shipped| shipped.name).collect();
            let folder = self
                .folder
                .as_ref()
                .map_or_else(String::new, |folder| format!("put {name}.wasm into {}, or ", folder.display()));
            let hint = format!(
                "{folder}name its file under `plugins:` in the workflow; these ship with pawl: {}",
                known.join(", ")
            );
            EngineError::NoPlugin { name: name.to_owned(), hint }
        })
    }

    /// The plugin that a registry has under this name, which has a digest.
    pub(crate) async fn fetch(&self, name: &str, reference: &Reference) -> Result<PluginEntry, EngineError> {
        let pulled = self.registries.pull(reference, self.sandbox.component_max_bytes()).await;
        let Package { component, manifest, signature } = pulled
            .map_err(|source| EngineError::Registry { name: name.to_owned(), source: Box::new(source) })?;
        let origin = PluginOrigin::Registry(reference.to_string());
        Ok(PluginEntry { name: name.to_owned(), origin, bytes: component.into(), manifest, signature })
    }

    pub(crate) fn registries(&self) -> &Registries {
        &self.registries
    }

    pub(super) fn read_file(
        &self,
        name: &str,
        path: &Path,
        origin: PluginOrigin,
    ) -> Result<PluginEntry, EngineError> {
        read_file(name, path, self.sandbox.component_max_bytes(), origin)
    }

    /// The names of all that can be used by name, whatever their components are.
    pub(crate) fn names(&self) -> Vec<String> {
        let in_folder = self.folder_files().unwrap_or_default();
        let in_folder = in_folder.iter().filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
        let servers = self.server_names().map(|server| server_name(&server));
        let sources = self.sources();
        let given = sources.keys().cloned();
        let shipped = SHIPPED.iter().map(|shipped| shipped.name.to_owned());
        shipped.chain(in_folder).chain(given).chain(servers).collect()
    }

    /// Refuses a plugin that nobody has signed whom the operator trusts, where the operator says whom. What ships
    /// with pawl is trusted as pawl is, and MCP servers are the operator's own.
    pub(crate) fn trust(&self, entry: &PluginEntry) -> Result<(), EngineError> {
        if self.trusted.is_empty() || matches!(entry.origin, PluginOrigin::Shipped | PluginOrigin::Mcp(_)) {
            return Ok(());
        }
        let (manifest, signature) = (entry.manifest.as_deref(), entry.signature.as_deref());
        self.trusted.check(&Digest::of(&entry.bytes), manifest, signature).map_err(|source| {
            let (name, place) = (entry.name.clone(), place(&entry.origin));
            EngineError::Untrusted { name, place, source: Box::new(source) }
        })
    }

    /// Loads an entry that is trusted, checks it against its manifest, and pins it. An MCP server, which the operator
    /// names itself, is asked for its tools.
    pub(crate) async fn pin(&self, entry: &PluginEntry) -> Result<(PluginPin, Blob), EngineError> {
        if let (PluginOrigin::Mcp(server), Some(servers)) = (&entry.origin, self.servers()) {
            return pinned_server(servers.as_ref(), server).await;
        }
        self.trust(entry)?;
        let failed = |source| EngineError::Plugin {
            name: entry.name.clone(),
            place: place(&entry.origin),
            source: Box::new(source),
        };
        let ready = self.load(&entry.bytes).await.map_err(failed)?;
        let (mut limits, mut named) = (self.ceiling.clone(), None);
        if let Some(text) = &entry.manifest {
            let manifest = Manifest::parse(text).map_err(failed)?;
            manifest.check(&ready.loaded).map_err(failed)?;
            if matches!(entry.origin, PluginOrigin::Folder(_)) {
                manifest.check_name(&entry.name).map_err(failed)?;
            }
            limits = manifest.limits_within(&self.ceiling).map_err(failed)?;
            named = Some(manifest.name).filter(|name| *name != entry.name);
        }
        let blob = Blob { digest: ready.loaded.digest(), bytes: Arc::clone(&entry.bytes) };
        let pin = PluginPin {
            component: blob.digest,
            origin: entry.origin.clone(),
            description: ready.loaded.description().clone(),
            limits: as_map(&limits),
            named,
        };
        Ok((pin, blob))
    }

    /// The component that a run is pinned to, from memory or from the store.
    pub(crate) async fn pinned(
        &self,
        store: &dyn Store,
        run: RunId,
        digest: Digest,
    ) -> Result<Arc<ReadyPlugin>, EngineError> {
        if let Some(ready) = self.cached(&digest) {
            return Ok(ready);
        }
        let bytes = journal::fetch(store, run, &digest, "a component").await?;
        Ok(self.load(&bytes).await?)
    }

    /// A component that was found.
    pub(crate) async fn loaded(&self, bytes: &[u8]) -> Result<Arc<LoadedPlugin>, EngineError> {
        Ok(Arc::clone(&self.load(bytes).await?.loaded))
    }

    /// A component that was loaded before.
    pub(crate) fn held(&self, digest: &Digest) -> Option<Arc<LoadedPlugin>> {
        self.cached(digest).map(|ready| Arc::clone(&ready.loaded))
    }

    /// How many are held.
    pub(crate) fn count(&self) -> usize {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn cached(&self, digest: &Digest) -> Option<Arc<ReadyPlugin>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    async fn load(&self, bytes: &[u8]) -> Result<Arc<ReadyPlugin>, pawl_sandbox::SandboxError> {
        let digest = Digest::of(bytes);
        if let Some(ready) = self.cached(&digest) {
            return Ok(ready);
        }
        let loaded = self.sandbox.load(bytes).await?;
        let schemas = compile(loaded.description())?;
        let ready = Arc::new(ReadyPlugin { loaded, schemas });
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, Arc::clone(&ready));
        Ok(ready)
    }
}

pub(super) fn compile(description: &Description) -> Result<Schemas, pawl_sandbox::SandboxError> {
    let pair = |name: &str, input: &serde_json::Value, output: &serde_json::Value| {
        let compiled = Schema::new(input.clone()).and_then(|input| Ok((input, Schema::new(output.clone())?)));
        compiled.map(|pair| (name.to_owned(), pair)).map_err(|error| {
            pawl_sandbox::SandboxError::Description(format!("the schemas of '{name}': {error}"))
        })
    };
    match description {
        Description::Tools(tools) => {
            tools.iter().map(|tool| pair(&tool.name, &tool.input_schema, &tool.output_schema)).collect()
        }
        Description::Agent(agent) => {
            std::iter::once(pair(AGENT_SCHEMAS, &agent.input_schema, &agent.output_schema)).collect()
        }
    }
}

fn server_name(server: &str) -> String {
    format!("{MCP_PREFIX}{server}")
}

fn from_server(server: &str) -> PluginEntry {
    let origin = PluginOrigin::Mcp(server.to_owned());
    PluginEntry { name: server_name(server), origin, bytes: Arc::from([]), manifest: None, signature: None }
}

fn from_binary(shipped: &super::ShippedPlugin) -> PluginEntry {
    PluginEntry {
        name: shipped.name.to_owned(),
        origin: PluginOrigin::Shipped,
        bytes: Arc::from(shipped.bytes),
        manifest: Some(shipped.manifest.to_owned()),
        signature: None,
    }
}

impl From<&super::ShippedPlugin> for PluginEntry {
    fn from(shipped: &super::ShippedPlugin) -> Self {
        from_binary(shipped)
    }
}

fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == name)
}

fn read_file(
    name: &str,
    path: &Path,
    max_bytes: u64,
    origin: PluginOrigin,
) -> Result<PluginEntry, EngineError> {
    let unreadable = |path: &Path, error: &std::io::Error| EngineError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let bytes = files::read(path, max_bytes).map_err(|error| unreadable(path, &error))?;
    let mut manifest = None;
    for beside in manifest_places(path) {
        match files::read_text(&beside) {
            Ok(text) => manifest = Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&beside, &error)),
        }
        break;
    }
    let beside = signature_place(path);
    let signature = match files::read(&beside, SIGNATURE_MAX_BYTES as u64) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&beside, &error)),
    };
    Ok(PluginEntry { name: name.to_owned(), origin, bytes: bytes.into(), manifest, signature })
}

pub(super) fn place(origin: &PluginOrigin) -> String {
    match origin {
        PluginOrigin::Workflow(path) | PluginOrigin::Folder(path) | PluginOrigin::Registry(path) => {
            path.clone()
        }
        PluginOrigin::Operator(from) => format!("{from}, given by the operator's file"),
        PluginOrigin::Shipped => "shipped with pawl".to_owned(),
        PluginOrigin::Mcp(server) => format!("MCP server '{server}'"),
    }
}

#[cfg(test)]
mod tests {
    use pawl_sandbox::SandboxConfig;

    use super::*;

    #[tokio::test]
    async fn a_name_does_not_lead_out_of_the_plugin_folder() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("plugins");
        std::fs::create_dir(&folder).unwrap();
        for path in [around.path().join("evil.wasm"), folder.join("good.wasm")] {
            std::fs::write(path, "what it is does not matter here").unwrap();
        }
        let config = SandboxConfig { agents_max: 1, tools_max: 1, ..SandboxConfig::default() };
        let settings = EngineConfig { plugin_folder: Some(folder), ..EngineConfig::default() };
        let catalog = Catalog::new(Sandbox::new(config).unwrap(), &settings);
        assert!(catalog.find("good", None).await.is_ok());
        let absolute = around.path().join("evil").display().to_string();
        for name in ["../evil", "./good", "x/../good", absolute.as_str(), "..", ""] {
            let found = catalog.find(name, None).await;
            assert!(matches!(found, Err(EngineError::NoPlugin { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_manifest_is_named_after_its_component_or_stands_beside_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let manifest = || read_file("a", &file("a.wasm"), 100, PluginOrigin::Shipped).unwrap().manifest;
        std::fs::write(file("a.wasm"), "").unwrap();
        assert_eq!(manifest(), None);
        std::fs::write(file("plugin.toml"), "shared").unwrap();
        assert_eq!(manifest().as_deref(), Some("shared"));
        std::fs::write(file("b.wasm"), "").unwrap();
        assert_eq!(manifest(), None, "whose would it be?");
        std::fs::write(file("a.toml"), "own").unwrap();
        assert_eq!(manifest().as_deref(), Some("own"));
    }
}
