//! JSON text to types and back, with errors that say where.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Failure, FailureKind};

/// Reads `text` as a `T`. `what` begins the message, `kind` says whose mistake it would be.
pub(crate) fn read<T: DeserializeOwned>(text: &str, kind: FailureKind, what: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        let message =
            if path == "." { format!("{what}: {reason}") } else { format!("{what}: at `{path}`: {reason}") };
        Failure::new(kind, message)
    })?;
    deserializer.end().map_err(|error| Failure::new(kind, format!("{what}: {error}")))?;
    Ok(value)
}

/// Writes `value` as JSON text. It fails on what JSON cannot hold, such as a map whose keys are no text.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, what: &str) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::permanent(format!("{what} cannot be written as JSON: {error}")))
}

/// The schema of what a `T` is read from.
pub(crate) fn input_schema<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of what a `T` is written as.
pub(crate) fn output_schema<T: JsonSchema>() -> Value {
    schema::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// Schemas without `$ref` where they can be: those who check an expression such as
/// `steps.order.output.id` then find its field where it stands.
fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
