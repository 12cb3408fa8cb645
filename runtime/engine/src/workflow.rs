//! Workflows that are ready to be started, and the definitions of those that run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::budget::Prices;
use pawl_core::definition::{Definition, Verb};
use pawl_core::diagnostic::Diagnostics;
use pawl_core::oci::Reference;
use pawl_core::plugin::{
    Ceiling, Permissions, PluginKind, PluginOrigin, PluginPins, WorkflowPin, WorkflowPins,
};
use pawl_core::route::Offer;
use pawl_core::source::{self, KnownModels, WorkflowShape};
use pawl_core::{Digest, Namespace, RunId, StepId};
use pawl_store::{Blob, Store};

use crate::driver::Context;
use crate::plugins::{LockMode, Locking, PluginEntry, names, pinned};
use crate::routes::offers;
use crate::{EngineError, files, journal, withhold};

/// Definitions held in memory at once; beyond it, all are read again when they are needed.
const DEFINITIONS_MAX: usize = 1_000;

/// A workflow that is ready to be started: validated, its plugins found and pinned.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The validated definition.
    pub definition: Arc<Definition>,
    /// The folder of its file, where it grants files.
    pub folder: Option<String>,
    /// Its plugins, bound to the bytes that were found.
    pub plugins: Arc<PluginPins>,
    /// The workflows that it starts, pinned as well.
    pub workflows: WorkflowPins,
    /// What models cost, where a budget in it, or in a workflow that it starts, counts money.
    pub prices: Prices,
    /// Problems that keep nothing from running, rendered.
    pub warnings: Vec<String>,
    /// The source and the components, which the store keeps.
    pub(crate) blobs: Arc<Vec<Blob>>,
    /// The models that its agents may ask, and those of the workflows that it starts.
    pub(crate) models: BTreeSet<String>,
}

/// How deeply workflows may start workflows.
pub const WORKFLOWS_MAX_DEPTH: usize = 8;

/// Reads a workflow's source, finds its plugins and the workflows that it
/// starts, and checks one against the other.
pub(crate) async fn prepare(
    context: &Context,
    file: &str,
    text: &str,
    base: &Path,
    lock: LockMode,
    namespace: &Namespace,
) -> Result<Workflow, EngineError> {
    let locking = Locking::new(base, lock)?;
    let around = Around { namespace: namespace.clone(), ..Around::default() };
    // Apart, for it takes much room: everybody who starts something would carry it along.
    let workflow = Box::pin(prepare_within(context, file, text, base, &locking, &around)).await?;
    names::check(context, &workflow, namespace).await?;
    Ok(workflow)
}

/// The namespace of a workflow's runs, and the workflows that lead to it.
#[derive(Debug, Clone, Default)]
struct Around {
    namespace: Namespace,
    /// Their files, the outermost first.
    files: Vec<PathBuf>,
    /// The most that a step of each lets the run that it starts be granted, with the step's file.
    ceilings: Vec<(String, Ceiling)>,
}

