//! `pawl plugin verify`: who signed a component, and whether that holds.

use std::path::PathBuf;

use clap::Args;
use pawl_core::Digest;
use pawl_registry::{Signature, UntrustedError};
use serde_json::json;

use super::find;
use crate::args::DataArgs;
use crate::backend::trusted_keys;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The file of a component, with its manifest and its signature beside it
    component: PathBuf,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: &VerifyArgs, place: &Place, out: Output) -> Result<Exit, Fault> {
    let shown = args.component.display().to_string();
    let engine = workbench(place).await?;
    let entry = find::find(&engine, &shown).await?;
    let Some(text) = &entry.signature else {
        return Err(Fault::failed(format!("{shown} is not signed: there is no {shown}.sig"))
            .hint("have it signed with `pawl plugin sign`"));
    };
    let digest = Digest::of(&entry.bytes);
    let signature = Signature::parse(text)?;
    let key = signature.check(&digest, entry.manifest.as_deref())?;
    let trusted = trusted_keys(place)?;
    let by = trusted.name(&key);
    if by.is_none() && !trusted.is_empty() {
        return Err(Fault::failed(format!(
            "{shown} is not trusted: it is {}",
            said(&UntrustedError::Unknown(key))
        ))
        .hint("add that key to `trusted_keys` of pawl.yaml if you trust its owner"));
    }
    let (name, version) = (signature.name(), signature.version());
    out.document(&json!({
        "name": name, "version": version, "digest": digest, "key": key.to_string(), "trusted_as": by,
    }));
    let who = by.map_or_else(String::new, |by| format!(", which pawl.yaml trusts as '{by}'"));
    out.text(&format!("{shown}: {name} {version}, whole and signed with {key}{who}"));
    if by.is_none() {
        out.note("pawl.yaml names no `trusted_keys`: this says that it is as its signer left it, and not who that is");
    }
    Ok(Exit::Ok)
}

/// What is wrong, without what to do.
fn said(error: &UntrustedError) -> String {
    let text = error.to_string();
    let text = text.split("; ").next().unwrap_or(&text);
    text.strip_prefix("it is ").unwrap_or(text).to_owned()
}
