//! Namespaces: which there are, and how much each may.

use pawl_core::{Namespace, Timestamp};
use pawl_store::{Batch, RecordChange, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rows::{all, decode};
use super::{IdentityError, Maker};

/// The kind of the records.
const KIND: &str = "namespace";
/// How many namespaces there can be.
pub(super) const NAMESPACES_MAX: usize = 1_000;

/// How much a namespace may; without a number there is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamespaceLimits {
    /// Runs that are not over; no more are started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_max: Option<u64>,
    /// Requests in a second, of all its callers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second_max: Option<u32>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// How much it may.
    #[serde(default)]
    pub limits: NamespaceLimits,
    /// When it was made.
    pub created_at: Timestamp,
}

impl NamespaceRecord {
    /// `{name, limits, created_at}`.
    pub fn shape(&self, name: &str) -> Value {
        json!({ "name": name, "limits": self.limits, "created_at": self.created_at.to_string() })
    }
}

/// A namespace that is there. The default one always is.
pub(crate) async fn find(store: &dyn Store, name: &Namespace) -> Result<NamespaceLimits, IdentityError> {
    match store.record(KIND, name.as_str()).await? {
        Some(value) => Ok(decode::<NamespaceRecord>(KIND, name.as_str(), value)?.limits),
        None if name.is_default() => Ok(NamespaceLimits::default()),
        None => Err(IdentityError::Unknown { what: KIND, name: name.to_string() }),
    }
}

/// How much a namespace may, whether it is there or not.
pub(crate) async fn limits_of(store: &dyn Store, name: &Namespace) -> Result<NamespaceLimits, IdentityError> {
    match find(store, name).await {
        Err(IdentityError::Unknown { .. }) => Ok(NamespaceLimits::default()),
        found => found,
    }
}

/// Makes a namespace, or sets how much it may.
pub(super) async fn set(
    store: &dyn Store,
    name: &Namespace,
    limits: NamespaceLimits,
    by: &Maker,
    now: Timestamp,
) -> Result<NamespaceRecord, IdentityError> {
    if limits.requests_per_second_max == Some(0) {
        return Err(IdentityError::Invalid("a namespace needs at least one request in a second".to_owned()));
    }
    let before = store.record(KIND, name.as_str()).await?;
    if before.is_none() && all::<Value>(store, KIND).await?.len() >= NAMESPACES_MAX {
        let text = format!("there are namespaces_max ({NAMESPACES_MAX}) namespaces");
        return Err(IdentityError::Invalid(text));
    }
    let known = before.and_then(|value| decode::<NamespaceRecord>(KIND, name.as_str(), value).ok());
    let created_at = known.map_or(now, |known| known.created_at);
    let record = NamespaceRecord { limits, created_at };
    let change = RecordChange::put(KIND, name.as_str(), json!(record));
    store.commit(&Batch { records: vec![change], ..Batch::default() }).await?;
    let NamespaceLimits { runs_max, requests_per_second_max } = limits;
    tracing::info!(
        namespace = %name, runs_max, requests_per_second_max, by = %by.name, via = %by.via, "a namespace was set"
    );
    Ok(record)
}

/// All namespaces that were made, by name.
pub(super) async fn list(store: &dyn Store) -> Result<Vec<(String, NamespaceRecord)>, IdentityError> {
    all(store, KIND).await
}

#[cfg(test)]
mod tests {
    use pawl_store::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_namespace_is_there_once_it_was_made() {
        let store = MemoryStore::new();
        let tenant: Namespace = "tenant".parse().unwrap();
        assert!(find(&store, &tenant).await.is_err());
        assert_eq!(find(&store, &Namespace::default()).await.unwrap(), NamespaceLimits::default());
        let limits = NamespaceLimits { runs_max: Some(3), requests_per_second_max: None };
        let root = Maker { name: "user:root".into(), via: "cli".into() };
        set(&store, &tenant, limits, &root, Timestamp(7)).await.unwrap();
        set(&store, &tenant, limits, &root, Timestamp(9)).await.unwrap();
        assert_eq!(find(&store, &tenant).await.unwrap(), limits);
        assert_eq!(list(&store).await.unwrap()[0].1.created_at, Timestamp(7));
        let row = |number| RecordChange::put(KIND, format!("n{number}"), json!({}));
        let records = (1..NAMESPACES_MAX).map(row).collect();
        store.commit(&Batch { records, ..Batch::default() }).await.unwrap();
        assert!(set(&store, &"more".parse().unwrap(), limits, &root, Timestamp(9)).await.is_err());
        assert!(
            set(&store, &tenant, limits, &root, Timestamp(9)).await.is_ok(),
            "what is there can be changed"
        );
        let none = NamespaceLimits { requests_per_second_max: Some(0), ..limits };
        assert!(set(&store, &tenant, none, &root, Timestamp(9)).await.is_err());
    }
}
