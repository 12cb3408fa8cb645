//! The operator's file: its models and MCP servers, whose plugins are trusted and where they come from, and what it
//! asks of every run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pawl_core::guard::Policy;
use pawl_core::operator::{NamespaceGrants, Operator, PluginSource, Profile, Provider, TrustedKey};
use pawl_core::plugin::{FolderMode, Folders};
use pawl_core::source::operator;
use pawl_core::{Namespace, PublicKey};
use pawl_engine::{EngineConfig, EngineError, OperatorSays, Secrets, read_text};
use pawl_mcp::{Hub, Servers};
use pawl_models::{ModelsError, Profiles};
use pawl_registry::{Registries, TrustedKeys};
use pawl_server::notify::Notifying;
use pawl_telemetry::Settings;

use super::{engine_config, telemetry};
use crate::fault::Fault;
use crate::place::Place;

/// The engine's settings for a data folder, with what the operator names and asks. No MCP server is started by this.
pub(crate) fn configured(place: &Place) -> Result<EngineConfig, Fault> {
    let (operator, folder) = read(place)?;
    let models = Arc::new(Profiles::new(&operator, &folder, read_text)?);
    let mcp = hub(&operator, &folder)?;
    let config = engine_config(place)?;
    let policy_file =
        place.config().map_or_else(|| config.policy_file.clone(), |path| path.display().to_string());
    let policy = Policy { files: folders(&operator.files, &folder, &policy_file)?, ..operator.policy };
    let namespaces = namespaces(operator.namespaces, &folder, &policy_file)?;
    Ok(EngineConfig {
        models: Some(models),
        mcp: Some(mcp),
        offers: Arc::new(operator.plugins),
        sources: sources(operator.sources, &folder),
        policy,
        namespaces,
        hold_new_plugins: operator.hold_new_plugins,
        secrets: Some(Arc::new(Secrets::new(operator.secrets, &folder))),
        policy_file,
        ..config
    })
}

/// What the operator says now, for an engine that was opened with what it said before, and where spans go. MCP servers are kept where the
/// file says the same of them.
pub(super) fn reloaded(
    place: &Place,
    before: &Operator,
    servers: Option<Arc<dyn Servers>>,
) -> Result<(Operator, OperatorSays, Option<Settings>), Fault> {
    let (operator, folder) = read(place)?;
    let spans = telemetry::settings_of(place, &operator, &folder)?;
    let models = Arc::new(Profiles::new(&operator, &folder, read_text)?);
    let mcp = if operator.mcp == before.mcp { servers } else { Some(hub(&operator, &folder)?) };
    let policy_file =
        place.config().map_or_else(|| "pawl.yaml".to_owned(), |path| path.display().to_string());
    let says = OperatorSays {
        models: Some(models),
        mcp,
        offers: Arc::new(operator.plugins.clone()),
        sources: sources(operator.sources.clone(), &folder),
        policy: Policy { files: folders(&operator.files, &folder, &policy_file)?, ..operator.policy.clone() },
        namespaces: namespaces(operator.namespaces.clone(), &folder, &policy_file)?,
        secrets: Some(Arc::new(Secrets::new(operator.secrets.clone(), &folder))),
        hold_new_plugins: operator.hold_new_plugins,
        policy_file,
        traced: spans.is_some(),
    };
    Ok((operator, says, spans))
}

/// What the runs of namespaces may be granted, with their folders as they are.
fn namespaces(
    all: BTreeMap<Namespace, NamespaceGrants>,
    folder: &Path,
    file: &str,
) -> Result<Arc<BTreeMap<Namespace, NamespaceGrants>>, Fault> {
    let whole = |(name, given): (Namespace, NamespaceGrants)| {
        let files = folders(&given.files, folder, file)?;
        Ok((name, NamespaceGrants { files, ..given }))
    };
    all.into_iter().map(whole).collect::<Result<BTreeMap<_, _>, Fault>>().map(Arc::new)
}

/// The folders that the operator lets tools have, as they are and not as links to them are called.
fn folders(named: &Folders, folder: &Path, file: &str) -> Result<Folders, Fault> {
    let mut found = Folders::new();
    for (path, mode) in named {
        let path = folder.join(path);
        let unusable = |reason: String| {
            let message =
                format!("cannot use {}, a folder under `files` of {file}: {reason}", path.display());
            Fault::usage(message).hint("make the folder, or take it out")
        };
        let whole = std::fs::canonicalize(&path).map_err(|error| unusable(error.to_string()))?;
        if !whole.is_dir() {
            return Err(unusable("it is no folder".to_owned()));
        }
        let whole = whole.into_os_string().into_string();
        let whole = whole.map_err(|_| unusable("its name is no UTF-8".to_owned()))?;
        let most = found.get(&whole).map_or(*mode, |known: &FolderMode| *mode.max(known));
        found.insert(whole, most);
    }
    Ok(found)
}

