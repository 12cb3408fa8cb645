//! What an agent keeps, as one attempt sees it: the values of its memory and its own new ones.
//!
//! A memory that runs share is read from the store, and read again after each call that is recorded:
//! what the agent put before is in the store by then, as is what others put meanwhile.

use std::collections::BTreeMap;

use pawl_core::{Failure, FailureKind, MEMORY_KEY_MAX_BYTES, MemoryScope, value_bytes};
use pawl_store::Store;
use serde_json::Value;

use crate::EngineConfig;

/// A memory as one attempt sees it.
#[derive(Debug)]
pub(super) struct Memory {
    /// Whose it is; the run's own without.
    scope: Option<MemoryScope>,
    /// Absent until it is read from the store.
    held: Option<Held>,
    /// What stands over what the store has: a dry rehearsal puts nothing into it, and finds again what it would have.
    over: Option<BTreeMap<String, Value>>,
}

#[derive(Debug)]
struct Held {
    values: BTreeMap<String, Value>,
    bytes: usize,
}

impl Memory {
    /// That of the run, with its values, or one that runs share.
    pub(super) fn new(
        scope: Option<MemoryScope>,
        of_run: BTreeMap<String, Value>,
        over: Option<BTreeMap<String, Value>>,
    ) -> Self {
        let held = scope.is_none().then(|| Held::new(of_run));
        Self { scope, held, over }
    }

    pub(super) const fn scope(&self) -> Option<&MemoryScope> {
        self.scope.as_ref()
    }

    /// A call is recorded, and all before it.
    pub(super) fn recorded(&mut self) {
        if self.scope.is_some() {
            self.held = None;
        }
    }

    /// The value under a key, null when there is none.
    pub(super) async fn get(&mut self, store: &dyn Store, key: &str) -> Result<Value, Failure> {
        Ok(self.held(store).await?.values.get(key).cloned().unwrap_or_default())
    }

    /// Puts a value, unless that is more than the memory may hold.
    pub(super) async fn put(
        &mut self,
        store: &dyn Store,
        (key, value): (&str, &Value),
        config: &EngineConfig,
    ) -> Result<(), Failure> {
        let (what, limit, max_bytes) = match &self.scope {
            None => ("the run's memory".to_owned(), "run_memory_max_bytes", config.run_memory_max_bytes),
            Some(scope) => {
                check_key(key)?;
                (format!("the memory of {scope}"), "shared_memory_max_bytes", config.shared_memory_max_bytes)
            }
        };
        if self.held(store).await?.put_within(key, value, max_bytes) {
            if let Some(over) = &mut self.over {
                over.insert(key.to_owned(), value.clone());
            }
            return Ok(());
        }
        let message = format!("{what} would hold more than {limit} ({max_bytes})");
        Err(Failure::new(FailureKind::Permanent, message))
    }

    async fn held(&mut self, store: &dyn Store) -> Result<&mut Held, Failure> {
        let held = match (self.held.take(), &self.scope) {
            (Some(held), _) => held,
            (None, None) => Held::new(BTreeMap::new()),
            (None, Some(scope)) => {
                let mut values = store.memory(scope).await.map_err(|error| {
                    let message = format!("the memory of {scope} cannot be read: {error}");
                    Failure::new(FailureKind::Transient, message)
                })?;
                values.extend(self.over.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
                Held::new(values)
            }
        };
        Ok(self.held.insert(held))
    }
}

impl Held {
    fn new(values: BTreeMap<String, Value>) -> Self {
        let bytes = values.iter().map(|(key, value)| weight(key, value)).sum();
        Self { values, bytes }
    }

    /// Puts a value, unless all values together would hold more; whether it did.
    fn put_within(&mut self, key: &str, value: &Value, max_bytes: usize) -> bool {
        let freed = self.values.get(key).map_or(0, |before| weight(key, before));
        let bytes = (self.bytes + weight(key, value)).saturating_sub(freed);
        if bytes > max_bytes {
            return false;
        }
        self.bytes = bytes;
        self.values.insert(key.to_owned(), value.clone());
        true
    }
}

/// A key in a memory that runs share is part of a key of the store.
fn check_key(key: &str) -> Result<(), Failure> {
    if key.len() <= MEMORY_KEY_MAX_BYTES {
        return Ok(());
    }
    let message = format!(
        "a key of memory.put has {} bytes; at most memory_key_max_bytes ({MEMORY_KEY_MAX_BYTES}) where runs share it",
        key.len()
    );
    Err(Failure::new(FailureKind::InvalidInput, message))
}

fn weight(key: &str, value: &Value) -> usize {
    key.len() + value_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn memory_is_bounded_and_replacing_frees() {
        let mut memory = Held::new(BTreeMap::from([("a".to_owned(), json!("12345678"))]));
        assert_eq!(memory.bytes, 11);
        assert!(!memory.put_within("b", &json!("1234567890"), 20));
        assert_eq!(memory.values.get("b"), None);
        assert!(memory.put_within("a", &json!(1), 20));
        assert!(memory.put_within("b", &json!("1234567890"), 20));
        assert_eq!((memory.bytes, memory.values.get("a")), (15, Some(&json!(1))));
    }
}
