//! `pawl plugin sign`: a signature beside a component.

use std::path::PathBuf;

use clap::Args;
use pawl_core::Digest;
use pawl_registry::{SecretKey, Signature, Signed, signature_place};
use pawl_sandbox::Manifest;
use serde_json::json;

use super::add::put;
use super::find;
use crate::args::DataArgs;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect::Inspector;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The file of a component, with its manifest beside it
    component: PathBuf,
    /// The file of the private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &SignArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let key = SecretKey::read(&args.key)?;
    let shown = args.component.display().to_string();
    let entry = find::find(&workbench(place).await?, &shown).await?;
    // What would be refused by everybody is not signed.
    find::load(&Inspector::new(place)?, &entry, None).await?;
    let Some(text) = &entry.manifest else {
        return Err(Fault::usage(format!(
            "{shown} has no manifest, and its name and version are signed with it"
        ))
        .hint("write a plugin.toml beside it; docs/plugin-guide.md says what stands there"));
    };
    let manifest = Manifest::parse(text).map_err(|error| Fault::usage(error.to_string()))?;
    let signed = Signed {
        component: Digest::of(&entry.bytes),
        manifest: Digest::of(text.as_bytes()),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
    };
    let component = signed.component;
    let signature = Signature::new(signed, &key);
    let file = signature_place(&args.component);
    put(&file, signature.to_text().as_bytes()).map_err(|error| {
        Fault::usage(format!("cannot write {}: {error}", file.display())).hint("make the folder writable")
    })?;
    let (file, public) = (file.display().to_string(), key.public().to_string());
    out.document(&json!({
        "name": manifest.name, "version": manifest.version, "digest": component, "key": public, "file": file,
    }));
    out.text(&format!("{file}: {} {} is signed with {public}", manifest.name, manifest.version));
    Ok(Exit::Ok)
}
