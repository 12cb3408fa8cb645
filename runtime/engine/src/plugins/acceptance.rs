//! What plugins may ask for: as much as those asked for that were used by the same name, until an operator accepts more.
//!
//! What was accepted only grows, so whoever once saw that a component is covered need not look again. It says nothing
//! of runs that go on: those keep the bytes that they started with.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use pawl_core::Digest;
use pawl_core::plugin::{Description, EffectClass, PluginOrigin, PluginPin, PluginPins, WorkflowPins};
use pawl_sandbox::LoadedPlugin;
use pawl_store::{Batch, PAGE_MAX_ROWS, RecordChange, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog::PluginEntry;
use crate::EngineError;
use crate::driver::Context;
use crate::workflow::Workflow;

/// The kind of the records of what was accepted, by the names of plugins.
pub(crate) const ACCEPTED: &str = "plugin-accepted";
/// The kind of the records of what was refused last.
const HELD: &str = "plugin-held";
/// How often a record is looked at anew that somebody else has changed meanwhile.
const TRIES_MAX: usize = 8;

/// What a plugin asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// The permissions behind what it imports: `http`, `tools`.
    pub needs: BTreeSet<String>,
    /// Its tools, with what may happen outside when they are called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, EffectClass>,
}

/// A plugin whose demands nobody has accepted yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPlugin {
    /// Its name.
    pub name: String,
    /// Its component.
    pub component: Digest,
    /// What it asks for.
    pub demands: Demands,
    /// What of it goes beyond what was accepted, one text each; empty for one that is new.
    pub more: Vec<String>,
}

/// How what a plugin asks for stands with what was accepted under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceptance {
    /// It ships with pawl, or is an MCP server of the operator's own: nobody is asked.
    Trusted,
    /// All of it was accepted.
    Accepted,
    /// Nothing was ever used under its name: the first run that uses it accepts it.
    First,
    /// Somebody must accept it before it is used.
    Held,
}

/// What a plugin asks for, and what was accepted of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// What it asks for.
    pub asks: Demands,
    /// How that stands.
    pub acceptance: Acceptance,
    /// What was accepted under its name; nothing where nothing was.
    pub accepted: Option<Demands>,
    /// What of it goes beyond what was accepted, one text each.
    pub more: Vec<String>,
}

/// What a plugin asks for, and how that stands. Nothing is accepted or remembered by looking.
pub(crate) async fn asked(context: &Context, entry: &PluginEntry) -> Result<Asked, EngineError> {
    let asks = if entry.bytes.is_empty() {
        let pin = context.catalog.pin(entry).await?.0;
        Demands { needs: BTreeSet::new(), tools: tools(&pin.description) }
    } else {
        Demands::of(context.catalog.loaded(&entry.bytes).await?.as_ref())
    };
    let accepted = context.store.record(ACCEPTED, &entry.name).await?.map(read::<Demands>).transpose()?;
    let more = accepted.as_ref().map(|accepted| asks.beyond(accepted)).unwrap_or_default();
    let acceptance = match &accepted {
        _ if is_own(&entry.origin) => Acceptance::Trusted,
        None if context.standing.now().hold_new_plugins => Acceptance::Held,
        None => Acceptance::First,
        Some(_) if more.is_empty() => Acceptance::Accepted,
        Some(_) => Acceptance::Held,
    };
    Ok(Asked { asks, acceptance, accepted, more })
}

fn tools(description: &Description) -> BTreeMap<String, EffectClass> {
    match description {
        Description::Tools(tools) => tools.iter().map(|tool| (tool.name.clone(), tool.effect)).collect(),
        Description::Agent(_) => BTreeMap::new(),
    }
}

impl Demands {
    /// What a component asks for.
    pub(crate) fn of(loaded: &LoadedPlugin) -> Self {
        Self { needs: loaded.asks(), tools: tools(loaded.description()) }
    }

