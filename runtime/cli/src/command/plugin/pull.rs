//! `pawl plugin pull`: a plugin from a registry into a folder.

use std::path::PathBuf;

use clap::Args;
use pawl_core::Digest;
use pawl_core::oci::Reference;
use pawl_core::plugin::PluginOrigin;
use pawl_engine::PluginEntry;
use pawl_registry::Package;
use pawl_sandbox::{Manifest, SandboxConfig};
use serde_json::json;

use super::add::lay;
use super::find;
use crate::args::DataArgs;
use crate::backend::registries;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::Inspector;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// Which: `oci://HOST/REPOSITORY:TAG`, `…@sha256:DIGEST`, or both
    from: String,
    /// The folder that it goes into (default: the plugin folder)
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &PullArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let mut from: Reference = args.from.parse()?;
    let registries = registries(place)?;
    if from.digest.is_none() {
        from = from.at(registries.resolve(&from).await?);
    }
    let max_bytes = SandboxConfig::default().component.component_max_bytes;
    let Package { component, manifest, signature } = registries.pull(&from, max_bytes).await?;
    let name = match &manifest {
        Some(text) => Manifest::parse(text).map_err(|error| Fault::usage(error.to_string()))?.name,
        None => from.repository.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let origin = PluginOrigin::Registry(from.to_string());
    let entry = PluginEntry { name: name.clone(), origin, bytes: component.into(), manifest, signature };
    workbench(place).await?.trust_plugin(&entry)?;
    let loaded = find::load(&Inspector::new(place)?, &entry, None).await?;
    let folder = if let Some(folder) = &args.into {
        folder.clone()
    } else {
        place.create()?;
        place.plugins()
    };
    let file = lay(&folder, &name, &entry)?.display().to_string();
    let digest = Digest::of(&entry.bytes);
    let signed = entry.signature.is_some();
    out.document(&json!({
        "name": name, "kind": loaded.kind(), "digest": digest, "reference": from.to_string(), "file": file,
        "signed": signed,
    }));
    out.text(&format!("{name}: {from} is in {file}"));
    Ok(Exit::Ok)
}
