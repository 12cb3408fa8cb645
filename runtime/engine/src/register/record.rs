//! What the store keeps of registered workflows.

use std::collections::BTreeSet;

use pawl_core::budget::Prices;
use pawl_core::event::Actor;
use pawl_core::plugin::{PluginPins, WorkflowPins};
use pawl_core::{Digest, Timestamp};
use pawl_store::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{EngineError, Workflow};

/// A workflow's name, and what is registered under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredWorkflow {
    /// The namespace, where it is not that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The version that a start by name starts.
    #[serde(default)]
    pub active: Option<ActiveVersion>,
    /// How many versions there are.
    pub versions: u32,
    /// The one that was registered last.
    pub latest: String,
}

/// The version of a name that a start by name starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveVersion {
    /// Which.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: Digest,
    /// Since when.
    pub at: Timestamp,
    /// Who made it that.
    pub by: Actor,
    /// The one that was active before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A registered version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredVersion {
    /// The namespace, where it is not that of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The workflow's name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of its source.
    pub definition: Digest,
    /// SHA-256 of all that it is bound to: plugins, workflows, prices.
    pub manifest: Digest,
    /// The file that it came from.
    pub file: String,
    /// When.
    pub at: Timestamp,
    /// Who registered it.
    pub by: Actor,
}

/// What came of registering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The version, as it was registered first.
    #[serde(flatten)]
    pub version: RegisteredVersion,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// All that a version is bound to. A blob of its own: descriptions of plugins can be large.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The folder that its `files` are in, where it grants any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) folder: Option<String>,
    pub(super) plugins: PluginPins,
    #[serde(default)]
    pub(super) workflows: WorkflowPins,
    #[serde(default)]
    pub(super) prices: Prices,
    #[serde(default)]
    pub(super) models: BTreeSet<String>,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

impl Manifest {
    pub(super) fn of(workflow: &Workflow) -> Self {
        Self {
            folder: workflow.folder.clone(),
            plugins: workflow.plugins.as_ref().clone(),
            workflows: workflow.workflows.clone(),
            prices: workflow.prices.clone(),
            models: workflow.models.clone(),
            warnings: workflow.warnings.clone(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What of a version is other than it was registered.
pub(super) fn differences(
    known: &RegisteredVersion,
    known_manifest: &Manifest,
    version: &RegisteredVersion,
    manifest: &Manifest,
) -> Vec<String> {
    let mut found = Vec::new();
    if known.definition != version.definition {
        found.push("its source".to_owned());
    }
    if known_manifest.folder != manifest.folder {
        found.push("the folder that its `files` are in".to_owned());
    }
    let names: BTreeSet<_> = known_manifest.plugins.keys().chain(manifest.plugins.keys()).collect();
    let component = |pins: &PluginPins, name: &str| pins.get(name).map(|pin| pin.component);
    for name in names {
        if component(&known_manifest.plugins, name) != component(&manifest.plugins, name) {
            found.push(format!("plugin '{name}'"));
        }
    }
    let names: BTreeSet<_> = known_manifest.workflows.keys().chain(manifest.workflows.keys()).collect();
    for name in names {
        if !same_workflow(known_manifest.workflows.get(name), manifest.workflows.get(name)) {
            found.push(format!("workflow '{name}'"));
        }
    }
    found
}

/// Whether two pins are of the same bytes, wherever they were found, with `files` in the same folder.
fn same_workflow(
    one: Option<&pawl_core::plugin::WorkflowPin>,
    other: Option<&pawl_core::plugin::WorkflowPin>,
) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    let components =
        |pins: &PluginPins| pins.iter().map(|(name, pin)| (name.clone(), pin.component)).collect::<Vec<_>>();
    let names: BTreeSet<_> = one.workflows.keys().chain(other.workflows.keys()).collect();
    one.definition == other.definition
        && one.folder == other.folder
        && components(&one.plugins) == components(&other.plugins)
        && names.into_iter().all(|name| same_workflow(one.workflows.get(name), other.workflows.get(name)))
}

/// A record's value, read.
pub(super) fn read<T: DeserializeOwned>(value: Option<&Value>) -> Result<Option<T>, EngineError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    T::deserialize(value)
        .map(Some)
        .map_err(|error| StoreError::Damaged(format!("a record of workflows does not read: {error}")).into())
}

pub(super) fn value<T: Serialize>(record: &T) -> Result<Value, EngineError> {
    serde_json::to_value(record)
        .map_err(|error| StoreError::Engine(format!("a record cannot be written: {error}")).into())
}
