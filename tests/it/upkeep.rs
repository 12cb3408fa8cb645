//! Stores that are looked after: what follows from journals made anew, stores copied and made smaller.

use anyhow::{Context as _, Result, ensure};
use pawl_core::RunId;
use pawl_core::event::{Event, Origin};
use pawl_core::journal::{Head, decode};
use pawl_core::view::Status;
use pawl_engine::upkeep::{DIFFERENCES_MAX, Rebuilt, rebuild};
use pawl_store::StoreError;
use pawl_store::maintain::{
    EngineKind, Maintain, NewStore, RowChange, Table, Walk, compact, compare, copy, event_key, journal_row,
};
use serde_json::Value;

use crate::shelf::{Home, all_rows, is_second_child};

async fn rebuilt(home: &Home, store: &dyn Maintain) -> Result<Rebuilt> {
    Ok(rebuild(store, &home.folder(), &mut |_| ()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_anew_of_journals_is_what_the_engine_wrote() -> Result<()> {
    for kind in EngineKind::ALL {
        let (home, runs) = Home::full(kind).await?;
        let store = home.alone().await?;
        let before = all_rows(&*store).await?;
        for table in ["runs", "statuses", "due", "approvals", "approval_runs", "subscriptions", "tickets"] {
            ensure!(before.keys().any(|(name, _)| *name == table), "there is nothing in {table} to compare");
        }
        let found = rebuilt(&home, &*store).await?;
        assert_eq!(found.differences, [], "{}", kind.name());
        assert_eq!((found.different, found.unreadable), (0, vec![]));
        assert!(found.runs > runs.len() as u64, "{} runs", found.runs);
        assert_eq!(all_rows(&*store).await?, before);
        assert!(!home.folder().join("scratch.new").exists());
    }
    Ok(())
}

const DERIVED: [Table; 7] = [
    Table::Runs,
    Table::Statuses,
    Table::Due,
    Table::Approvals,
    Table::ApprovalRuns,
    Table::Subscriptions,
    Table::Tickets,
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_damaged_are_named_and_made_good() -> Result<()> {
    for kind in EngineKind::ALL {
        let (home, _) = Home::full(kind).await?;
        let store = home.alone().await?;
        let before = all_rows(&*store).await?;
        for table in DERIVED {
            let first = Walk::new(&*store, table).next().await?.context("a row")?;
            let change = |key: &[u8], value: Option<&[u8]>| RowChange {
                table,
                key: key.to_vec(),
                value: value.map(<[u8]>::to_vec),
            };
            let stray = [&first.key[..], b"!"].concat();
            let cases: [(&str, RowChange); 3] = [
                ("missing", change(&first.key, None)),
                ("altered", change(&first.key, Some(b"not a row"))),
                ("stray", change(&stray, Some(b"neither"))),
            ];
            for (was, change) in cases {
                store.change(vec![change]).await?;
                let found = rebuilt(&home, &*store).await?;
                let named = (found.different, found.differences[0].table, found.differences[0].was);
                assert_eq!(named, (1, table.name(), was), "{found:?}");
                assert_eq!(all_rows(&*store).await?, before, "{} {was}", table.name());
            }
        }
        // All at once: the tables are empty.
        for table in DERIVED {
            let mut walk = Walk::new(&*store, table);
            while let Some(row) = walk.next().await? {
                store.change(vec![RowChange { table, key: row.key, value: None }]).await?;
            }
        }
        assert!(rebuilt(&home, &*store).await?.different > 20);
        assert_eq!(all_rows(&*store).await?, before);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_differences_the_first_are_named_and_all_are_made_good() -> Result<()> {
    let (home, _) = Home::full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let before = all_rows(&*store).await?;
    let stray = |number: u64| RowChange {
        table: Table::Due,
        key: [&number.to_be_bytes()[..], &[9; 16]].concat(),
        value: Some(Vec::new()),
    };
    store.change((0..1_200).map(stray).collect()).await?;
    let found = rebuilt(&home, &*store).await?;
    assert_eq!((found.different, found.differences.len()), (1_200, DIFFERENCES_MAX));
    assert_eq!(all_rows(&*store).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_must_still_be_told_is_marked_again_and_nothing_else() -> Result<()> {
    let (home, runs) = Home::full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let marks = async |store: &dyn Maintain| store.outgoing(None, 10).await;
    let mark = |run: RunId, seq: u64| RowChange {
        table: Table::Outgoing,
        key: event_key(run, seq),
        value: Some(Vec::new()),
    };
    // One that names no event that anybody is told of is stray; the start of a child may be told twice.
    let started = seq_of(&*store, runs["parent"], is_second_child).await?;
    store.change(vec![mark(runs["done"], 1), mark(runs["parent"], started)]).await?;
    let found = rebuilt(&home, &*store).await?;
    assert_eq!((found.different, found.differences[0].row.as_str()), (1, "event 1"), "{found:?}");
    assert_eq!(marks(&*store).await?, [Origin { run: runs["parent"], seq: started }]);
    // A child that is not there must be started.
    let gone = [
        RowChange { table: Table::Outgoing, key: event_key(runs["parent"], started), value: None },
        RowChange { table: Table::Journal, key: event_key(runs["child"], 1), value: None },
    ];
    store.change(gone.to_vec()).await?;
    rebuilt(&home, &*store).await?;
    assert_eq!(marks(&*store).await?, [Origin { run: runs["parent"], seq: started }]);
    assert_eq!(store.run(runs["child"]).await?, None);
    drop(store);
    // And an engine starts it.
    let scene = home.scene().await?;
    scene.engine.recover().await?;
    scene.event(runs["child"], |event| matches!(event, Event::WaitStarted { .. })).await?;
    scene.engine.quiet().await?;
    scene.stop().await?;
    Ok(())
}

/// The seq of the first event of a run for which this holds.
async fn seq_of(store: &dyn Maintain, run: RunId, holds: impl Fn(&Event) -> bool) -> Result<u64> {
    let records = store.journal(run, 1).await?;
    let envelopes = decode(run, &mut Head::empty(run), records.iter().map(Vec::as_slice))?;
    let found = envelopes.into_iter().find(|envelope| holds(&envelope.event));
    Ok(found.context("the event")?.seq)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_lost_the_end_of_its_child_hears_of_it_again() -> Result<()> {
    let (home, runs) = Home::full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let parent = runs["parent"];
    // Everything behind the commit that started the first child.
    let mut walk = Walk::new(&*store, Table::Journal);
    let mut behind = false;
    while let Some(row) = walk.next().await? {
        let (run, _, events) = journal_row(&row)?;
        if run == parent {
            if behind {
                store.change(vec![RowChange { table: Table::Journal, key: row.key, value: None }]).await?;
            }
            behind |= events.iter().any(|event| contains(event, b"child-started"));
        }
    }
    rebuilt(&home, &*store).await?;
    let marked = store.outgoing(None, 10).await?;
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!(store.run(marked[0].run).await?.context("the child")?.parent, Some(parent));
    drop(store);
    let scene = home.scene().await?;
    scene.engine.recover().await?;
    scene.event(parent, is_second_child).await?;
    scene.stop().await?;
    Ok(())
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_does_not_read_is_named_and_its_rows_stay() -> Result<()> {
    let (home, runs) = Home::full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let key = event_key(runs["asks"], 1);
    store.change(vec![RowChange { table: Table::Journal, key, value: Some(b"no".to_vec()) }]).await?;
    let before = all_rows(&*store).await?;
    let found = rebuilt(&home, &*store).await;
    // A row that is no record is a damaged store, or a journal that does not read: never silence.
    let found = found?;
    assert_eq!(found.unreadable.len(), 1, "{found:?}");
    assert_eq!(found.unreadable[0].0, runs["asks"]);
    assert_eq!(found.different, 0, "{found:?}");
    assert_eq!(all_rows(&*store).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_copied_between_all_engines_and_compared() -> Result<()> {
    for from in EngineKind::ALL {
        let (home, runs) = Home::full(from).await?;
        for to in EngineKind::ALL {
            let other = Home::new(to)?;
            let store = home.alone().await?;
            let new = NewStore::begin(to, &other.folder())?;
            copy(&*store, new.store(), &mut |_, _| ()).await?;
            let copied = compare(&*store, new.store(), &mut |_, _| ()).await?;
            let copied = copied.map_err(|difference| anyhow::anyhow!("{difference:?}"))?;
            assert_eq!(
                usize::try_from(copied.journals)?,
                store.upkeep().context("upkeep")?.journals(None, 99).await?.len()
            );
            assert!(copied.events > copied.journals && copied.rows > copied.events / 10);
            // Until it is whole it is in no one's way.
            assert!(!other.folder().join(to.name()).exists());
            new.finish()?;
            assert_eq!(all_rows(&*other.alone().await?).await?, all_rows(&*store).await?);
            assert!(matches!(NewStore::begin(to, &other.folder()), Err(StoreError::Exists { .. })));
            // And it goes on.
            let scene = other.scene().await?;
            let approval = scene.asked(runs["asks"]).await?;
            scene.answer(&approval, "approve", Value::Null).await?;
            assert_eq!(scene.ended(runs["asks"]).await?.status, Status::Completed);
            scene.stop().await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_finished_leaves_nothing_and_a_broken_chain_is_found() -> Result<()> {
    let (home, runs) = Home::full(EngineKind::Lmdb).await?;
    let store = home.alone().await?;
    let last = Walk::new(&*store, Table::Journal).next().await?.context("a row")?;
    let mut broken = last.value.clone();
    *broken.last_mut().context("a byte")? ^= 1;
    store.change(vec![RowChange { table: Table::Journal, key: last.key, value: Some(broken) }]).await?;
    let other = Home::new(EngineKind::Sled)?;
    let new = NewStore::begin(other.kind, &other.folder())?;
    copy(&*store, new.store(), &mut |_, _| ()).await?;
    let difference = compare(&*store, new.store(), &mut |_, _| ()).await?.err().context("a difference")?;
    assert_eq!(difference.table, Table::Journal, "{difference:?}");
    // One more row there than here.
    let extra = RowChange { table: Table::Blobs, key: vec![0xff; 32], value: Some(vec![1]) };
    new.store().change(vec![extra]).await?;
    drop(new);
    assert!(!other.folder().join("sled.new").exists() && !other.folder().join("sled").exists());
    assert!(runs.len() > 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_store_is_the_same_in_fewer_bytes() -> Result<()> {
    for kind in EngineKind::ALL {
        let (home, _) = Home::full(kind).await?;
        let store = home.alone().await?;
        // Much that is not needed any more.
        for byte in 0..8_u8 {
            let blob = pawl_store::Blob::new(vec![byte; 1 << 20]);
            store.commit(&pawl_store::Batch { blobs: vec![blob.clone()], ..Default::default() }).await?;
            let key = blob.digest.as_bytes().to_vec();
            store.change(vec![RowChange { table: Table::Blobs, key, value: None }]).await?;
        }
        let before = all_rows(&*store).await?;
        assert!(matches!(compact(kind, &home.folder()).await, Err(StoreError::InUse { .. })));
        drop(store);
        // What a kill left of another try is in nobody's way.
        let left = home.folder().join(format!("{}.new", kind.name()));
        std::fs::create_dir(&left)?;
        std::fs::write(left.join("data.mdb"), "half")?;
        let compacted = compact(kind, &home.folder()).await?;
        assert!(compacted.after < compacted.before / 2, "{} {compacted:?}", kind.name());
        assert!(!left.exists());
        assert_eq!(all_rows(&*home.alone().await?).await?, before);
    }
    Ok(())
}
