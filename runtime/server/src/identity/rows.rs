//! Records of one kind, read page by page.

use pawl_store::Store;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::IdentityError;

/// Rows that are read at once.
const PAGE_ROWS: usize = 500;

/// A record, as what it is.
pub(super) fn decode<T: DeserializeOwned>(
    what: &'static str,
    name: &str,
    value: Value,
) -> Result<T, IdentityError> {
    serde_json::from_value(value).map_err(|error| IdentityError::Damaged {
        what,
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

/// All records of a kind, by key.
pub(super) async fn all<T: DeserializeOwned>(
    store: &dyn Store,
    what: &'static str,
) -> Result<Vec<(String, T)>, IdentityError> {
    let (mut rows, mut after): (Vec<(String, T)>, Option<String>) = (Vec::new(), None);
    loop {
        let found = store.records(what, "", after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = found.last() else { return Ok(rows) };
        after = Some(last.key.clone());
        for record in found {
            let value = decode(what, &record.key, record.value)?;
            rows.push((record.key, value));
        }
    }
}
