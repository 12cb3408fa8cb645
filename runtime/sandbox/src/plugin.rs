//! A component that is compiled, linked and described.

use std::collections::BTreeSet;
use std::fmt;

use pawl_core::Digest;
use pawl_core::plugin::{Description, Permissions, PluginKind};
use pawl_core::{Failure, FailureKind};

use crate::bindings::{agent::AgentPre, tool::ToolPre};
use crate::imports::Need;
use crate::state::HostState;
use crate::words::{cut_name, listed};

/// How many imports that were not granted a failure names.
const MISSING_SHOWN: usize = 30;

/// A component from which instances can be made at once. It never changes.
pub struct LoadedPlugin {
    pub(crate) digest: Digest,
    pub(crate) description: Description,
    pub(crate) imports: Vec<String>,
    pub(crate) world: World,
}

/// The component, ready for its world.
#[derive(Clone)]
pub(crate) enum World {
    Tool(ToolPre<HostState>),
    Agent(AgentPre<HostState>),
}

impl World {
    pub(crate) const fn kind(&self) -> PluginKind {
        match self {
            Self::Tool(_) => PluginKind::Tool,
            Self::Agent(_) => PluginKind::Agent,
        }
    }
}

impl fmt::Debug for LoadedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedPlugin")
            .field("digest", &self.digest)
            .field("kind", &self.kind())
            .field("imports", &self.imports)
            .finish_non_exhaustive()
    }
}

impl LoadedPlugin {
    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The world it targets.
    pub fn kind(&self) -> PluginKind {
        self.world.kind()
    }

    /// Every interface it imports, `pawl:plugin/tools@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The permissions behind all that it imports, also those that it starts without; an import that nothing covers
    /// by its own name.
    pub fn asks(&self) -> BTreeSet<String> {
        let needs = self.needs().filter_map(|(import, need)| match need {
            Need::Nothing => None,
            Need::Never(_) => Some(import.split('@').next().unwrap_or(import).to_owned()),
            need => need.capability().map(str::to_owned),
        });
        let files = (self.kind() == PluginKind::Tool && self.uses_files()).then(|| "files".to_owned());
        needs.chain(files).collect()
    }

    /// Whether it can open files at all.
    pub(crate) fn uses_files(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("wasi:filesystem/preopens@"))
    }

    /// Imports that these grants do not cover, each with the permission that would; empty when it may start.
    /// One that looks at its grants may start without those whose calls are looked at one by one, and every tool
    /// without secrets: it may have some use without.
    pub fn missing(&self, grants: &Permissions) -> Vec<String> {
        let looks = self.needs().any(|(import, _)| import.starts_with("pawl:plugin/grants@"));
        self.needs()
            .filter(|(_, need)| !(need.is_met(grants) || need.is_always_checked_by_call()))
            .filter(|(_, need)| !(looks && need.is_checked_by_call()))
            .map(|(import, need)| need.explain(import))
            .collect()
    }

    pub(crate) fn needs(&self) -> impl Iterator<Item = (&str, Need)> {
        self.imports.iter().map(|import| (import.as_str(), Need::of(self.kind(), import)))
    }

    /// The failure of an attempt that may not start.
    pub(crate) fn check_grants(&self, grants: &Permissions) -> Result<(), Failure> {
        let missing = self.missing(grants);
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the plugin imports what was not granted: {}; grant it in the step's or the workflow's \
             `permissions`, or use a plugin that needs less",
            listed(&missing, MISSING_SHOWN)
        );
        let missing: Vec<_> = missing.iter().take(MISSING_SHOWN).map(|import| cut_name(import)).collect();
        Err(Failure { details: Some(missing.into()), ..Failure::new(FailureKind::Denied, message) })
    }
}
