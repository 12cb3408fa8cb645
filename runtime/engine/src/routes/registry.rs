//! Which plugins there are for routes, and what they offer.
//!
//! A source gives plugins by name: what a run is pinned to, what the operator's file gives, the plugin folder, what
//! ships with pawl. Another one is another function that adds to the same map. What a name stands for already is not replaced.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use pawl_core::oci::Reference;
use pawl_core::operator::PluginSource;
use pawl_core::plugin::{Description, MCP_PREFIX, Permissions, PluginKind, PluginOrigin, PluginPin};
use pawl_core::route::{Offer, OfferSetting};
use pawl_core::{Digest, RunId, Timestamp};
use pawl_registry::signature_place;
use pawl_sandbox::{LoadedPlugin, Manifest};

use crate::driver::Context;
use crate::plugins::{PluginEntry, SHIPPED, manifest_places};
use crate::{EngineError, files};

/// A plugin that routes may choose.
#[derive(Debug, Clone)]
pub struct RoutedPlugin {
    /// Where it is.
    pub origin: PluginOrigin,
    /// What it offers, as it and the operator say.
    pub offer: Offer,
    /// SHA-256 of its component, or of what its server says of itself.
    pub digest: Digest,
    pub(crate) description: Description,
    /// The component; an MCP server has none.
    pub(crate) loaded: Option<Arc<LoadedPlugin>>,
}

impl RoutedPlugin {
    /// What it imports that these grants do not cover.
    pub(crate) fn missing(&self, grants: &Permissions) -> Vec<String> {
        self.loaded.as_ref().map(|loaded| loaded.missing(grants)).unwrap_or_default()
    }
}

/// All plugins by name; of one that cannot be loaded, why not.
pub(crate) type Registered = BTreeMap<String, Result<RoutedPlugin, String>>;

/// What was loaded before, until its files change.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    files: Mutex<HashMap<PathBuf, (Stamp, Found)>>,
    shipped: Mutex<HashMap<&'static str, Found>>,
    servers: Mutex<HashMap<String, (Timestamp, Described)>>,
    /// What the operator's file gives from registries, by name, with where it is: under a digest it stays the same.
    supplied: Mutex<HashMap<String, (String, Found)>>,
}

/// When the files of a plugin were written, and how long they are.
type Stamp = Vec<Option<(SystemTime, u64)>>;
/// What an MCP server says of its tools, with its digest; why it says nothing.
type Described = Result<(Digest, Description), String>;
/// A component with what its manifest says.
type Found = Result<(Arc<LoadedPlugin>, OfferSetting), String>;

/// How long what an MCP server has said of its tools is believed, in milliseconds: a route that looks for somebody
/// starts no server each time. Before one is chosen it is asked again.
const SERVER_FRESH_MS: u64 = 600_000;
/// The same of one that cannot be used.
const SERVER_BROKEN_MS: u64 = 60_000;

/// Everything that routes of a run may choose among; of no run, what any may. MCP servers are asked where tools are
/// looked for.
pub(crate) async fn registered(
    context: &Context,
    run: Option<(RunId, &BTreeMap<String, PluginPin>)>,
    kind: PluginKind,
) -> Result<Registered, EngineError> {
    let mut found = Registered::new();
    if let Some((run, pins)) = run {
        of_run(context, run, pins, &mut found).await?;
    }
    supplied(context, &mut found).await;
    in_folder(context, &mut found).await?;
    shipped(context, &mut found).await;
    if kind == PluginKind::Tool {
        servers(context, &mut found).await;
    }
    let says = context.standing.now();
    for (name, plugin) in &mut found {
        if let (Ok(plugin), Some(setting)) = (plugin, says.offers.get(name)) {
            plugin.offer = plugin.offer.clone().with(setting, &plugin.description);
        }
    }
    Ok(found)
}

/// What all plugins offer, of those that can be loaded; with MCP servers where tools are looked for.
pub(crate) async fn offers(
    context: &Context,
    kind: PluginKind,
) -> Result<BTreeMap<String, Offer>, EngineError> {
    let all = registered(context, None, kind).await?;
    Ok(all.into_iter().filter_map(|(name, plugin)| Some((name, plugin.ok()?.offer))).collect())
}

