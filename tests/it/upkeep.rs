//! Stores that are looked after: what follows from journals made anew, stores copied and made smaller, and runs
//! removed that nobody needs any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use pawl_core::event::Event;
use pawl_core::view::Status;
use pawl_core::{Duration, RunId, Timestamp};
use pawl_engine::upkeep::{Rebuilt, rebuild};
use pawl_engine::{Engine, ManualClock, Pruned, Retention, RetentionSetting};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::maintain::{
    EngineKind, Maintain, NewStore, RowChange, Table, TableRow, Walk, compact, compare, copy, open,
};
use pawl_store::{Store, StoreError};
use pawl_tests::{BEGIN, Disk, Scene, patiently, person};
use serde_json::{Value, json};

const ASKS: &str = "
pawl: 1
workflow: asks
version: 1.0.0
inputs: { note: { type: string, default: none } }
steps:
  - id: ask
    human: { title: 'May it?', actions: [approve, reject], due: { after: 1h, then: reject } }
";

const LISTENS: &str = "
pawl: 1
workflow: listens
version: 1.0.0
steps:
  - { id: hear, wait: { topic: 'news/*' } }
";

const WAITS: &str = "
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
  - { id: no, fail: 'it shall' }
";

const DONE: &str = "
pawl: 1
workflow: done
version: 1.0.0
inputs: { text: { type: string, default: short } }
outputs: { text: '{{ inputs.text }}' }
steps:
  - { id: say, set: { said: '{{ inputs.text }}' } }
";

/// A value that is kept as a blob.
fn large(seed: &str) -> Value {
    json!({ "text": seed.repeat(100_000 / seed.len()) })
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
    ] {
        runs.insert(name, scene.start(text, inputs).await?);
    }
    let ann = || person("user:ann", &[], true);
    let approval = scene.asked(runs["answered"]).await?;
    scene.answer(&approval, "approve", Value::Null).await?;
    scene.ended(runs["answered"]).await?;
    scene.engine.cancel(runs["cancelled"], ann(), None).await?;
    scene.asked(runs["suspended"]).await?;
    scene.engine.suspend(runs["suspended"], ann(), Some("later".into())).await?;
    let subrun = pawl_tests::workflow("subrun.yaml");
    let workflow = scene.engine.load_workflow(Path::new(&subrun)).await?;
    runs.insert("parent", scene.engine.start(&workflow, parent_inputs(), Default::default()).await?);
    // A fork of a run that asks, and one that failed, was tried again and failed again.
    let asked = scene.named(runs["asks"], "approval-opened").await?.seq;
    runs.insert("fork", scene.engine.fork(runs["asks"], asked, Vec::new(), ann()).await?);
    scene.ended(runs["failed"]).await?;
    scene.engine.retry(runs["failed"], None, ann()).await?;
    for name in ["done", "failed", "cancelled"] {
        scene.ended(runs[name]).await?;
    }
    scene.engine.quiet().await?;
    Ok(runs)
}

fn parent_inputs() -> Value {
    json!({ "orders": ["A-1", "A-2"] })
}

async fn all_rows(store: &dyn Maintain) -> Result<BTreeMap<(usize, Vec<u8>), Vec<u8>>> {
    let mut rows = BTreeMap::new();
    for table in Table::ALL {
        let mut walk = Walk::new(store, table);
        while let Some(TableRow { key, value }) = walk.next().await? {
            rows.insert((table as usize, key), value);
        }
    }
    Ok(rows)
}