    /// What of it goes beyond others, for people. A tool that is new counts only where it does more than those there
    /// were: which tools are called is granted elsewhere.
    fn beyond(&self, accepted: &Self) -> Vec<String> {
        let strongest = accepted.tools.values().max();
        let needs = self.needs.difference(&accepted.needs).map(|need| format!("needs {need}"));
        let tools = self.tools.iter().filter_map(|(name, effect)| {
            let before = accepted.tools.get(name);
            match (before, strongest) {
                (Some(before), _) if effect > before => {
                    Some(format!("its tool {name} was {} and is {}", before.name(), effect.name()))
                }
                (Some(_), _) => None,
                (None, Some(most)) if effect <= most => None,
                (None, _) => Some(format!("its tool {name} is new, and {}", effect.name())),
            }
        });
        needs.chain(tools).collect()
    }

    /// Both together.
    fn with(mut self, other: &Self) -> Self {
        self.needs.extend(other.needs.iter().cloned());
        for (name, effect) in &other.tools {
            let most = self.tools.get(name).map_or(*effect, |own| *own.max(effect));
            self.tools.insert(name.clone(), most);
        }
        self
    }
}

impl HeldPlugin {
    /// Why it is held, for people.
    pub(crate) fn why(&self) -> String {
        if self.more.is_empty() {
            let needs: Vec<_> = self.demands.needs.iter().map(String::as_str).collect();
            let needs = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
            return format!("plugin '{}' was never used here, and needs {needs}", self.name);
        }
        format!("plugin '{}' asks for more than was accepted: {}", self.name, self.more.join(", "))
    }
}

/// Components of which it is known that what they ask for was accepted, by name.
#[derive(Debug, Default)]
pub(crate) struct Covered(Mutex<HashSet<(String, Digest)>>);

impl Covered {
    fn has(&self, name: &str, component: Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(name.to_owned(), component))
    }

    fn learn(&self, name: &str, component: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((name.to_owned(), component));
    }
}

/// Looks at the plugins of a workflow that is to be started. Gives the records that are written with its first event:
/// those of plugins whose names are new.
pub(crate) async fn check(context: &Context, workflow: &Workflow) -> Result<Vec<RecordChange>, EngineError> {
    let mut found = Vec::new();
    collect(&workflow.plugins, &workflow.workflows, &mut found);
    let (mut first, mut held) = (BTreeMap::<String, Demands>::new(), Vec::new());
    for (name, pin) in found {
        if context.covered.has(name, pin.component) {
            continue;
        }
        // A run that is made of another keeps its bytes, and they come with no blob.
        let Some(blob) = workflow.blobs.iter().find(|blob| blob.digest == pin.component) else { continue };
        let loaded = match context.catalog.held(&pin.component) {
            Some(loaded) => loaded,
            None => context.catalog.loaded(&blob.bytes).await?,
        };
        match judge(context, name, pin.component, Demands::of(&loaded)).await? {
            Judged::Covered => {}
            Judged::New(demands) => {
                let both = first.remove(name).unwrap_or_default().with(&demands);
                first.insert(name.to_owned(), both);
            }
            Judged::Held(plugin) => held.push(plugin),
        }
    }
    if !held.is_empty() {
        return Err(refused(context.store.as_ref(), held).await);
    }
    Ok(first
        .into_iter()
        .map(|(name, demands)| RecordChange::new(ACCEPTED, name, as_value(&demands)))
        .collect())
}

/// Looks at the plugins of a workflow that a run goes on with. Those whose names are new are accepted before it does,
/// so that none is ever used that was not.
pub(crate) async fn admit(context: &Context, workflow: &Workflow) -> Result<(), EngineError> {
    loop {
        let records = check(context, workflow).await?;
        if records.is_empty() {
            return Ok(());
        }
        match context.store.commit(&Batch { records, ..Batch::default() }).await {
            // Somebody else was quicker: what they have accepted is looked at.
            Err(StoreError::Stale { kind, .. }) if kind == ACCEPTED => {}
            done => return Ok(done.map(drop)?),
        }
    }
}

