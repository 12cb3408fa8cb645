//! Workflows that the store keeps by name and version, with everything that they are made of.
//!
//! What is registered is what a run is started with: the source, the components,
//! the workflows that it starts. A version never changes; a name has at most one
//! active version, which is changed by compare-and-set. Nothing that runs is
//! touched by either: see `upgrade`.

mod name;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use pawl_core::Digest;
use pawl_core::event::Actor;
use pawl_core::source;
use pawl_store::{Batch, Blob, Page, RecordChange, Store, StoreError};

pub use name::{REGISTERED_NAME_MAX_BYTES, WorkflowName};
pub use record::{ActiveVersion, Registered, RegisteredVersion, RegisteredWorkflow};
use record::{Manifest, differences, read, value};

use crate::plugins::acceptance;
use crate::upkeep::references;
use crate::{Engine, EngineError, Workflow, withhold};

/// The kind of the records that say which names there are, and what is active of each.
const NAMES: &str = "workflow";
/// The kind of the records of versions.
const VERSIONS: &str = "workflow-version";
/// Records that are read at once.
const PAGE_RECORDS: usize = 500;
/// How many names a message about one that is not there shows.
const NAMES_SHOWN: usize = 10;
/// How often a change is tried again that others were faster with.
const TRIES_MAX: u32 = 100;

impl Engine {
    /// Keeps a workflow that was prepared under its name and version. `file` is where it came from, for messages. The
    /// same again changes nothing; the same version with other bytes is refused.
    pub async fn register(
        &self,
        workflow: &Workflow,
        file: &str,
        by: Actor,
    ) -> Result<Registered, EngineError> {
        self.register_in(None, workflow, file, by).await
    }

    /// The same in a namespace.
    pub async fn register_in(
        &self,
        namespace: Option<&str>,
        workflow: &Workflow,
        file: &str,
        by: Actor,
    ) -> Result<Registered, EngineError> {
        // Here and not at a start: what is accepted only grows, and a version keeps its bytes.
        acceptance::admit(&self.context, workflow).await?;
        let definition = &workflow.definition;
        let name = WorkflowName { namespace, name: &definition.name };
        let key = name.version_key(&definition.version)?;
        let manifest = Manifest::of(workflow);
        let bytes = Blob::new(manifest.to_bytes());
        let version = RegisteredVersion {
            namespace: namespace.map(str::to_owned),
            workflow: definition.name.clone(),
            version: definition.version.clone(),
            definition: definition.digest,
            manifest: bytes.digest,
            file: file.to_owned(),
            at: self.context.config.clock.now(),
            by,
        };
        let mut blobs = workflow.blobs.as_ref().clone();
        blobs.push(bytes);
        for _ in 0..TRIES_MAX {
            if let Some(known) = self.version_at(&key).await? {
                let (known_manifest, workflow) = (self.manifest(&known).await?, &known.workflow);
                let differences = differences(&known, &known_manifest, &version, &manifest);
                if differences.is_empty() {
                    return Ok(Registered { version: known, is_new: false });
                }
                let (workflow, version) = (workflow.clone(), known.version);
                return Err(EngineError::RegisteredOtherwise { workflow, version, differences });
            }
            let before = self.store().record(NAMES, &name.key()?).await?;
            let head = read::<RegisteredWorkflow>(before.as_ref())?.unwrap_or_else(|| RegisteredWorkflow {
                namespace: namespace.map(str::to_owned),
                name: definition.name.clone(),
                active: None,
                versions: 0,
                latest: String::new(),
            });
            let head = RegisteredWorkflow {
                versions: head.versions.saturating_add(1),
                latest: version.version.clone(),
                ..head
            };
            let names = RecordChange::new(NAMES, name.key()?, value(&head)?);
            let names = names.instead_of(before.unwrap_or_default());
            let records = vec![RecordChange::new(VERSIONS, key.clone(), value(&version)?), names];
            if self.try_records(records, blobs.clone()).await? {
                return Ok(Registered { version, is_new: true });
            }
        }
        Err(contended(&name))
    }