/// What the run is pinned to: it keeps the bytes that it has. What their manifests say of them is read anew.
async fn of_run(
    context: &Context,
    run: RunId,
    pins: &BTreeMap<String, PluginPin>,
    found: &mut Registered,
) -> Result<(), EngineError> {
    for (name, pin) in pins {
        if let PluginOrigin::Mcp(_) = &pin.origin {
            let (digest, description) = (pin.component, pin.description.clone());
            let (origin, offer) = (pin.origin.clone(), Offer::of(&description));
            found.insert(name.clone(), Ok(RoutedPlugin { origin, offer, digest, description, loaded: None }));
            continue;
        }
        let loaded = context.catalog.pinned(context.store.as_ref(), run, pin.component).await?.loaded.clone();
        let manifest = match &pin.origin {
            PluginOrigin::Workflow(path) | PluginOrigin::Folder(path) => beside(Path::new(path)),
            PluginOrigin::Shipped => {
                SHIPPED.iter().find(|shipped| shipped.name == name).map(|shipped| shipped.manifest.to_owned())
            }
            PluginOrigin::Operator(from) if !Reference::is_meant(from) => beside(Path::new(from)),
            // What a registry has beside it is not asked for again.
            PluginOrigin::Mcp(_) | PluginOrigin::Registry(_) | PluginOrigin::Operator(_) => None,
        };
        let setting = manifest.and_then(|text| Manifest::parse(&text).ok()).map(|manifest| manifest.offer());
        found.insert(name.clone(), Ok(made(pin.origin.clone(), loaded, &setting.unwrap_or_default())));
    }
    Ok(())
}

/// What lies in the plugin folder now.
async fn in_folder(context: &Context, found: &mut Registered) -> Result<(), EngineError> {
    for path in context.catalog.folder_files()? {
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        if found.contains_key(&name) {
            continue;
        }
        let Some(it) = of_file(context, &name, &path).await else { continue };
        let origin = PluginOrigin::Folder(path.display().to_string());
        found.insert(name, it.map(|(loaded, setting)| made(origin, loaded, &setting)));
    }
    Ok(())
}

/// The plugin of this name, which lies in a file; nothing if it was taken away meanwhile.
async fn of_file(context: &Context, name: &str, path: &Path) -> Option<Found> {
    let stamp = stamp(path);
    let registry = &context.catalog.registry;
    let known = lock(&registry.files).get(path).filter(|(of, _)| *of == stamp).map(|(_, it)| it.clone());
    if known.is_some() {
        return known;
    }
    let it = match context.catalog.find(name, None).await {
        Ok(entry) => load(context, &entry).await,
        Err(EngineError::NoPlugin { .. }) => return None,
        Err(error) => Err(error.to_string()),
    };
    // Of the time before it was read: a file that changed meanwhile is read again.
    lock(&registry.files).insert(path.to_owned(), (stamp, it.clone()));
    Some(it)
}

/// What the operator's file gives.
async fn supplied(context: &Context, found: &mut Registered) {
    for (name, source) in context.catalog.sources().iter() {
        if found.contains_key(name) {
            continue;
        }
        let it = match source {
            PluginSource::Registry(_) if context.config.stand_in.is_some() => {
                Some(Err("a test asks no registry for what its workflow does not name".to_owned()))
            }
            PluginSource::File(path) => of_file(context, name, Path::new(path)).await,
            PluginSource::Registry(_) => of_registry(context, name, &source.to_string()).await,
        };
        let Some(it) = it else { continue };
        let origin = PluginOrigin::Operator(source.to_string());
        found.insert(name.clone(), it.map(|(loaded, setting)| made(origin, loaded, &setting)));
    }
}

async fn of_registry(context: &Context, name: &str, from: &str) -> Option<Found> {
    let held = &context.catalog.registry.supplied;
    let known = lock(held).get(name).filter(|(of, _)| of == from).map(|(_, it)| it.clone());
    if known.is_some() {
        return known;
    }
    let it = match context.catalog.looked_at(name).await? {
        Ok(entry) => load(context, &entry).await,
        // It may be there the next time.
        Err(error) => return Some(Err(error.to_string())),
    };
    lock(held).insert(name.to_owned(), (from.to_owned(), it.clone()));
    Some(it)
}

