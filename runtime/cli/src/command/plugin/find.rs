//! Finds a plugin by its name or its file, and checks it against its manifest.

use std::path::Path;
use std::sync::Arc;

use pawl_core::diagnostic::among;
use pawl_core::oci::Reference;
use pawl_core::plugin::PluginOrigin;
use pawl_engine::{Engine, EngineError, PluginEntry};
use pawl_sandbox::{Limits, LoadedPlugin, Manifest};

use crate::fault::Fault;
use crate::inspect::Inspector;

/// A file, if it looks like one; else a plugin's name.
pub(super) async fn find(engine: &Engine, plugin: &str) -> Result<PluginEntry, Fault> {
    if Reference::is_meant(plugin) {
        return Err(Fault::usage(format!("{plugin} is in a registry"))
            .hint("fetch it with `pawl plugin pull`, and name the file"));
    }
    let path = Path::new(plugin);
    if path.extension().is_some_and(|extension| extension == "wasm") || plugin.contains('/') {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let is_folder = path.is_dir();
        return engine.plugin_file(&name, path).await.map_err(|error| {
            let hint = if is_folder {
                "name the component in it, a file that ends in .wasm"
            } else {
                "name the file of a component"
            };
            Fault::usage(error.to_string()).hint(hint)
        });
    }
    let entries = match engine.plugin_named(plugin).await {
        Ok(entry) => return Ok(entry),
        Err(EngineError::NoPlugin { .. }) => engine.plugins().await?,
        Err(error) => return Err(error.into()),
    };
    let hint = others(plugin, &entries, "name a .wasm file, or one of");
    Err(Fault::usage(format!("there is no plugin '{plugin}'")).hint(hint))
}

/// The plugin that may be meant, else all of them.
pub(super) fn others(plugin: &str, entries: &[PluginEntry], what: &str) -> String {
    match among(plugin, what, entries.iter().map(|entry| entry.name.as_str())) {
        Some(near) if near.ends_with('?') => format!("{near} `pawl plugin list` shows all"),
        Some(all) => format!("{all}; `pawl plugin list` says more of each"),
        None => "there are none".to_owned(),
    }
}

/// The plugin with the manifest of another file.
pub(super) fn with_manifest(mut entry: PluginEntry, path: Option<&Path>) -> Result<PluginEntry, Fault> {
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Fault::usage(format!("cannot read {}: {error}", path.display()))
                .hint("name the file of a manifest")
        })?;
        entry.manifest = Some(text);
    }
    Ok(entry)
}

/// Loads a plugin and checks it against its manifest, that of another file where one is named.
pub(super) async fn load(
    inspector: &Inspector,
    entry: &PluginEntry,
    named: Option<&Path>,
) -> Result<Arc<LoadedPlugin>, Fault> {
    let loaded = inspector.load(&entry.name, &entry.bytes).await?;
    let Some(manifest) = &entry.manifest else { return Ok(loaded) };
    let wrong = |error: pawl_sandbox::SandboxError| {
        let text = error.to_string();
        match named {
            Some(path) => {
                let said = text.strip_prefix("plugin.toml").unwrap_or(&text);
                Fault::usage(format!("{}{said}", path.display())).hint("correct that file, or name another")
            }
            None => Fault::usage(text).hint("correct the file beside the component"),
        }
    };
    let manifest = Manifest::parse(manifest).map_err(wrong)?;
    manifest.limits_within(&Limits::default()).map_err(wrong)?;
    manifest.check(&loaded).map_err(wrong)?;
    if matches!(entry.origin, PluginOrigin::Folder(_)) {
        manifest.check_name(&entry.name).map_err(wrong)?;
    }
    Ok(loaded)
}