/// The same for one that others lead to.
async fn prepare_within(
    context: &Context,
    file: &str,
    text: &str,
    base: &Path,
    locking: &Locking,
    around: &Around,
) -> Result<Workflow, EngineError> {
    let loaded = source::load(file, text)?;
    locking.check_routes(&loaded.definition, file)?;
    let folder = withhold::folder(&loaded.definition, base)?;
    withhold::check(&loaded.definition, file, folder.as_deref(), &context.standing.now(), &around.namespace)?;
    for (by, ceiling) in &around.ceilings {
        withhold::check_child(&loaded.definition, file, folder.as_deref(), by, ceiling)?;
    }
    let (plugins, others, mut blobs) = pin_plugins(context, locking, &loaded.definition, base).await?;
    blobs.push(Blob::new(text.as_bytes()));
    let mut prices = Prices::new();
    let (mut workflows, mut shapes, mut below) = (WorkflowPins::new(), BTreeMap::new(), Vec::new());
    for (name, path) in &loaded.definition.workflows {
        let mut around = around.clone();
        around.ceilings.extend(withhold::ceilings(&loaded.definition, name, file, folder.as_deref()));
        let child = Box::pin(prepare_child(context, file, &base.join(path), locking, around)).await?;
        let shape = WorkflowShape { models: child.models, ..WorkflowShape::of(&child.definition) };
        shapes.insert(name.clone(), shape);
        prices.extend(child.prices);
        let definition = &child.definition;
        let pin = WorkflowPin {
            workflow: definition.name.clone(),
            version: definition.version.clone(),
            definition: definition.digest,
            folder: child.folder,
            plugins: child.plugins,
            workflows: child.workflows,
        };
        workflows.insert(name.clone(), pin);
        blobs.extend(child.blobs.iter().cloned());
        below.extend(child.warnings);
    }
    let says = context.standing.now();
    let models = says.models.as_ref();
    let models = models.map(|models| KnownModels { names: models.names(), prices: models.prices() });
    let problems = source::check_plugins(&loaded, file, text, &plugins, &others, &shapes, models.as_ref());
    if problems.has_errors() {
        return Err(problems.into());
    }
    let routed = loaded.definition.has_routes();
    let kind = if loaded.definition.has_routed_tools() { PluginKind::Tool } else { PluginKind::Agent };
    let offers = if routed { offers(context, kind).await? } else { BTreeMap::new() };
    let unanswered = if routed {
        source::check_routes(&loaded, file, text, &with_pins(offers, &plugins))
    } else {
        Diagnostics::new(file, text)
    };
    let warnings = [&loaded.warnings, &problems, &unanswered];
    let mut warnings: Vec<String> =
        warnings.iter().filter(|w| !w.is_empty()).map(|w| w.render(false)).collect();
    warnings.extend(below);
    let mut granted: BTreeSet<String> = loaded.definition.models_of_agents().map(str::to_owned).collect();
    granted.extend(shapes.into_values().flat_map(|shape| shape.models));
    if loaded.definition.counts_money() {
        prices.extend(models.unwrap_or_default().prices);
    }
    let definition = context.definitions.keep(loaded.definition);
    Ok(Workflow {
        definition,
        folder,
        plugins: plugins.into(),
        workflows,
        prices,
        warnings,
        blobs: Arc::new(blobs),
        models: granted,
    })
}

/// The plugins that a definition names, pinned, with their components; what there is instead where one is missing.
async fn pin_plugins(
    context: &Context,
    locking: &Locking,
    definition: &Definition,
    base: &Path,
) -> Result<(PluginPins, Vec<String>, Vec<Blob>), EngineError> {
    let (mut plugins, mut others, mut blobs) = (PluginPins::new(), Vec::new(), Vec::new());
    for name in definition.plugin_names() {
        let written = definition.plugins.get(name).map(String::as_str);
        let entry = match find(context, locking, name, written, base).await {
            Ok(entry) => entry,
            // Told later, with the place of every step that needs it.
            Err(EngineError::NoPlugin { .. }) => {
                others = context.catalog.names();
                continue;
            }
            Err(error) => return Err(error),
        };
        locking.check(&entry)?;
        let (pin, blob) = context.catalog.pin(&entry).await?;
        locking.check_server(name, &pin)?;
        plugins.insert(name.to_owned(), pin);
        blobs.push(blob);
    }
    Ok((plugins, others, blobs))
}

/// What the workflow names itself takes the place of what has the same name.
fn with_pins(mut offers: BTreeMap<String, Offer>, pins: &PluginPins) -> BTreeMap<String, Offer> {
    for (name, pin) in pins.iter().filter(|(_, pin)| {
        matches!(pin.origin, PluginOrigin::Workflow(_) | PluginOrigin::Registry(_) | PluginOrigin::Mcp(_))
    }) {
        let own = Offer::of(&pin.description);
        // Its labels are known once the run looks for it.
        let labels = offers.get(name).map(|offer| offer.labels.clone()).unwrap_or_default();
        offers.insert(name.clone(), Offer { labels, ..own });
    }
    offers
}

/// A plugin of a workflow: where that says it is, else by its name.
async fn find(
    context: &Context,
    locking: &Locking,
    name: &str,
    written: Option<&str>,
    base: &Path,
) -> Result<PluginEntry, EngineError> {
    let catalog = &context.catalog;
    // Those that are meant and are none were refused with the definition.
    if let Some(Ok(reference)) = written.map(str::parse::<Reference>) {
        let reference = pinned(catalog, locking, name, reference).await?;
        return catalog.fetch(name, &reference).await;
    }
    catalog.find(name, written.map(|path| base.join(path)).as_deref()).await
}

