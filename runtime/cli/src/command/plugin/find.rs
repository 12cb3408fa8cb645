//! Finds a plugin by its name or its file, and checks it against its manifest.

use std::path::Path;
use std::sync::Arc;

use pawl_core::plugin::PluginOrigin;
use pawl_engine::{Engine, PluginEntry};
use pawl_sandbox::{Limits, LoadedPlugin, Manifest};

use crate::fault::Fault;
use crate::inspect::Inspector;

/// A file, if it looks like one; else a plugin's name.
pub(super) async fn find(engine: &Engine, plugin: &str) -> Result<PluginEntry, Fault> {
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
    let entries = engine.plugins().await?;
    let names: Vec<_> = entries.iter().map(|entry| entry.name.clone()).collect();
    entries.into_iter().find(|entry| entry.name == plugin).ok_or_else(|| {
        Fault::usage(format!("there is no plugin '{plugin}'"))
            .hint(format!("name a .wasm file, or one of: {}", names.join(", ")))
    })
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

/// Loads a plugin and checks it against its manifest.
pub(super) async fn load(inspector: &Inspector, entry: &PluginEntry) -> Result<Arc<LoadedPlugin>, Fault> {
    let loaded = inspector.load(&entry.name, &entry.bytes).await?;
    let Some(manifest) = &entry.manifest else { return Ok(loaded) };
    let wrong = |error: pawl_sandbox::SandboxError| {
        Fault::usage(error.to_string()).hint("correct the file beside the component")
    };
    let manifest = Manifest::parse(manifest).map_err(wrong)?;
    manifest.limits_within(&Limits::default()).map_err(wrong)?;
    manifest.check(&loaded).map_err(wrong)?;
    if matches!(entry.origin, PluginOrigin::Folder(_)) {
        manifest.check_name(&entry.name).map_err(wrong)?;
    }
    Ok(loaded)
}
