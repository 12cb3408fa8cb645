//! `pawl plugin keygen`: a key to sign plugins with.

use std::path::PathBuf;

use clap::Args;
use pawl_registry::SecretKey;
use serde_json::json;

use super::add::put;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;

#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// Where the private key goes: a file that is not there yet. The public one goes to FILE.pub
    file: PathBuf,
}

pub(super) fn run(args: &KeygenArgs, out: Output) -> Result<Exit, Fault> {
    let public_file = args.file.with_added_extension("pub");
    if public_file.exists() {
        return Err(Fault::usage(format!("{} is there already", public_file.display()))
            .hint("name another file: a key that is overwritten is lost for ever"));
    }
    let key = SecretKey::create(&args.file)?.public().to_string();
    put(&public_file, format!("{key}\n").as_bytes()).map_err(|error| {
        Fault::usage(format!("cannot write {}: {error}", public_file.display()))
            .hint(format!("keep the public key yourself: {key}"))
    })?;
    let (private, public) = (args.file.display().to_string(), public_file.display().to_string());
    out.document(&json!({ "key": key, "private_file": private, "public_file": public }));
    out.text(&key);
    out.note(&format!(
        "{private} is the private key: keep it to yourself, and a copy where nobody else is\n\
         {public} is the public one; whoever trusts it says so in pawl.yaml:\n\
         trusted_keys: {{ release: {{ key: \"{key}\" }} }}"
    ));
    Ok(Exit::Ok)
}
