//! Runs that are over and that nobody needs are removed while others go on, and blobs with them.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use pawl_core::event::Event;
use pawl_core::{Digest, Duration, RunId};
use pawl_engine::{EngineError, ManualClock, Pruned, Retention, RetentionSetting};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::maintain::EngineKind;
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, Blob, Page, RunCommit, RunFilter, Store};
use pawl_tests::{BEGIN, Scene, patiently, person};
use serde_json::{Value, json};

use crate::shelf::{ASKS, DONE, Home, PARENT, large};

const HOUR: Duration = Duration::from_secs(3_600);

fn keep(runs: u64) -> Retention {
    Retention { older_than: None, keep: Some(runs) }
}

fn older(age: Duration) -> Retention {
    Retention { older_than: Some(age), keep: None }
}

async fn listed(scene: &Scene) -> Result<BTreeSet<RunId>> {
    let page = Page { after: None, limit: 1_000 };
    let found = scene.engine.store().runs(&RunFilter::default(), &page).await?;
    Ok(found.runs.into_iter().map(|header| header.id).collect())
}

async fn blobs(scene: &Scene) -> Result<BTreeSet<Digest>> {
    let upkeep = scene.engine.store().upkeep().context("upkeep")?;
    Ok(upkeep.blobs(None, 1_000).await?.into_iter().collect())
}

async fn done(scene: &Scene, inputs: Value) -> Result<RunId> {
    let run = scene.start(DONE, inputs).await?;
    scene.ended(run).await?;
    scene.holds(0).await?;
    Ok(run)
}