/// What the plugins of a workflow ask for.
pub(crate) async fn demands(
    context: &Context,
    workflow: &Workflow,
) -> Result<Vec<(String, Demands)>, EngineError> {
    let (mut found, mut all) = (Vec::new(), Vec::new());
    collect(&workflow.plugins, &workflow.workflows, &mut found);
    for (name, pin) in found {
        let Some(blob) = workflow.blobs.iter().find(|blob| blob.digest == pin.component) else { continue };
        all.push((name.to_owned(), Demands::of(context.catalog.loaded(&blob.bytes).await?.as_ref())));
    }
    Ok(all)
}

/// Looks at a plugin that a run would use from now on. Says why it is held, where it is.
pub(crate) async fn check_one(
    context: &Context,
    name: &str,
    pin: &PluginPin,
) -> Result<Option<String>, EngineError> {
    if !is_others(pin) || context.covered.has(name, pin.component) {
        return Ok(None);
    }
    for _ in 0..TRIES_MAX {
        let ready = context.catalog.held(&pin.component);
        let Some(loaded) = ready else { return Ok(None) };
        let demands = match judge(context, name, pin.component, Demands::of(&loaded)).await? {
            Judged::Covered => return Ok(None),
            Judged::Held(plugin) => {
                let why = plugin.why();
                let _ = refused(context.store.as_ref(), vec![plugin]).await;
                return Ok(Some(format!("{why}; `pawl plugin accept {name}` lets it be used")));
            }
            Judged::New(demands) => demands,
        };
        let records = vec![RecordChange::new(ACCEPTED, name, as_value(&demands))];
        match context.store.commit(&Batch { records, ..Batch::default() }).await {
            // Somebody else was quicker: what they have accepted is looked at.
            Err(StoreError::Stale { .. }) => {}
            done => return Ok(done.map(|()| None)?),
        }
    }
    Ok(Some("what was accepted of it changes all the time".to_owned()))
}

/// The same, as an error.
pub(crate) async fn refuse_held(context: &Context, name: &str, pin: &PluginPin) -> Result<(), EngineError> {
    match check_one(context, name, pin).await? {
        None => Ok(()),
        Some(why) => Err(EngineError::HeldOne(why)),
    }
}

enum Judged {
    Covered,
    New(Demands),
    Held(HeldPlugin),
}

async fn judge(
    context: &Context,
    name: &str,
    component: Digest,
    demands: Demands,
) -> Result<Judged, EngineError> {
    let accepted = context.store.record(ACCEPTED, name).await?.map(read).transpose()?;
    let held = |demands, more| HeldPlugin { name: name.to_owned(), component, demands, more };
    Ok(match accepted {
        None if context.standing.now().hold_new_plugins => Judged::Held(held(demands, Vec::new())),
        None => Judged::New(demands),
        Some(accepted) => {
            let more = demands.beyond(&accepted);
            if more.is_empty() {
                context.covered.learn(name, component);
                return Ok(Judged::Covered);
            }
            Judged::Held(held(demands, more))
        }
    })
}

/// What ships with pawl is accepted as pawl is, and MCP servers are the operator's own.
fn is_others(pin: &PluginPin) -> bool {
    !is_own(&pin.origin)
}

const fn is_own(origin: &PluginOrigin) -> bool {
    matches!(origin, PluginOrigin::Shipped | PluginOrigin::Mcp(_))
}

fn collect<'p>(
    plugins: &'p PluginPins,
    workflows: &'p WorkflowPins,
    found: &mut Vec<(&'p str, &'p PluginPin)>,
) {
    found.extend(plugins.iter().filter(|(_, pin)| is_others(pin)).map(|(name, pin)| (name.as_str(), pin)));
    // As deep as workflows may start workflows, and no deeper.
    for pin in workflows.values() {
        collect(&pin.plugins, &pin.workflows, found);
    }
}

