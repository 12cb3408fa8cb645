//! `pawl plugin push`: a component, with what lies beside it, into a registry.

use std::path::PathBuf;

use clap::Args;
use pawl_core::Digest;
use pawl_core::oci::Reference;
use pawl_registry::{Package, Signature};
use serde_json::json;

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
pub(super) struct PushArgs {
    /// The file of a component, with its manifest and its signature beside it
    component: PathBuf,
    /// Where to: `oci://HOST/REPOSITORY:TAG`
    to: String,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &PushArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let to: Reference = args.to.parse()?;
    if to.digest.is_some() || to.tag.is_none() {
        return Err(
            Fault::usage(format!("{to} is no tag")).hint("leave out the digest: it follows from the files")
        );
    }
    let shown = args.component.display().to_string();
    let entry = find::find(&workbench(place).await?, &shown).await?;
    // What nobody could use is not given to anybody.
    find::load(&Inspector::new(place)?, &entry, None).await?;
    let digest = Digest::of(&entry.bytes);
    if let Some(text) = &entry.signature {
        Signature::parse(text)?.check(&digest, entry.manifest.as_deref())?;
    }
    let signed = entry.signature.is_some();
    let package =
        Package { component: entry.bytes.to_vec(), manifest: entry.manifest, signature: entry.signature };
    let pinned = to.at(registries(place)?.push(&to, &package).await?).to_string();
    out.document(&json!({ "reference": pinned, "digest": digest, "signed": signed }));
    out.text(&pinned);
    if !signed {
        out.note(
            "it is not signed; `pawl plugin sign` signs it, and pushing it again brings the signature along",
        );
    }
    Ok(Exit::Ok)
}
