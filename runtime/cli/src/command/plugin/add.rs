//! `pawl plugin add`: a component and its manifest, into the plugin folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use pawl_core::plugin::{Description, PluginOrigin};
use pawl_engine::PluginEntry;
use pawl_registry::signature_place;
use pawl_sandbox::Manifest;
use serde_json::json;

use super::find;
use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::Inspector;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The file of a component
    component: PathBuf,
    /// Its manifest (default: the one beside the component, where there is one)
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &AddArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let file = args.component.display().to_string();
    let engine = workbench(place).await?;
    let entry = engine.plugin_file("plugin", &args.component).await?;
    let mut entry = find::with_manifest(entry, args.manifest.as_deref())?;
    engine.trust_plugin(&entry)?;
    let loaded = find::load(&Inspector::new(place)?, &entry, args.manifest.as_deref()).await?;
    let name = match &entry.manifest {
        Some(text) => Manifest::parse(text).map_err(|error| Fault::usage(error.to_string()))?.name,
        None => {
            args.component.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        }
    };
    place.create()?;
    let component = lay(&place.plugins(), &name, &entry)?;
    entry.origin = PluginOrigin::Folder(component.display().to_string());
    out.document(&json!({
        "name": name, "kind": loaded.kind(), "digest": loaded.digest(), "origin": entry.origin,
    }));
    let used = match loaded.description() {
        Description::Tools(tools) => {
            let tools: Vec<_> = tools.iter().map(|tool| format!("`tool: {name}.{}`", tool.name)).collect();
            tools.join(" or ")
        }
        Description::Agent(_) => format!("`agent: {name}`"),
    };
    out.text(&format!("{name}: {file} is in {}; a step may say {used}", component.display()));
    Ok(Exit::Ok)
}

/// Puts a plugin's files into a folder, the component last: what lies beside it is there when it is found.
pub(super) fn lay(folder: &Path, name: &str, entry: &PluginEntry) -> Result<PathBuf, Fault> {
    let told = |error: std::io::Error| {
        Fault::unusable(format!("cannot write to {}: {error}", folder.display()))
            .hint("make the folder writable")
    };
    std::fs::create_dir_all(folder).map_err(told)?;
    let component = folder.join(format!("{name}.wasm"));
    let beside = [
        (folder.join(format!("{name}.toml")), &entry.manifest),
        (signature_place(&component), &entry.signature),
    ];
    for (path, text) in beside {
        match text {
            Some(text) => put(&path, text.as_bytes()).map_err(told)?,
            None => remove(&path).map_err(told)?,
        }
    }
    put(&component, &entry.bytes).map_err(told)?;
    Ok(component)
}

/// Writes a file in full before it has its name, so that nobody reads a part of it.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_added_extension(format!("part-{}", std::process::id()));
    let mut file = std::fs::File::create(&part)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.and_then(|()| std::fs::rename(&part, path)).inspect_err(|_| {
        // What is left of it has no name that anyone looks for.
        let _ = std::fs::remove_file(&part);
    })
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