/// What ships with pawl.
async fn shipped(context: &Context, found: &mut Registered) {
    for plugin in SHIPPED {
        if found.contains_key(plugin.name) {
            continue;
        }
        let registry = &context.catalog.registry;
        let known = lock(&registry.shipped).get(plugin.name).cloned();
        let it = if let Some(it) = known {
            it
        } else {
            let it = load(context, &PluginEntry::from(plugin)).await;
            lock(&registry.shipped).insert(plugin.name, it.clone());
            it
        };
        let made = it.map(|(loaded, setting)| made(PluginOrigin::Shipped, loaded, &setting));
        found.insert(plugin.name.to_owned(), made);
    }
}

/// The MCP servers that the operator names, each as it described itself when it was last asked.
async fn servers(context: &Context, found: &mut Registered) {
    // A test of a workflow starts no server that the workflow does not name.
    let servers = context.catalog.servers().filter(|_| context.config.stand_in.is_none());
    for server in servers.map(|servers| servers.names()).unwrap_or_default() {
        let name = format!("{MCP_PREFIX}{server}");
        if found.contains_key(&name) {
            continue;
        }
        let origin = PluginOrigin::Mcp(server);
        let made = described(context, &name).await.map(|(digest, description)| {
            let offer = Offer::of(&description);
            RoutedPlugin { origin, offer, digest, description, loaded: None }
        });
        found.insert(name, made);
    }
}

async fn described(context: &Context, name: &str) -> Described {
    let now = context.config.clock.now();
    let held = &context.catalog.registry.servers;
    if let Some((at, known)) = lock(held).get(name) {
        let fresh_ms = if known.is_ok() { SERVER_FRESH_MS } else { SERVER_BROKEN_MS };
        if now.since(*at).0 < fresh_ms {
            return known.clone();
        }
    }
    let asked = async {
        let entry = context.catalog.find(name, None).await?;
        context.catalog.pin(&entry).await
    };
    let described = match asked.await {
        Ok((pin, _)) => Ok((pin.component, pin.description)),
        Err(error) => Err(error.to_string()),
    };
    lock(held).insert(name.to_owned(), (now, described.clone()));
    described
}

/// What an MCP server has said is believed no more: it says something else by now. What came from a registry is
/// fetched again.
pub(crate) fn forget(context: &Context, name: &str) {
    lock(&context.catalog.registry.servers).remove(name);
    lock(&context.catalog.registry.supplied).remove(name);
}

fn made(origin: PluginOrigin, loaded: Arc<LoadedPlugin>, setting: &OfferSetting) -> RoutedPlugin {
    let (digest, description) = (loaded.digest(), loaded.description().clone());
    let offer = Offer::of(&description).with(setting, &description);
    RoutedPlugin { origin, offer, digest, description, loaded: Some(loaded) }
}

/// A plugin that was described, as routes see it. Its component is left out: what it imports is not asked for.
pub(crate) fn described_as(context: &Context, entry: &PluginEntry, pin: &PluginPin) -> RoutedPlugin {
    let description = pin.description.clone();
    let manifest = entry.manifest.as_ref().and_then(|text| Manifest::parse(text).ok());
    let setting = manifest.map(|manifest| manifest.offer()).unwrap_or_default();
    let mut offer = Offer::of(&description).with(&setting, &description);
    if let Some(setting) = context.standing.now().offers.get(&entry.name) {
        offer = offer.with(setting, &description);
    }
    RoutedPlugin { origin: entry.origin.clone(), offer, digest: pin.component, description, loaded: None }
}

async fn load(context: &Context, entry: &PluginEntry) -> Found {
    let checked = context.catalog.pin(entry).await.map_err(|error| error.to_string())?;
    let loaded = context.catalog.loaded(&checked.1.bytes).await.map_err(|error| error.to_string())?;
    let setting = entry.manifest.as_ref().and_then(|text| Manifest::parse(text).ok());
    Ok((loaded, setting.map(|manifest| manifest.offer()).unwrap_or_default()))
}

fn beside(path: &Path) -> Option<String> {
    manifest_places(path).iter().find_map(|place| files::read_text(place).ok())
}

fn stamp(path: &Path) -> Stamp {
    let beside = manifest_places(path).into_iter().chain([signature_place(path)]);
    let files = std::iter::once(path.to_owned()).chain(beside);
    let about = |file: PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.map(about).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
