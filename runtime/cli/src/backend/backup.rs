//! Backups: the store as it is at one moment, in a folder of its own, with the plugin folder beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pawl_engine::{Clock as _, Engine, SystemClock};
use pawl_store::StoreError;
use pawl_store::maintain::{self, EngineKind, NewStore, Table, TableRow};

use super::protocol::BackedUp;
use crate::fault::Fault;

/// The file of a backup that says what it is. It is written last: without it, a folder is no backup.
pub(crate) const NOTE: &str = "backup.json";

/// Copies the store into a folder that holds none, and checks every journal of the copy before it is put there.
/// `told` hears every now and then how far it is.
pub(super) async fn back_up(
    engine: &Engine,
    plugins: &Path,
    to: &Path,
    every: Duration,
    told: &mut (dyn FnMut(String) + Send),
) -> Result<BackedUp, Fault> {
    let made_at = SystemClock.now().to_string();
    let store = Arc::clone(engine.store());
    let kind = store.info().await?.engine;
    let Some(kind) = EngineKind::ALL.into_iter().find(|known| known.name() == kind) else {
        return Err(Fault::usage("a store in memory has no backup").hint("leave out --ephemeral"));
    };
    if to.join(NOTE).exists() {
        return Err(Fault::usage(format!("{} holds a backup already", to.display()))
            .hint("name a folder that holds none: a date in its name helps"));
    }
    let new = NewStore::begin(kind, to)?;
    let mut said = Instant::now();
    let mut say = |what: &str, table: Table, rows: u64| {
        if said.elapsed() >= every {
            told(format!("{what} {rows} rows (at {})", table.name()));
            said = Instant::now();
        }
    };
    let rows = maintain::backup(store, new.store(), &mut |table, rows| say("copied", table, rows)).await?;
    let mut checking = |table, rows| say("checked", table, rows);
    let checked = maintain::check_journals(new.store(), &mut checking).await?;
    let checked = checked.map_err(|difference| {
        let row = TableRow { key: difference.key, value: Vec::new() };
        let row = maintain::row_name(difference.table, &row);
        Fault::failed(format!("no backup was made: {row} of the journals: {}", difference.what))
            .hint("`pawl verify` says more; `pawl store salvage` saves what is whole")
    })?;
    new.finish()?;
    let made = BackedUp {
        engine: kind.name().to_owned(),
        made_at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rows,
        journals: checked.journals,
        events: checked.events,
        plugins: copy_files(plugins, &to.join("plugins"))?,
    };
    note(&made, to)?;
    Ok(made)
}

/// Copies the files of a folder; none where there is no such folder. Gives how many there were.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<u64, Fault> {
    let copied = || -> std::io::Result<u64> {
        if !from.is_dir() {
            return Ok(0);
        }
        std::fs::create_dir_all(to)?;
        let mut files = 0;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let place = to.join(entry.file_name());
                std::fs::copy(entry.path(), &place)?;
                std::fs::File::open(&place)?.sync_all()?;
                files += 1;
            }
        }
        std::fs::File::open(to)?.sync_all()?;
        Ok(files)
    };
    copied().map_err(|error| {
        Fault::unusable(format!("cannot copy {} to {}: {error}", from.display(), to.display()))
            .hint("make room on the disk, and make both readable and writable for you")
    })
}

/// Says what the backup is, durably.
fn note(made: &BackedUp, to: &Path) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(made).unwrap_or_default() + "\n";
    let (unready, place) = (to.join("backup.json.new"), to.join(NOTE));
    let written = std::fs::write(&unready, text)
        .and_then(|()| std::fs::File::open(&unready)?.sync_all())
        .and_then(|()| std::fs::rename(&unready, &place))
        .and_then(|()| std::fs::File::open(to)?.sync_all());
    written.map_err(|error| StoreError::Folder { path: place, reason: error.to_string() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_engine::{EngineConfig, StartOptions};
    use pawl_store::lmdb::{LmdbOptions, LmdbStore};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_says_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let place = folder.path().join(name);
            std::fs::create_dir(&place).unwrap();
            place
        };
        let store = LmdbStore::open(&place("data"), LmdbOptions::default()).unwrap();
        let engine = Engine::open(Arc::new(store), EngineConfig::default()).await.unwrap();
        let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps: [{ id: a, set: 1 }]\n";
        let workflow = engine.prepare_workflow("w.yaml", text, folder.path()).await.unwrap();
        let run = engine.start(&workflow, serde_json::json!({}), StartOptions::default()).await.unwrap();
        engine.settled(run).await.unwrap();
        let mut heard = Vec::new();
        let mut told = |line| heard.push(line);
        let plugins = folder.path().join("plugins");
        let made = back_up(&engine, &plugins, &place("one"), Duration::ZERO, &mut told).await.unwrap();
        let said =
            |words: &str| heard.iter().any(|line| line.starts_with(words) && line.contains(" rows (at "));
        assert!(made.rows > 0 && said("copied ") && said("checked "), "{heard:?}");
        // Not for each row, where rows are many.
        let mut told = |line| panic!("{line}");
        back_up(&engine, &plugins, &place("two"), Duration::from_hours(1), &mut told).await.unwrap();
    }
}
