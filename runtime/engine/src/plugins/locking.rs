//! The lock beside a workflow: what it lets pass, and what it is made of.
//!
//! It is that of the workflow which is started, also for the plugins of the workflows that this one starts: who
//! starts something says what is run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pawl_core::Digest;
use pawl_core::definition::Definition;
use pawl_core::oci::Reference;
use pawl_core::plugin::{MCP_PREFIX, Permissions, PluginOrigin, PluginPin, PluginPins, WorkflowPins};
use pawl_registry::{LOCK_FILE, Lock, LockError, Locked, path_from};

use super::{Catalog, PluginEntry};
use crate::driver::Context;
use crate::workflow::Workflow;
use crate::{EngineError, files};

/// What the lock beside a workflow means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockMode {
    /// It is looked at only for what the workflow itself leaves open.
    #[default]
    Free,
    /// What is not in it is refused.
    Strict,
    /// It is about to be made anew, and not looked at.
    Anew,
}

/// The lock that a workflow is prepared under.
#[derive(Debug)]
pub(crate) struct Locking {
    folder: PathBuf,
    mode: LockMode,
    /// Where nothing else may pass.
    strict: Option<Lock>,
}

impl Locking {
    pub(crate) fn new(folder: &Path, mode: LockMode) -> Result<Self, EngineError> {
        let strict = match mode {
            LockMode::Free | LockMode::Anew => None,
            LockMode::Strict => {
                let missing = || LockError::Missing(folder.join(LOCK_FILE).display().to_string());
                Some(read(folder)?.ok_or_else(missing)?)
            }
        };
        Ok(Self { folder: folder.to_owned(), mode, strict })
    }

    /// Refuses what is not in the lock, before anything of it is compiled.
    pub(crate) fn check(&self, entry: &PluginEntry) -> Result<(), EngineError> {
        let Some(lock) = &self.strict else { return Ok(()) };
        // An MCP server has no bytes, and is known by what it says when it is asked.
        if matches!(entry.origin, PluginOrigin::Mcp(_)) {
            return Ok(());
        }
        self.compare(lock, &entry.name, &entry.origin, &Digest::of(&entry.bytes))
    }

    /// Refuses an MCP server whose tools are not described as they were when it was locked.
    pub(crate) fn check_server(&self, name: &str, pin: &PluginPin) -> Result<(), EngineError> {
        match (&self.strict, &pin.origin) {
            (Some(lock), PluginOrigin::Mcp(_)) => self.compare(lock, name, &pin.origin, &pin.component),
            _ => Ok(()),
        }
    }

    fn compare(
        &self,
        lock: &Lock,
        name: &str,
        origin: &PluginOrigin,
        found: &Digest,
    ) -> Result<(), EngineError> {
        let file = self.folder.join(LOCK_FILE).display().to_string();
        Ok(lock.check(&file, name, &origin_in(origin, &self.folder), found)?)
    }

    /// Refuses a workflow whose plugins are chosen when its steps are reached: that may be any by then.
    pub(crate) fn check_routes(&self, definition: &Definition, file: &str) -> Result<(), EngineError> {
        if self.strict.is_none() || !definition.has_routes() {
            return Ok(());
        }
        let routed = definition.steps.iter().filter(|step| step.route().is_some());
        let steps: Vec<String> = routed.map(|step| format!("step '{}'", step.id)).collect();
        Err(LockError::Routed { file: file.to_owned(), steps: steps.join(", ") }.into())
    }

    /// The place in a registry that the lock has for a tag.
    fn place_of(&self, name: &str, tagged: &Reference) -> Result<Option<Reference>, EngineError> {
        let beside = match &self.strict {
            Some(_) => None,
            None => read(&self.folder)?,
        };
        let Some(lock) = self.strict.as_ref().or(beside.as_ref()) else { return Ok(None) };
        let mut places = lock.named(name).filter_map(|plugin| plugin.origin.parse::<Reference>().ok());
        Ok(places.find(|place| place.is_place_of(tagged) && place.digest.is_some()))
    }
}