    /// The registered workflows of a namespace, in the order of their names; a page comes after a name.
    pub async fn registered(
        &self,
        namespace: Option<&str>,
        page: &Page<String>,
    ) -> Result<Vec<RegisteredWorkflow>, EngineError> {
        let prefix = name::prefix(namespace)?;
        let after = page.after.as_ref().map(|name| format!("{prefix}{name}"));
        let records = self.store().records(NAMES, &prefix, after.as_deref(), page.limit).await?;
        let mut found = Vec::new();
        for record in records {
            found.extend(read::<RegisteredWorkflow>(Some(&record.value))?);
        }
        Ok(found)
    }

    /// The versions of a workflow, the first that was registered first.
    pub async fn versions(
        &self,
        name: impl Into<WorkflowName<'_>>,
    ) -> Result<Vec<RegisteredVersion>, EngineError> {
        let name = name.into();
        let prefix = name.versions_prefix()?;
        let (mut found, mut after) = (Vec::<RegisteredVersion>::new(), None::<String>);
        loop {
            let page = self.store().records(VERSIONS, &prefix, after.as_deref(), PAGE_RECORDS).await?;
            let is_last = page.len() < PAGE_RECORDS;
            after = page.last().map(|record| record.key.clone());
            for record in page {
                found.extend(read::<RegisteredVersion>(Some(&record.value))?);
            }
            if is_last {
                break;
            }
        }
        if found.is_empty() {
            return Err(self.unknown(&name).await?);
        }
        found.sort_by_key(|version| version.at);
        Ok(found)
    }

    /// What is registered under a name, with what is active of it; nothing where nothing is.
    pub async fn registered_name(
        &self,
        name: impl Into<WorkflowName<'_>>,
    ) -> Result<Option<RegisteredWorkflow>, EngineError> {
        read(self.store().record(NAMES, &name.into().key()?).await?.as_ref())
    }

    /// Makes a version the one that a start by name starts. `expected` is the definition that must be active before;
    /// without, whatever is. Runs stay on what they have.
    pub async fn activate(
        &self,
        name: impl Into<WorkflowName<'_>>,
        version: &str,
        expected: Option<Digest>,
        by: Actor,
    ) -> Result<ActiveVersion, EngineError> {
        let name = name.into();
        let registered = self.version_of(&name, version).await?;
        for _ in 0..TRIES_MAX {
            let before = self.store().record(NAMES, &name.key()?).await?;
            let Some(head) = read::<RegisteredWorkflow>(before.as_ref())? else {
                return Err(self.unknown(&name).await?);
            };
            if let Some(expected) = expected
                && head.active.as_ref().map(|active| active.definition) != Some(expected)
            {
                let found =
                    head.active.map_or_else(|| "no version".to_owned(), |a| format!("version {}", a.version));
                return Err(EngineError::ActiveChanged { workflow: name.name.to_owned(), found });
            }
            if let Some(active) = head.active.as_ref().filter(|a| a.definition == registered.definition) {
                return Ok(active.clone());
            }
            let active = ActiveVersion {
                version: registered.version.clone(),
                definition: registered.definition,
                at: self.context.config.clock.now(),
                by: by.clone(),
                before: head.active.as_ref().map(|active| active.version.clone()),
            };
            let head = RegisteredWorkflow { active: Some(active.clone()), ..head };
            let change = RecordChange::new(NAMES, name.key()?, value(&head)?);
            let change = change.instead_of(before.unwrap_or_default());
            if self.try_records(vec![change], Vec::new()).await? {
                return Ok(active);
            }
        }
        Err(contended(&name))
    }

    /// A registered workflow, ready to be started: the version that is named, or the active one.
    pub async fn registered_workflow(
        &self,
        name: impl Into<WorkflowName<'_>>,
        version: Option<&str>,
    ) -> Result<Workflow, EngineError> {
        let name = name.into();
        let active = self.registered_name(name).await?.and_then(|head| head.active);
        let wanted = match (version, &active) {
            (Some(version), _) => version,
            (None, Some(active)) => &active.version,
            (None, None) => {
                self.versions(name).await?;
                return Err(EngineError::NotRegistered {
                    what: format!("'{}' has no active version", name.name),
                    hint: format!("`pawl workflow activate {} VERSION` makes one it", name.name),
                });
            }
        };
        let version = self.version_of(&name, wanted).await?;
        let manifest = self.manifest(&version).await?;
        let source = self.blob_of(&version, &version.definition, "source").await?;
        let loaded = source::load(&version.file, &String::from_utf8_lossy(&source))?;
        // What the operator withholds now is withheld, whatever was granted when it was registered.
        let says = self.context.standing.now();
        let namespace = name.namespace()?;
        withhold::check(&loaded.definition, &version.file, manifest.folder.as_deref(), &says, &namespace)?;
        let Manifest { folder, plugins, workflows, mut prices, models, warnings } = manifest;
        if let Some(models) = says.models.as_ref().filter(|_| !prices.is_empty()) {
            prices.extend(models.prices());
        }
        Ok(Workflow {
            definition: self.context.definitions.keep(loaded.definition),
            folder,
            plugins: Arc::new(plugins),
            workflows,
            prices,
            warnings,
            // They are in the store as long as it is registered.
            blobs: Arc::default(),
            models,
        })
    }

