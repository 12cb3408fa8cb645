//! Memories that runs share: listed, shown, forgotten.

use std::collections::BTreeMap;

use pawl_core::{MemoryScope, Remembered};
use pawl_store::{Batch, PAGE_MAX_ROWS, Store};
use serde_json::Value;

use crate::fault::Fault;

/// The memories that hold something.
pub(super) async fn memories(store: &dyn Store) -> Result<Vec<MemoryScope>, Fault> {
    let mut found: Vec<MemoryScope> = Vec::new();
    loop {
        let page = store.memories(found.last(), PAGE_MAX_ROWS).await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// Takes away what a memory holds, or what it holds under a key; gives what that was.
pub(super) async fn forget(
    store: &dyn Store,
    scope: &MemoryScope,
    key: Option<&str>,
) -> Result<BTreeMap<String, Value>, Fault> {
    let mut held = store.memory(scope).await?;
    held.retain(|held, _| key.is_none_or(|key| key == held));
    let gone = |key: &String| Remembered { scope: scope.clone(), key: key.clone(), value: Value::Null };
    let remembered = held.keys().map(gone).collect();
    store.commit(&Batch { remembered, ..Batch::default() }).await?;
    Ok(held)
}
