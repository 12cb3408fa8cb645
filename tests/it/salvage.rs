//! Stores whose files are damaged: what is whole of them is saved, and what is not is named.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;

use anyhow::{Context as _, Result, ensure};
use pawl_core::{Digest, RunId};
use pawl_core::{MemoryScope, Remembered};
use pawl_engine::upkeep::{Salvaged, salvage};
use pawl_store::maintain::{EngineKind, NewStore, RowChange, Table, Walk, Wreck};
use pawl_store::{Batch, StoreError};
use serde_json::json;

use crate::shelf::{All, Home, all_rows};

/// Saves what is whole of a store into one of another folder, whose engine is LMDB.
async fn saved(home: &Home) -> Result<(Home, Salvaged)> {
    let other = Home::new(EngineKind::Lmdb)?;
    let new = NewStore::begin(other.kind, &other.folder())?;
    let wreck = Wreck::open(home.kind, &home.folder(), &other.folder())?;
    let found = salvage(&wreck, new.store(), &other.folder(), &mut |_, _| ()).await?;
    drop(wreck);
    new.finish()?;
    assert!(!other.folder().join("wreck.new").exists() && !other.folder().join("scratch.new").exists());
    Ok((other, found))
}

async fn full(kind: EngineKind) -> Result<(Home, BTreeMap<&'static str, RunId>, All)> {
    let (home, runs) = Home::full(kind).await?;
    let store = home.alone().await?;
    let scope = MemoryScope::Key("kept".into());
    let remembered = ["a", "b"].map(|key| Remembered {
        scope: scope.clone(),
        key: key.to_owned(),
        value: json!({ "of": key }),
    });
    store.commit(&Batch { remembered: remembered.to_vec(), ..Batch::default() }).await?;
    let rows = all_rows(&*store).await?;
    Ok((home, runs, rows))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_store_that_is_whole_everything_is_saved() -> Result<()> {
    for kind in EngineKind::ALL {
        let (home, _, rows) = full(kind).await?;
        let (other, found) = saved(&home).await?;
        assert_eq!((&found.lost, &found.damage), (&vec![], &vec![]), "{}", kind.name());
        assert_eq!(found.memories, 2);
        assert_eq!(all_rows(&*other.alone().await?).await?, rows);
        // The damaged one stays as it is.
        assert_eq!(all_rows(&*home.alone().await?).await?, rows);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_of_each_table_cost_what_they_held_and_no_more() -> Result<()> {
    let cases: [(Table, bool); 13] = [
        (Table::Journal, true),
        (Table::Runs, false),
        (Table::Statuses, false),
        (Table::Due, false),
        (Table::Approvals, false),
        (Table::ApprovalRuns, false),
        (Table::Blobs, true),
        (Table::Outgoing, false),
        (Table::Subscriptions, false),
        (Table::Tickets, false),
        (Table::Memories, true),
        (Table::Changes, true),
        (Table::Records, true),
    ];
    for kind in EngineKind::ALL {
        let (home, ..) = full(kind).await?;
        for (table, is_lost) in cases {
            let store = home.alone().await?;
            let before = all_rows(&*store).await?;
            let row = Walk::new(&*store, table).next().await?;
            let key = row.as_ref().map_or_else(|| vec![1; 24], |row| row.key.clone());
            let broken = RowChange { table, key: key.clone(), value: Some(b"\xc1broken".to_vec()) };
            store.change(vec![broken]).await?;
            drop(store);
            let (other, found) = saved(&home).await?;
            let after = all_rows(&*other.alone().await?).await?;
            let lost = before.keys().filter(|at| !after.contains_key(*at)).count();
            // LMDB may have an older copy of the row on a page that it has not used again.
            let is_found = kind == EngineKind::Lmdb && matches!(table, Table::Journal | Table::Blobs);
            assert!(lost == 0 || is_lost, "{} {}: {found:?}", kind.name(), table.name());
            assert!(lost > 0 || !is_lost || is_found, "{} {}: {found:?}", kind.name(), table.name());
            match table {
                // All of that run, or what an event with that value and the ones behind it were.
                Table::Journal | Table::Blobs => assert_eq!(found.lost.is_empty(), lost == 0, "{found:?}"),
                Table::Memories => assert_eq!((lost, found.memories), (1, 1)),
                Table::Changes | Table::Records => assert_eq!(lost, 1),
                _ => assert_eq!((&found.lost, &after), (&vec![], &before), "{}", table.name()),
            }
            let names_it = found.damage.iter().any(|what| what.starts_with(table.name()));
            assert_eq!(names_it, is_lost || matches!(table, Table::Runs | Table::Outgoing), "{found:?}");
            // As it was, for the next.
            let store = home.alone().await?;
            let value = before.get(&(table.name(), key.clone())).cloned();
            store.change(vec![RowChange { table, key, value }]).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_much_damage_the_first_places_are_named() -> Result<()> {
    let (home, ..) = full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let before = all_rows(&*store).await?;
    let broken = |number: u8| RowChange { table: Table::Blobs, key: vec![number; 32], value: Some(vec![1]) };
    store.change((0..120).map(broken).collect()).await?;
    drop(store);
    let (other, found) = saved(&home).await?;
    assert_eq!((found.damage.len(), found.damage_more, found.lost), (100, 20, vec![]));
    assert_eq!(all_rows(&*other.alone().await?).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_kept_up_to_its_damage() -> Result<()> {
    let (home, runs, before) = full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let run = runs["answered"];
    let keys: Vec<_> =
        before.keys().filter(|(table, key)| *table == "journal" && key.starts_with(run.as_bytes())).collect();
    ensure!(keys.len() > 1, "more than one commit");
    let last = keys[keys.len() - 1].1.clone();
    let kept = u64::from_be_bytes(last[16..].try_into()?) - 1;
    // One bit of an event that stands in the middle of a record.
    let mut value = before[&("journal", last.clone())].clone();
    let prev = value.windows(4).position(|at| at == b"prev").context("a chain")?;
    value[prev + 10] ^= 1;
    store.change(vec![RowChange { table: Table::Journal, key: last, value: Some(value) }]).await?;
    drop(store);
    let (other, after) = saved(&home).await?;
    assert_eq!(after.lost.len(), 1, "{after:?}");
    let gone = &after.lost[0];
    assert_eq!((gone.run, gone.kept), (run, kept));
    assert!(gone.lost.is_some_and(|events| events > 0) && gone.why.contains("altered"), "{gone:?}");
    // It goes on from there: its approval is open again.
    let scene = other.scene().await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", serde_json::Value::Null).await?;
    scene.ended(run).await?;
    scene.stop().await?;
    Ok(())
}

/// What was saved of a store whose file was damaged is true: no row of what proves itself is another than it was, but
/// for the last of a run that is named, and what is missing is of runs that are named.
async fn check(home: &Home, before: &All, what: &str) -> Result<usize> {
    let (other, found) = match saved(home).await {
        Ok(saved) => saved,
        Err(error) => {
            // Nothing can be read, and it says so.
            ensure!(error.to_string().contains("damaged"), "{what}: {error}");
            return Ok(0);
        }
    };
    let after = all_rows(&*other.alone().await?).await?;
    for ((table, key), value) in &after {
        if !["journal", "blobs"].contains(table) || before.get(&(table, key.clone())) == Some(value) {
            continue;
        }
        // No later event proves the last one; the run's header does, and which of the two was altered is not known.
        let later = after.keys().filter(|(other, at)| other == table && at > key && at[..16] == key[..16]);
        let named = found.lost.iter().any(|lost| lost.run.as_bytes() == &key[..16]);
        ensure!(*table == "journal" && later.count() == 0 && named, "{what}: a row of {table} is another");
    }
    let runs = |rows: &All| -> std::collections::BTreeSet<Vec<u8>> {
        let journals = rows.keys().filter(|(table, _)| *table == "journal");
        journals.map(|(_, key)| key[..16].to_vec()).collect()
    };
    let named: Vec<_> = found.lost.iter().map(|lost| lost.run.as_bytes().to_vec()).collect();
    let gone: Vec<_> = runs(before).difference(&runs(&after)).cloned().collect();
    // A run of which nothing is left is named if its header is left; else the damage is.
    ensure!(gone.iter().all(|run| named.contains(run)) || !found.damage.is_empty(), "{what}: {found:?}");
    Ok(runs(&after).len())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_flipped_anywhere_in_the_file_cost_no_more_than_what_they_held() -> Result<()> {
    for (kind, file) in [(EngineKind::Lmdb, "lmdb/data.mdb"), (EngineKind::Sled, "sled/db")] {
        let (home, _, before) = full(kind).await?;
        let path = home.folder().join(file);
        let whole = fs::read(&path)?;
        let all = check(&home, &before, "whole").await?;
        let mut saved = Vec::new();
        // A page at a time, spread over the file; the whole page, and one byte of it.
        for place in (0..16).map(|part| whole.len() / 16 * part) {
            for bytes in [1, 4_096] {
                let end = (place + bytes).min(whole.len());
                let flipped: Vec<u8> = whole[place..end].iter().map(|byte| !byte).collect();
                let file = fs::OpenOptions::new().write(true).open(&path)?;
                file.write_all_at(&flipped, place as u64)?;
                let what = format!("{} {bytes} bytes at {place}", kind.name());
                saved.push(check(&home, &before, &what).await?);
                file.write_all_at(&whole[place..end], place as u64)?;
                restore(&home, file, &whole)?;
            }
        }
        let most = saved.iter().filter(|runs| **runs + 3 >= all).count();
        if kind == EngineKind::Lmdb {
            assert!(most > saved.len() / 2, "{saved:?} of {all}");
            assert!(saved.iter().all(|runs| *runs > 0), "{saved:?} of {all}");
        }
    }
    Ok(())
}

/// Nothing is written to the damaged store.
fn restore(home: &Home, file: fs::File, whole: &[u8]) -> Result<()> {
    drop(file);
    let name = if home.kind == EngineKind::Lmdb { "lmdb/data.mdb" } else { "sled/db" };
    ensure!(
        Digest::of(&fs::read(home.folder().join(name))?) == Digest::of(whole),
        "the damaged store was changed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_gives_what_is_left_of_it() -> Result<()> {
    for (kind, file) in [(EngineKind::Lmdb, "lmdb/data.mdb"), (EngineKind::Sled, "sled/db")] {
        let (home, _, before) = full(kind).await?;
        let path = home.folder().join(file);
        let whole = fs::read(&path)?;
        for eighths in [7, 5, 3] {
            fs::write(&path, &whole[..whole.len() / 8 * eighths])?;
            check(&home, &before, &format!("{} {eighths} of 8 parts", kind.name())).await?;
        }
        fs::write(&path, b"")?;
        let error = saved(&home).await.err().context("nothing is left")?;
        assert!(matches!(error.downcast_ref(), Some(StoreError::Damaged(_))), "{error}");
    }
    Ok(())
}

#[test]
fn a_place_without_a_store_is_named() -> Result<()> {
    let home = Home::new(EngineKind::Lmdb)?;
    let error = Wreck::open(EngineKind::Lmdb, &home.folder(), &home.folder()).err().context("no store")?;
    assert!(matches!(error, StoreError::NoStore { .. }), "{error}");
    assert!(!home.folder().exists());
    Ok(())
}