    async fn version_at(&self, key: &str) -> Result<Option<RegisteredVersion>, EngineError> {
        read(self.store().record(VERSIONS, key).await?.as_ref())
    }

    async fn version_of(
        &self,
        name: &WorkflowName<'_>,
        version: &str,
    ) -> Result<RegisteredVersion, EngineError> {
        if let Some(found) = self.version_at(&name.version_key(version)?).await? {
            return Ok(found);
        }
        let known: Vec<_> = self.versions(*name).await?.into_iter().map(|known| known.version).collect();
        Err(EngineError::NotRegistered {
            what: format!("'{}' has no version {version}", name.name),
            hint: format!("its versions: {}", known.join(", ")),
        })
    }

    async fn manifest(&self, version: &RegisteredVersion) -> Result<Manifest, EngineError> {
        let bytes = self.blob_of(version, &version.manifest, "manifest").await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let (workflow, version) = (&version.workflow, &version.version);
            StoreError::Damaged(format!("the manifest of {workflow} {version} does not read: {error}")).into()
        })
    }

    async fn blob_of(
        &self,
        version: &RegisteredVersion,
        digest: &Digest,
        what: &str,
    ) -> Result<Arc<[u8]>, EngineError> {
        let bytes = self.store().blob(digest).await?.filter(|bytes| Digest::of(bytes) == *digest);
        bytes.ok_or_else(|| {
            let (workflow, version) = (&version.workflow, &version.version);
            StoreError::Damaged(format!("the {what} of {workflow} {version} is not there, or was altered"))
                .into()
        })
    }

    /// Writes records; says whether they were as they were expected to be.
    async fn try_records(&self, records: Vec<RecordChange>, blobs: Vec<Blob>) -> Result<bool, EngineError> {
        match self.store().commit(&Batch { records, blobs, ..Batch::default() }).await {
            Ok(()) => Ok(true),
            Err(StoreError::Stale { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn unknown(&self, name: &WorkflowName<'_>) -> Result<EngineError, EngineError> {
        let some = Page { after: None, limit: NAMES_SHOWN };
        let known = self.registered(name.namespace, &some).await?;
        let known: Vec<_> = known.into_iter().map(|known| known.name).collect();
        let hint = if known.is_empty() {
            "`pawl workflow register FILE` registers one".to_owned()
        } else {
            format!("`pawl workflow list` lists those that are, such as {}", known.join(", "))
        };
        Ok(EngineError::NotRegistered { what: format!("no workflow '{}' is registered", name.name), hint })
    }
}

/// Others were faster again and again.
fn contended(name: &WorkflowName<'_>) -> EngineError {
    EngineError::ActiveChanged { workflow: name.name.to_owned(), found: "ever another version".to_owned() }
}

/// Everything that registered workflows name by digest.
pub(crate) async fn named(store: &dyn Store) -> Result<BTreeSet<Digest>, EngineError> {
    let (mut found, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.records(VERSIONS, "", after.as_deref(), PAGE_RECORDS).await?;
        let is_last = page.len() < PAGE_RECORDS;
        after = page.last().map(|record| record.key.clone());
        for record in page {
            let Some(version) = read::<RegisteredVersion>(Some(&record.value))? else { continue };
            found.extend([version.definition, version.manifest]);
            // One that does not read names nothing that could still be used.
            let Some(bytes) = store.blob(&version.manifest).await? else { continue };
            let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { continue };
            references::components(&manifest.plugins, &mut found);
            references::workflows(&manifest.workflows, &mut found);
        }
        if is_last {
            return Ok(found.into_iter().collect());
        }
    }
}