/// The engine's settings where nothing is run: with the servers, and with what plugins shall be taken for.
pub(crate) fn unasked(place: &Place) -> Result<EngineConfig, Fault> {
    let (operator, folder) = read(place)?;
    let mcp = Some(hub(&operator, &folder)?);
    let config = engine_config(place)?;
    let policy_file = place.config().map_or(config.policy_file, |path| path.display().to_string());
    let sources = sources(operator.sources, &folder);
    Ok(EngineConfig { mcp, offers: Arc::new(operator.plugins), sources, policy_file, ..config })
}

/// Where the plugins are that the operator gives, with paths that begin at the operator's file.
fn sources(named: BTreeMap<String, PluginSource>, folder: &Path) -> Arc<BTreeMap<String, PluginSource>> {
    let whole = |source| match source {
        PluginSource::File(path) => PluginSource::File(folder.join(path).display().to_string()),
        PluginSource::Registry(_) => source,
    };
    Arc::new(named.into_iter().map(|(name, source)| (name, whole(source))).collect())
}

fn hub(operator: &Operator, folder: &Path) -> Result<Arc<dyn Servers>, Fault> {
    let hub = Hub::new(operator, folder).map_err(|error| Fault::usage(error.to_string()))?;
    Ok(Arc::new(hub))
}

/// Who provides each model, as traces call it.
pub(super) fn providers(operator: &Operator) -> BTreeMap<String, String> {
    let provider = |profile: &Profile| match &profile.provider {
        Provider::Scripted { .. } => "pawl.scripted",
        Provider::Remote(remote) => remote.protocol.name(),
    };
    operator.models.iter().map(|(name, profile)| (name.clone(), provider(profile).to_owned())).collect()
}

/// The operator's file and its folder.
pub(crate) fn read(place: &Place) -> Result<(Operator, PathBuf), Fault> {
    let Some(path) = place.config() else { return Ok((Operator::default(), PathBuf::new())) };
    let file = path.display().to_string();
    let text = read_text(&path).map_err(|error| {
        Fault::usage(format!("cannot read {file}, the operator's file: {error}"))
            .hint("name another with --config FILE, or make this one readable")
    })?;
    let operator = operator::load(&file, &text).map_err(EngineError::from)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    Ok((operator, folder.to_owned()))
}

/// Whose plugins the operator trusts.
pub(crate) fn trusted_keys(place: &Place) -> Result<Arc<TrustedKeys>, Fault> {
    let (operator, folder) = read(place)?;
    let keys =
        operator.trusted_keys.iter().map(|(name, key)| Ok((name.clone(), public_key(name, key, &folder)?)));
    Ok(Arc::new(TrustedKeys::new(keys.collect::<Result<Vec<_>, Fault>>()?)))
}

/// The registries that plugins come from, and where what was fetched is kept.
pub(crate) fn registries(place: &Place) -> Result<Arc<Registries>, Fault> {
    let (operator, folder) = read(place)?;
    Ok(Arc::new(Registries::new(operator.registries, folder, place.registry_cache())))
}

/// Who is told of approvals.
pub(crate) fn notifying(place: &Place) -> Result<Notifying, Fault> {
    let (operator, folder) = read(place)?;
    Ok(Notifying { told: operator.notify, folder })
}

fn public_key(name: &str, key: &TrustedKey, folder: &Path) -> Result<PublicKey, Fault> {
    let path = match key {
        TrustedKey::Key(key) => return Ok(*key),
        TrustedKey::File(path) => folder.join(path),
    };
    let read = read_text(&path).map_err(|error| error.to_string());
    let read = read.and_then(|text| text.trim().parse().map_err(|error| format!("{error}")));
    read.map_err(|reason| {
        let message =
            format!("cannot use {}, the trusted key '{name}' of pawl.yaml: {reason}", path.display());
        Fault::usage(message)
            .hint("name the file that `pawl plugin keygen` has written, the one that ends in .pub")
    })
}

impl From<ModelsError> for Fault {
    fn from(error: ModelsError) -> Self {
        let text = error.to_string();
        match error {
            ModelsError::Script(problems) => EngineError::Definition(problems).into(),
            ModelsError::Unreadable { .. } => {
                Self::usage(text).hint("check `script` in pawl.yaml: it is relative to that file")
            }
            ModelsError::Address { .. } => Self::usage(text),
        }
    }
}
