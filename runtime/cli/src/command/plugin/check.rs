//! `pawl plugin check`: components and the manifests beside them.

use std::path::PathBuf;

use clap::Args;
use pawl_core::plugin::Permissions;
use serde_json::{Value, json};

use super::find;
use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::Inspector;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Names of plugins, or files of components
    #[arg(required = true)]
    plugins: Vec<String>,
    /// A manifest that does not lie beside its component
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &CheckArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let engine = workbench(place).await?;
    let inspector = Inspector::new(place)?;
    let mut documents = Vec::new();
    let mut exit = Exit::Ok;
    for plugin in &args.plugins {
        let checked = async {
            let entry = find::with_manifest(find::find(&engine, plugin).await?, args.manifest.as_deref())?;
            let loaded = find::load(&inspector, &entry, args.manifest.as_deref()).await?;
            Ok::<_, Fault>((loaded, entry.manifest.is_some()))
        };
        match checked.await {
            Ok((loaded, has_manifest)) => {
                let needs = loaded.missing(&Permissions::default());
                let manifest = if has_manifest { "with a manifest" } else { "without a manifest" };
                let needed =
                    if needs.is_empty() { "nothing to be granted".to_owned() } else { needs.join(", ") };
                let kind = loaded.kind().name();
                out.text(&format!("ok    {plugin}: {kind}, {manifest}; needs {needed}"));
                documents.push(
                    json!({ "plugin": plugin, "ok": true, "kind": kind, "needs": needs, "problem": null }),
                );
            }
            Err(fault) => {
                exit = Exit::Usage;
                out.text(&format!("fail  {plugin}"));
                out.note(&fault.text());
                documents.push(json!({ "plugin": plugin, "ok": false, "problem": fault.message }));
            }
        }
    }
    out.document(&Value::from(documents));
    Ok(exit)
}
