//! `pawl store compact`: the same store in fewer bytes.

use pawl_store::maintain::{Compacted, compact};
use serde_json::json;

use super::{alone, kind, size};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;

pub(super) async fn run(place: &Place, out: Output) -> Result<Exit, Fault> {
    let Compacted { before, after } =
        compact(kind(place.store.engine), place.store_folder()).await.map_err(alone)?;
    out.document(&json!({ "before": before, "after": after }));
    out.text(&format!("{} before, {} now", size(before), size(after)));
    Ok(Exit::Ok)
}