/// Steps whose plugin imports what the step does not grant: each would be denied, whenever it came to it.
pub(crate) async fn denied(context: &Context, workflow: &Workflow) -> Result<Vec<String>, EngineError> {
    let mut denied = Vec::new();
    for (step, plugin, permissions) in users(&workflow.definition) {
        let Some(pin) = workflow.plugins.get(plugin) else { continue };
        // What an MCP server may do is between it and the operator.
        if matches!(pin.origin, PluginOrigin::Mcp(_)) {
            continue;
        }
        let Some(blob) = workflow.blobs.iter().find(|blob| blob.digest == pin.component) else { continue };
        let loaded = context.catalog.loaded(&blob.bytes).await?;
        let missing = loaded.missing(permissions);
        if !missing.is_empty() {
            let (kind, missing) = (loaded.kind().name(), missing.join(", "));
            denied.push(format!("step '{step}': {kind} '{plugin}' imports what is not granted: {missing}"));
        }
    }
    Ok(denied)
}

/// The plugins of the steps. An agent that is called has what the step has.
fn users(definition: &Definition) -> Vec<(&StepId, &str, &Permissions)> {
    let mut users = Vec::new();
    for step in &definition.steps {
        if let Verb::Agent(agent) = &step.verb {
            let called = agent.permissions.agents.iter().map(String::as_str);
            let own = (agent.route.is_none()).then_some(agent.agent.as_str());
            let names = own.into_iter().chain(called);
            users.extend(names.map(|name| (&step.id, name, &agent.permissions)));
        } else if let Verb::Tool(tool) = &step.verb
            && tool.route.is_none()
        {
            users.push((&step.id, tool.plugin.as_str(), &tool.permissions));
        }
    }
    users
}

/// A workflow that the one in `file` starts.
async fn prepare_child(
    context: &Context,
    file: &str,
    path: &Path,
    locking: &Locking,
    mut around: Around,
) -> Result<Workflow, EngineError> {
    let place = path.display().to_string();
    let unreadable = |reason: String| EngineError::Unreadable { path: place.clone(), reason };
    let own = std::fs::canonicalize(file).unwrap_or_else(|_| PathBuf::from(file));
    let canonical = std::fs::canonicalize(path)
        .map_err(|error| unreadable(format!("{error}; '{file}' names it under `workflows`")))?;
    around.files.push(own);
    if around.files.contains(&canonical) {
        return Err(EngineError::WorkflowCircle { file: file.to_owned(), path: place });
    }
    if around.files.len() > WORKFLOWS_MAX_DEPTH {
        return Err(EngineError::WorkflowsTooDeep { file: file.to_owned(), path: place });
    }
    let text = files::read_text(path).map_err(|error| unreadable(error.to_string()))?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    prepare_within(context, &place, &text, base, locking, &around).await
}

/// Definitions by the digest of their source.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    held: Mutex<HashMap<Digest, Arc<Definition>>>,
}

impl Definitions {
    pub(crate) fn keep(&self, definition: Definition) -> Arc<Definition> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= DEFINITIONS_MAX {
            held.clear();
        }
        Arc::clone(held.entry(definition.digest).or_insert_with(|| Arc::new(definition)))
    }

    /// The definition that a run is pinned to.
    pub(crate) async fn pinned(
        &self,
        store: &dyn Store,
        run: RunId,
        digest: Digest,
    ) -> Result<Arc<Definition>, EngineError> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(definition) = held {
            return Ok(definition);
        }
        let bytes = journal::fetch(store, run, &digest, "its definition").await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(self.keep(source::load("(pinned definition)", &text)?.definition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_definitions_are_read_again() {
        let text =
            |n: usize| format!("pawl: 1\nworkflow: w\nversion: 1.0.{n}\nsteps: [{{ id: a, set: 1 }}]\n");
        let load = |n: usize| source::load("w.yaml", &text(n)).unwrap().definition;
        let definitions = Definitions::default();
        for number in 0..DEFINITIONS_MAX {
            definitions.keep(load(number));
        }
        let held = || definitions.held.lock().unwrap().len();
        assert_eq!(held(), DEFINITIONS_MAX);
        let first = definitions.keep(load(DEFINITIONS_MAX));
        assert_eq!(held(), 1);
        assert_eq!(first.version, format!("1.0.{DEFINITIONS_MAX}"));
    }
}
