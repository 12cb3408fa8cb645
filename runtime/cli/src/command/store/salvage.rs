//! `pawl store salvage`: what is whole of a damaged store.

use clap::Args;
use pawl_engine::upkeep::{LostRun, Salvaged, salvage};
use pawl_store::StoreError;
use pawl_store::maintain::{NewStore, Wreck};
use serde_json::json;

use super::{Progress, alone, count, folder_of, kind};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::StoreAt;

#[derive(Debug, Args)]
pub(crate) struct SalvageArgs {
    /// The damaged store: lmdb:PATH or sled:PATH. It stays as it is
    #[arg(value_name = "FROM")]
    from: StoreAt,
    /// Where the new one is made: lmdb:PATH or sled:PATH, in a folder that holds no store
    #[arg(value_name = "TO")]
    to: StoreAt,
}

pub(super) async fn run(args: &SalvageArgs, out: Output) -> Result<Exit, Fault> {
    let SalvageArgs { from, to } = args;
    let (source, target) = (folder_of(from)?, folder_of(to)?);
    let new = NewStore::begin(kind(to.engine), target)?;
    let wreck = Wreck::open(kind(from.engine), source, target).map_err(|error| {
        let is_hopeless = matches!(error, StoreError::Damaged(_));
        let fault = alone(error);
        if is_hopeless {
            fault.hint("nothing of it can be read; restore the data folder from a backup")
        } else {
            fault
        }
    })?;
    let mut progress = Progress::new(out);
    let mut told = |what: &str, number: u64| progress.say(|| format!("{what}: {number}"));
    let salvaged = salvage(&wreck, new.store(), target, &mut told).await?;
    new.finish()?;
    show(&salvaged, args, out);
    let is_whole = salvaged.lost.is_empty() && salvaged.damage.is_empty();
    Ok(if is_whole { Exit::Ok } else { Exit::Failed })
}

fn show(salvaged: &Salvaged, args: &SalvageArgs, out: Output) {
    let Salvaged { runs, events, blobs, memories, lost, damage, damage_more } = salvaged;
    out.document(&json!({
        "from": args.from.to_string(),
        "to": args.to.to_string(),
        "runs": runs,
        "events": events,
        "blobs": blobs,
        "memories": memories,
        "lost": lost.iter().map(document).collect::<Vec<_>>(),
        "damage": damage,
        "damage_more": damage_more,
    }));
    out.text(&format!(
        "saved {} with {}, {} and {} of memories in {}",
        count(*runs, "run"),
        count(*events, "event"),
        count(*blobs, "blob"),
        count(*memories, "value"),
        args.to,
    ));
    for run in lost {
        out.text(&text(run));
    }
    for place in damage {
        out.note(&format!("damaged: {place}"));
    }
    if *damage_more > 0 {
        out.note(&format!("and {} more", count(*damage_more, "place")));
    }
}

fn document(lost: &LostRun) -> serde_json::Value {
    let LostRun { run, kept, lost, why } = lost;
    json!({ "run": run, "kept": kept, "lost": lost, "reason": why })
}

fn text(lost: &LostRun) -> String {
    let LostRun { run, kept, lost, why } = lost;
    let lost = match lost {
        Some(0) => "all".to_owned(),
        Some(lost) => format!("{kept} of {}", kept + lost),
        None => format!("the first {kept}"),
    };
    format!("lost  run {run}: {lost} of its events are saved; {why}")
}
