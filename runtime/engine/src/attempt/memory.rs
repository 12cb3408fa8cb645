//! What an agent keeps in its run, as one attempt sees it: the recorded values and its own new ones.

use std::collections::BTreeMap;

use pawl_core::{Failure, FailureKind, json_bytes};
use serde_json::Value;

/// The run's memory as one attempt sees it.
#[derive(Debug)]
pub(super) struct Memory {
    values: BTreeMap<String, Value>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(values: BTreeMap<String, Value>) -> Self {
        let bytes = values.iter().map(|(key, value)| weight(key, value)).sum();
        Self { values, bytes }
    }

    /// The value under a key, null when there is none.
    pub(super) fn get(&self, key: &str) -> Value {
        self.values.get(key).cloned().unwrap_or_default()
    }

    /// What was put before is put again.
    pub(super) fn put(&mut self, key: &str, value: &Value) {
        let before = self.values.insert(key.to_owned(), value.clone());
        let freed = before.map_or(0, |before| weight(key, &before));
        self.bytes = (self.bytes + weight(key, value)).saturating_sub(freed);
    }

    /// Puts a value, unless all values together would hold more than `max_bytes`.
    pub(super) fn put_within(&mut self, key: &str, value: &Value, max_bytes: usize) -> Result<(), Failure> {
        let freed = self.values.get(key).map_or(0, |before| weight(key, before));
        if (self.bytes + weight(key, value)).saturating_sub(freed) > max_bytes {
            return Err(Failure::new(
                FailureKind::Permanent,
                format!("the run's memory would hold more than run_memory_max_bytes ({max_bytes})"),
            ));
        }
        self.put(key, value);
        Ok(())
    }
}

fn weight(key: &str, value: &Value) -> usize {
    key.len() + json_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn memory_is_bounded_and_replacing_frees() {
        let mut memory = Memory::new(BTreeMap::from([("a".to_owned(), json!("12345678"))]));
        assert_eq!(memory.bytes, 11);
        assert!(memory.put_within("b", &json!("1234567890"), 20).is_err());
        assert_eq!(memory.get("b"), Value::Null);
        memory.put_within("a", &json!(1), 20).unwrap();
        memory.put_within("b", &json!("1234567890"), 20).unwrap();
        assert_eq!((memory.bytes, memory.get("a")), (15, json!(1)));
    }
}
