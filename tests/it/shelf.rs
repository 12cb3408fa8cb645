//! Folders with stores that are full of runs, with no engine on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pawl_core::RunId;
use pawl_core::event::Event;
use pawl_engine::ManualClock;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::maintain::{EngineKind, Maintain, Table, TableRow, Walk, open};
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{Batch, RecordChange, Store, StoreError};
use pawl_tests::{BEGIN, Scene, patiently, person};
use serde_json::{Value, json};

pub(crate) const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
steps:
  - id: ask
    human: { title: May it?, actions: [approve, reject], due: 1h, on_timeout: reject }
";

const LISTENS: &str = "
pawl: 1
workflow: listens
version: 1.0.0
steps:
  - { id: hear, wait: { topic: news/* } }
";

pub(crate) const WAITS: &str = "
pawl: 1
workflow: waits
version: 1.0.0
steps:
  - { id: pause, wait: 10m }
";

const SLOTTED: &str = "
pawl: 1
workflow: slotted
version: 1.0.0
concurrency: { key: printer, limit: 1 }
steps:
  - { id: pause, wait: 10m }
";

const FAILS: &str = "
pawl: 1
workflow: fails
version: 1.0.0
steps:
  - { id: no, fail: { message: it shall } }
";

pub(crate) const DONE: &str = "
pawl: 1
workflow: done
version: 1.0.0
inputs: { text: { type: string, default: short } }
outputs: { text: '${{ inputs.text }}' }
steps:
  - { id: say, set: { said: 1 } }
";

pub(crate) const PARENT: &str = "
pawl: 1
workflow: parent
version: 1.0.0
workflows: { pause: ./workflows/wait.yaml, quick: ./workflows/parts/lookup.yaml }
steps:
  - { id: first, workflow: quick, with: { order: A-1001 } }
  - { id: then, workflow: pause }
";

/// A value that is kept as a blob.
pub(crate) fn large(seed: &str) -> Value {
    json!({ "text": seed.repeat(100_000 / seed.len()) })
}

/// A folder with a store of an engine, for engines that come and go.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    pub(crate) kind: EngineKind,
}

impl Home {
    pub(crate) fn new(kind: EngineKind) -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir()?, kind })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self.kind {
            EngineKind::Lmdb => Arc::new(LmdbStore::open(&self.folder(), LmdbOptions::default())?),
            EngineKind::Sled => Arc::new(SledStore::open(&self.folder(), SledOptions::default())?),
        })
    }

    pub(crate) async fn scene(&self) -> Result<Scene> {
        Scene::on(self.store()?, ManualClock::new(BEGIN), |_| {}).await
    }

    /// The store, as soon as an engine that was stopped has given it back.
    pub(crate) async fn alone(&self) -> Result<Arc<dyn Maintain>> {
        let open = async {
            loop {
                match open(self.kind, &self.folder()) {
                    Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
                    outcome => return outcome,
                }
            }
        };
        Ok(patiently("the store", open).await??)
    }

    /// One that is full of runs, and no engine on it.
    pub(crate) async fn full(kind: EngineKind) -> Result<(Self, BTreeMap<&'static str, RunId>)> {
        let home = Self::new(kind)?;
        let scene = home.scene().await?;
        let runs = fill(&scene).await?;
        let records = vec![RecordChange::put("noted", "beside", json!({ "runs": [] }))];
        scene.engine.store().commit(&Batch { records, ..Batch::default() }).await?;
        scene.stop().await?;
        Ok((home, runs))
    }
}

/// Runs of every kind: over in each way, waiting for everything there is, forked, with parents and children.
async fn fill(scene: &Scene) -> Result<BTreeMap<&'static str, RunId>> {
    let mut runs = BTreeMap::new();
    for (name, text, inputs) in [
        ("done", DONE, large("one")),
        ("failed", FAILS, json!({})),
        ("asks", ASKS, json!({})),
        ("listens", LISTENS, json!({})),
        ("waits", WAITS, json!({})),
        ("holds a slot", SLOTTED, json!({})),
        ("wants a slot", SLOTTED, json!({})),
        ("answered", ASKS, json!({})),
        ("cancelled", WAITS, json!({})),
        ("suspended", ASKS, json!({})),
        ("parent", PARENT, json!({})),
    ] {
        runs.insert(name, scene.start(text, inputs).await?);
    }
    let ann = || person("user:ann", &[], true);
    let approval = scene.asked(runs["answered"]).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.event(runs["waits"], |event| matches!(event, Event::WaitStarted { .. })).await?;
    scene.engine.cancel(runs["cancelled"], ann(), None).await?;
    scene.asked(runs["suspended"]).await?;
    scene.engine.suspend(runs["suspended"], ann(), Some("later".into())).await?;
    // A fork of a run that asks, and one that failed, was tried again and failed again.
    let asked = scene.named(runs["asks"], "approval-opened").await?.seq;
    runs.insert("fork", scene.engine.fork(runs["asks"], asked, Vec::new(), ann()).await?);
    scene.ended(runs["failed"]).await?;
    scene.engine.retry(runs["failed"], None, ann()).await?;
    for name in ["done", "failed", "cancelled", "answered"] {
        scene.ended(runs[name]).await?;
    }
    // The second run that the parent waits for.
    let child = scene.event(runs["parent"], is_second_child).await?;
    if let Event::ChildStarted { child, .. } = child.event {
        scene.engine.quiet().await?;
        scene.event(child, |event| matches!(event, Event::WaitStarted { .. })).await?;
        runs.insert("child", child);
    }
    scene.engine.quiet().await?;
    Ok(runs)
}

pub(crate) fn is_second_child(event: &Event) -> bool {
    matches!(event, Event::ChildStarted { workflow, .. } if workflow == "pause")
}

pub(crate) type All = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

pub(crate) async fn all_rows(store: &dyn Maintain) -> Result<All> {
    let mut rows = BTreeMap::new();
    for table in Table::ALL {
        let mut walk = Walk::new(store, table);
        while let Some(TableRow { key, value }) = walk.next().await? {
            rows.insert((table.name(), key), value);
        }
    }
    Ok(rows)
}
