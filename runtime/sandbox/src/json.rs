//! JSON that a guest gives.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;

/// A longer text is read elsewhere: it takes longer than a guest may hold its thread.
const HERE_MAX_BYTES: usize = 64 << 10;
/// So many are read elsewhere at once. Values can take twenty times the memory of their text.
static ELSEWHERE: Semaphore = Semaphore::const_new(2);

/// How many objects and arrays may stand within each other. The journal's reader, which meets the
/// value again inside of events, has a limit of its own, and so have those who read pawl's answers.
pub(crate) const JSON_MAX_DEPTH: usize = 64;

/// Reads JSON. What is wrong with it completes "the result …".
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    if fits(&value, JSON_MAX_DEPTH) {
        return Ok(value);
    }
    Err(format!("is nested too deeply: JSON_MAX_DEPTH is {JSON_MAX_DEPTH}"))
}

/// The same, without holding the thread; and how long it took, where it was done elsewhere.
pub(crate) async fn read_aside(text: &str) -> (Result<Value, String>, Option<Duration>) {
    if text.len() <= HERE_MAX_BYTES {
        return (read(text), None);
    }
    let text = text.to_owned();
    let turn = ELSEWHERE.acquire().await;
    let reading = tokio::task::spawn_blocking(move || {
        // Held by the reading itself, which goes on when its attempt is over.
        let _turn = turn;
        let begun = Instant::now();
        (read(&text), Some(begun.elapsed()))
    });
    reading.await.unwrap_or_else(|error| (Err(format!("was not read: {error}")), None))
}

/// `serde_json` reads 128 levels at most, so this comes to an end.
fn fits(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
        Value::Object(fields) => left > 0 && fields.values().all(|field| fits(field, left - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_stops_at_its_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(JSON_MAX_DEPTH)).is_ok());
        assert!(read(&nested(JSON_MAX_DEPTH + 1)).unwrap_err().contains("JSON_MAX_DEPTH is 64"));
        assert!(read(&nested(1_000)).unwrap_err().contains("recursion limit"));
        assert!(read("{,}").unwrap_err().contains("is not JSON"));
    }
}
