//! Key-value memory: what one step leaves here, a later one finds; where the step's `memory` says so, a
//! later run, too. For agents; needs the grant `memory`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::memory;
use crate::{Failure, FailureKind, json};

/// What the key holds, if anything.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Failure> {
    memory::get(key)?
        .map(|text| json::read(&text, FailureKind::Permanent, &format!("memory `{key}`")))
        .transpose()
}

/// What the key holds from now on.
pub fn put<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Failure> {
    Ok(memory::put(key, &json::write(value, &format!("memory `{key}`"))?)?)
}