/// Remembers what was refused, so that it can be accepted as it was shown.
async fn refused(store: &dyn Store, held: Vec<HeldPlugin>) -> EngineError {
    let record = |plugin: &HeldPlugin| RecordChange::put(HELD, plugin.name.clone(), as_value(plugin));
    let records = held.iter().map(record).collect();
    if let Err(error) = store.commit(&Batch { records, ..Batch::default() }).await {
        return error.into();
    }
    EngineError::Held { held }
}

/// The plugins that were refused and are not accepted yet.
pub(crate) async fn all_held(store: &dyn Store) -> Result<Vec<HeldPlugin>, EngineError> {
    let mut found: Vec<HeldPlugin> = Vec::new();
    loop {
        let after = found.last().map(|plugin| plugin.name.clone());
        let page = store.records(HELD, "", after.as_deref(), PAGE_MAX_ROWS).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for record in page {
            found.push(read(record.value)?);
        }
    }
}

/// Accepts what was refused under a name, as it was shown; nothing where nothing was.
pub(crate) async fn accept_held(store: &dyn Store, name: &str) -> Result<Option<HeldPlugin>, EngineError> {
    let Some(record) = store.record(HELD, name).await? else { return Ok(None) };
    let plugin: HeldPlugin = read(record.clone())?;
    let gone = RecordChange::put(HELD, name, Value::Null).instead_of(record);
    accept(store, name, &plugin.demands, Some(gone)).await?;
    Ok(Some(plugin))
}

/// Accepts demands under a name, beside those that were accepted before.
pub(crate) async fn accept(
    store: &dyn Store,
    name: &str,
    demands: &Demands,
    beside: Option<RecordChange>,
) -> Result<(), EngineError> {
    let mut tries = 0;
    loop {
        let before = store.record(ACCEPTED, name).await?;
        let known: Demands = before.clone().map(read).transpose()?.unwrap_or_default();
        let value = as_value(&known.with(demands));
        let change = RecordChange::put(ACCEPTED, name, value).instead_of(before.unwrap_or_default());
        let records = std::iter::once(change).chain(beside.clone()).collect();
        match store.commit(&Batch { records, ..Batch::default() }).await {
            Err(StoreError::Stale { kind, .. }) if kind == ACCEPTED && tries < TRIES_MAX => tries += 1,
            done => return Ok(done.map(drop)?),
        }
    }
}

fn as_value(what: &impl Serialize) -> Value {
    serde_json::to_value(what).unwrap_or_default()
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, EngineError> {
    serde_json::from_value(value).map_err(|error| EngineError::StrangeRecord(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use EffectClass::{AtMostOnce, Idempotent, Pure};

    fn demands(needs: &[&str], tools: &[(&str, EffectClass)]) -> Demands {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Demands { needs, tools: tools.iter().map(|(name, effect)| ((*name).to_owned(), *effect)).collect() }
    }

    #[test]
    fn more_is_another_need_or_a_stronger_effect() {
        let accepted = demands(&["http"], &[("get", Pure), ("put", Idempotent)]);
        let cases = [
            (demands(&[], &[]), vec![]),
            (demands(&["http"], &[("get", Pure), ("look", Pure), ("set", Idempotent)]), vec![]),
            (demands(&["http", "secrets"], &[]), vec!["needs secrets"]),
            (demands(&[], &[("get", Idempotent)]), vec!["its tool get was pure and is idempotent"]),
            (demands(&[], &[("pay", AtMostOnce)]), vec!["its tool pay is new, and at-most-once"]),
        ];
        for (asked, more) in cases {
            assert_eq!(asked.beyond(&accepted), more, "{asked:?}");
            let both = accepted.clone().with(&asked);
            assert!(asked.beyond(&both).is_empty() && accepted.beyond(&both).is_empty(), "{both:?}");
        }
    }
}