#[tokio::test]
async fn runs_go_by_age_and_by_count_and_only_beyond_both() -> Result<()> {
    let scene = Scene::new().await?;
    let old = [done(&scene, json!({})).await?, done(&scene, json!({})).await?];
    scene.clock.advance(HOUR);
    let young = [done(&scene, json!({})).await?, done(&scene, json!({})).await?];
    let nothing = scene.engine.prune(Retention::default()).await?;
    assert_eq!(nothing, Pruned::default());
    // Nobody is older than an hour, then two are; of those beyond one hour and the newest three it is one.
    assert_eq!(scene.engine.prune(older(HOUR)).await?.runs, 0);
    scene.clock.advance(Duration(1));
    let both = Retention { older_than: Some(HOUR), keep: Some(3) };
    assert_eq!(scene.engine.prune(both).await?.runs, 1);
    assert_eq!(listed(&scene).await?, BTreeSet::from([old[1], young[0], young[1]]));
    assert!(matches!(scene.engine.history(old[0]).await, Err(EngineError::UnknownRun(_))));
    let pruned = scene.engine.prune(older(HOUR)).await?;
    assert_eq!((pruned.runs, pruned.needed), (1, 0));
    assert_eq!(scene.engine.prune(keep(1)).await?.runs, 1);
    assert_eq!(listed(&scene).await?, BTreeSet::from([young[1]]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_run_goes_that_goes_on_or_that_one_needs_that_goes_on() -> Result<()> {
    for kind in EngineKind::ALL {
        let (home, runs) = Home::full(kind).await?;
        let store = home.alone().await?;
        let before = store.upkeep().context("upkeep")?.journals(None, 99).await?.len() as u64;
        drop(store);
        let scene = home.scene().await?;
        let pruned = scene.engine.prune(keep(0)).await?;
        let left = listed(&scene).await?;
        assert_eq!(pruned.runs + left.len() as u64, before);
        // The first child of the parent that goes on is needed; what is over otherwise is gone.
        assert_eq!((pruned.needed, pruned.unreadable.len()), (1, 0), "{pruned:?}");
        for name in [
            "asks",
            "listens",
            "waits",
            "holds a slot",
            "wants a slot",
            "suspended",
            "parent",
            "child",
            "fork",
        ] {
            assert!(left.contains(&runs[name]), "{name} is gone");
        }
        for name in ["done", "failed", "cancelled", "answered"] {
            assert!(!left.contains(&runs[name]), "{name} is still there");
        }
        // Whoever is left can be read, and goes on.
        for run in &left {
            scene.engine.history(*run).await?;
            scene.engine.definition_of(*run).await?;
        }
        scene.engine.recover().await?;
        scene.clock.advance(Duration::from_secs(86_400 * 400));
        for name in ["waits", "parent", "child"] {
            scene.ended(runs[name]).await?;
        }
        // Now the whole family goes, and what was made of another lets that one go.
        for name in ["asks", "fork"] {
            scene.ended(runs[name]).await?;
        }
        scene.engine.quiet().await?;
        scene.engine.prune(keep(0)).await?;
        let left = listed(&scene).await?;
        for name in ["waits", "parent", "child", "asks", "fork"] {
            assert!(!left.contains(&runs[name]), "{name} is still there");
        }
        scene.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_forked_keeps_the_run_that_it_was_made_of_until_it_is_over() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(ASKS, json!({})).await?;
    let approval = scene.asked(run).await?;
    let asked = scene.named(run, "approval-opened").await?.seq;
    let fork = scene.engine.fork(run, asked, Vec::new(), person("user:ann", &[], true)).await?;
    let other = scene.asked(fork).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.ended(run).await?;
    assert_eq!(scene.engine.prune(keep(0)).await?.needed, 1);
    scene.answer(&other, "approve", Value::Null).await?;
    scene.ended(fork).await?;
    assert_eq!(scene.engine.prune(keep(0)).await?.runs, 2);
    assert_eq!(scene.engine.store().run_of_approval(&other).await?, None);
    assert!(blobs(&scene).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn blobs_go_with_the_last_run_that_names_them() -> Result<()> {
    let scene = Scene::new().await?;
    let (one, both) = (done(&scene, large("one")).await?, done(&scene, large("both")).await?);
    let again = done(&scene, large("both")).await?;
    // The values, each of which is input and output, and the definition.
    assert_eq!(blobs(&scene).await?.len(), 2 + 1);
    let pruned = scene.engine.prune(keep(1)).await?;
    assert_eq!((pruned.runs, listed(&scene).await?), (2, BTreeSet::from([again])));
    assert_eq!(pruned.blobs, 1, "{pruned:?}");
    assert!(scene.engine.history(one).await.is_err() && scene.engine.history(both).await.is_err());
    assert_eq!(scene.ended(again).await?.outputs, Some(large("both")));
    let rerun = scene.engine.rerun(again, None, None, person("user:ann", &[], true)).await?;
    assert_eq!(scene.ended(rerun).await?.outputs, Some(large("both")));
    assert_eq!(scene.engine.prune(keep(0)).await?.runs, 2);
    assert!(blobs(&scene).await?.is_empty());
    Ok(())
}

/// Commits that name the same blobs go on beside: whatever is removed, no run loses what it names.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_start_beside_lose_nothing() -> Result<()> {
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::new(MemoryStore::new())];
    let homes = [Home::new(EngineKind::Lmdb)?, Home::new(EngineKind::Sled)?];
    for home in &homes {
        stores.push(home.store()?);
    }
    for store in stores {
        let scene = Scene::on(store, ManualClock::new(BEGIN), |_| {}).await?;
        let scene = Arc::new(scene);
        let starts = {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move {
                let mut last = None;
                for number in 0..30 {
                    let seed = ["a", "bc"][number % 2];
                    let run = scene.start(DONE, large(seed)).await?;
                    let header = scene.ended(run).await?;
                    assert_eq!(header.outputs, Some(large(seed)));
                    // Every value is there, or the run as a whole is not.
                    match scene.engine.history(run).await {
                        Ok(_) | Err(EngineError::UnknownRun(_)) => {}
                        Err(error) => anyhow::bail!("{error}"),
                    }
                    // One that is made of another names what the other has brought.
                    if let Ok(made) = scene.engine.rerun(run, None, None, person("user:ann", &[], true)).await
                    {
                        last = Some(made);
                    }
                }
                anyhow::Ok(last.context("one at least")?)
            })
        };
        let mut pruned = Pruned::default();
        while !starts.is_finished() {
            let some = scene.engine.prune(keep(2)).await?;
            pruned.runs += some.runs;
            pruned.blobs += some.blobs;
        }
        let last = starts.await??;
        scene.ended(last).await?;
        assert!(pruned.runs > 5, "{pruned:?}");
        for run in listed(&scene).await? {
            scene.engine.history(run).await?;
            scene.engine.definition_of(run).await?;
        }
        scene.engine.shut_down().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_engine_keeps_to_its_retention_by_itself_until_it_ends() -> Result<()> {
    let store = MemoryStore::new();
    let setting = RetentionSetting { retention: older(HOUR), every: Duration::from_secs(60) };
    let scene = Scene::on(Arc::new(store.clone()), ManualClock::new(BEGIN), |config| {
        config.retention = Some(setting);
    })
    .await?;
    let old = done(&scene, json!({})).await?;
    scene.clock.advance(HOUR);
    let young = done(&scene, json!({})).await?;
    let asks = scene.start(ASKS, json!({})).await?;
    scene.asked(asks).await?;
    let removed = async {
        loop {
            scene.clock.advance(Duration::from_secs(60));
            tokio::task::yield_now().await;
            if store.run(old).await?.is_none() {
                return anyhow::Ok(());
            }
        }
    };
    patiently("the removal", removed).await??;
    assert!(store.run(young).await?.is_some() && store.run(asks).await?.is_some());
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_child_whose_parent_is_over_goes_after_it_was_heard() -> Result<()> {
    let scene = Scene::new().await?;
    let parent = scene.start(PARENT, json!({})).await?;
    let child = scene.event(parent, crate::shelf::is_second_child).await?;
    let Event::ChildStarted { child, .. } = child.event else { anyhow::bail!("no child") };
    scene.engine.quiet().await?;
    scene.engine.cancel(child, person("user:ann", &[], true), None).await?;
    scene.ended(parent).await?;
    scene.engine.quiet().await?;
    let pruned = scene.engine.prune(keep(0)).await?;
    assert_eq!((pruned.runs, pruned.needed), (3, 0), "{pruned:?}");
    assert!(listed(&scene).await?.is_empty() && blobs(&scene).await?.is_empty());
    Ok(())
}

/// Also where the parent is over and stays for another reason: a run that was made of it goes on.
#[tokio::test]
async fn a_child_stays_as_long_as_the_run_that_started_it() -> Result<()> {
    const ASKS_LAST: &str = "
pawl: 1
workflow: asks-last
version: 1.0.0
workflows: { quick: ./workflows/parts/lookup.yaml }
steps:
  - { id: first, workflow: quick, with: { order: A-1001 } }
  - { id: ask, human: { title: Well? } }
";
    let scene = Scene::new().await?;
    let parent = scene.start(ASKS_LAST, json!({})).await?;
    scene.answer(&scene.asked(parent).await?, "approve", json!({})).await?;
    scene.ended(parent).await?;
    let again = scene.engine.rerun(parent, None, None, person("user:ann", &[], true)).await?;
    let asked = scene.asked(again).await?;
    scene.engine.quiet().await?;
    let pruned = scene.engine.prune(keep(0)).await?;
    assert_eq!((pruned.runs, pruned.needed, listed(&scene).await?.len()), (0, 3, 4), "{pruned:?}");
    scene.answer(&asked, "approve", json!({})).await?;
    scene.ended(again).await?;
    assert_eq!(scene.engine.prune(keep(0)).await?.runs, 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_go_in_several_commits() -> Result<()> {
    let home = Home::new(EngineKind::Lmdb)?;
    let store = Arc::new(LmdbStore::open(&home.folder(), LmdbOptions::default())?);
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    for _ in 0..70 {
        done(&scene, json!({})).await?;
    }
    let before = store.stats().commits;
    assert_eq!(scene.engine.prune(keep(0)).await?.runs, 70);
    // 32 runs at most with each, then one that begins the sweep, and one with the definition.
    assert_eq!(store.stats().commits - before, 3 + 1 + 1);
    scene.stop().await?;
    Ok(())
}

#[tokio::test]
async fn more_blobs_than_are_looked_for_at_once_go_as_well() -> Result<()> {
    let scene = Scene::new().await?;
    let run = done(&scene, large("kept")).await?;
    let blobs_of = |numbers: std::ops::Range<u32>| Batch {
        blobs: numbers.map(|number| Blob::new(number.to_be_bytes())).collect(),
        ..Batch::default()
    };
    scene.engine.store().commit(&blobs_of(0..65_600)).await?;
    let pruned = scene.engine.prune(Retention::default()).await?;
    assert_eq!((pruned.runs, pruned.blobs), (0, 65_600));
    assert_eq!(scene.ended(run).await?.outputs, Some(large("kept")));
    scene.engine.history(run).await?;
    Ok(())
}

#[tokio::test]
async fn no_blob_goes_while_a_journal_does_not_read() -> Result<()> {
    let scene = Scene::new().await?;
    done(&scene, large("one")).await?;
    let broken = RunId::from_bytes([7; 16]);
    let commit = RunCommit::new(broken, 0, vec![b"no event".to_vec()]);
    scene.engine.store().commit(&Batch { runs: vec![commit], ..Batch::default() }).await?;
    let before = blobs(&scene).await?;
    let pruned = scene.engine.prune(keep(0)).await?;
    assert_eq!((pruned.runs, pruned.blobs, pruned.blobs_kept_for), (1, 0, Some(broken)));
    assert_eq!(blobs(&scene).await?, before);
    Ok(())
}
