//! Memories that runs share: what they hold before a test's run, and after it.

use std::collections::BTreeMap;

use pawl_core::source::test_file::Holds;
use pawl_core::{MemoryScope, Remembered};
use pawl_store::memory::MemoryStore;
use pawl_store::{Batch, Store as _, StoreError};
use serde_json::Value;

/// What each memory holds.
pub(crate) type Memories = BTreeMap<MemoryScope, BTreeMap<String, Value>>;

const PAGE: usize = 1_000;

/// Puts what memories hold before the run of a workflow.
pub(crate) async fn give(store: &MemoryStore, workflow: &str, held: &[Holds]) -> Result<(), StoreError> {
    let mut remembered = Vec::new();
    for holds in held {
        let values = holds.values.value.as_object().into_iter().flatten();
        remembered.extend(values.map(|(key, value)| Remembered {
            scope: holds.scope(workflow),
            key: key.clone(),
            value: value.clone(),
        }));
    }
    store.commit(&Batch { remembered, ..Batch::default() }).await
}

/// What all memories hold.
pub(crate) async fn taken(store: &MemoryStore) -> Result<Memories, StoreError> {
    let (mut memories, mut after) = (Memories::new(), None);
    loop {
        let page = store.memories(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(memories) };
        after = Some(last.clone());
        for scope in page {
            let held = store.memory(&scope).await?;
            memories.insert(scope, held);
        }
    }
}