/// The plugin that a workflow names in a registry, with the digest that says which it is: the workflow's own, or
/// that of the lock, or for a new lock the one that the tag stands for now.
pub(crate) async fn pinned(
    catalog: &Catalog,
    locking: &Locking,
    name: &str,
    reference: Reference,
) -> Result<Reference, EngineError> {
    if reference.digest.is_some() {
        return Ok(reference);
    }
    let resolve = catalog.registries().resolve(&reference);
    if locking.mode == LockMode::Anew {
        let failed = |source| EngineError::Registry { name: name.to_owned(), source: Box::new(source) };
        return Ok(reference.at(resolve.await.map_err(failed)?));
    }
    if let Some(locked) = locking.place_of(name, &reference)? {
        return Ok(locked);
    }
    let hint = match resolve.await {
        Ok(digest) => format!("write {}, or run `pawl lock`", reference.at(digest)),
        Err(error) => format!("run `pawl lock` when the registry can be asked ({error})"),
    };
    Err(EngineError::NoDigest { name: name.to_owned(), reference: reference.to_string(), hint })
}

/// The lock of a folder, where it has one.
pub(crate) fn read(folder: &Path) -> Result<Option<Lock>, EngineError> {
    let path = folder.join(LOCK_FILE);
    let file = path.display().to_string();
    match files::read_text(&path) {
        Ok(text) => Ok(Some(Lock::parse(&file, &text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LockError::Unreadable { file, line: 0, reason: error.to_string() }.into()),
    }
}

/// Where a plugin came from, as a lock says it.
fn origin_in(origin: &PluginOrigin, folder: &Path) -> String {
    match origin {
        PluginOrigin::Workflow(path) => path_from(folder, Path::new(path)),
        PluginOrigin::Folder(_) => "folder".to_owned(),
        PluginOrigin::Shipped => "shipped".to_owned(),
        PluginOrigin::Registry(reference) => reference.clone(),
        // Where a file of the operator's is says nothing to another machine.
        PluginOrigin::Operator(from) if Reference::is_meant(from) => from.clone(),
        PluginOrigin::Operator(_) => "operator".to_owned(),
        PluginOrigin::Mcp(server) => format!("mcp.{server}"),
    }
}

/// The plugins of a workflow, and of those that it starts, as a lock in this folder holds them.
pub(crate) async fn locked_plugins(
    context: &Context,
    workflow: &Workflow,
    folder: &Path,
) -> Result<Vec<Locked>, EngineError> {
    let mut found = BTreeSet::new();
    collect(&workflow.plugins, &workflow.workflows, folder, &mut found);
    let mut locked = Vec::new();
    for (name, origin, digest) in found {
        let blob = workflow.blobs.iter().find(|blob| blob.digest == digest);
        let Some(blob) = blob else { continue };
        // What a server needs is between it and the operator.
        if name.starts_with(MCP_PREFIX) {
            locked.push(Locked { name, origin, digest, needs: Vec::new() });
            continue;
        }
        let loaded = context.catalog.loaded(&blob.bytes).await?;
        // Each as `interface@version (what grants it)`.
        let needs = loaded.missing(&Permissions::default());
        let needs =
            needs.iter().filter_map(|need| need.split([' ', '@']).next().map(str::to_owned)).collect();
        locked.push(Locked { name, origin, digest, needs });
    }
    Ok(locked)
}

fn collect(
    plugins: &PluginPins,
    workflows: &WorkflowPins,
    folder: &Path,
    found: &mut BTreeSet<(String, String, Digest)>,
) {
    for (name, pin) in plugins {
        found.insert((name.clone(), origin_in(&pin.origin, folder), pin.component));
    }
    // As deep as workflows may start workflows, and no deeper.
    for pin in workflows.values() {
        collect(&pin.plugins, &pin.workflows, folder, found);
    }
}
