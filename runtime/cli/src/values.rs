//! `name=value` on the command line, read as the schema wants it.

use std::path::{Path, PathBuf};

use pawl_core::diagnostic::among;
use serde_json::{Map, Value};

use crate::fault::Fault;

/// The schema of one field, following nothing but `properties`.
fn field<'a>(schema: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    schema?.get("properties")?.get(name)
}

/// Whether a schema says that a value may be text. One that says nothing about types may.
fn may_be_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => schema.get("enum").and_then(Value::as_array).is_none_or(|all| all.iter().any(Value::is_string)),
    }
}

/// Reads one value: as JSON where the schema wants a number, a boolean, a list
/// or an object; else it is text, exactly as it was written.
pub(crate) fn read(schema: Option<&Value>, name: &str, text: &str) -> Result<Value, Fault> {
    match field(schema, name) {
        Some(field) if !may_be_text(field) => serde_json::from_str(text).map_err(|_| {
            let wanted = field.get("type").and_then(Value::as_str).unwrap_or("a JSON value");
            Fault::usage(format!("{name}={text}: '{text}' is not of type {wanted}"))
                .hint("write a number, true, false, or JSON in quotes")
        }),
        _ => Ok(Value::from(text)),
    }
}

/// Reads several `name=value` into an object.
pub(crate) fn read_pairs(
    schema: Option<&Value>,
    pairs: &[String],
    into: &mut Map<String, Value>,
) -> Result<(), Fault> {
    for pair in pairs {
        let (name, text) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Fault::usage(format!("'{pair}' is not of the form name=value"))
                .hint("write note=ok, or amount=25")
        })?;
        into.insert(name.to_owned(), read(schema, name, text)?);
    }
    Ok(())
}

/// Whether the workflow has each input that is named.
pub(crate) fn known(schema: &Value, pairs: &[String]) -> Result<(), Fault> {
    let inputs = schema.get("properties").and_then(Value::as_object);
    let names: Vec<&str> = inputs.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let mut given = pairs.iter().filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    match given.find(|name| !name.is_empty() && !names.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Fault::usage(format!("the workflow has no input '{name}'")).hint(
            among(name, "its inputs are", names)
                .unwrap_or_else(|| "it takes none: leave --input out".to_owned()),
        )),
    }
}

/// The data folder that a command with values for `--data` is given: a value without `=`, the last one.
pub(crate) fn folder(given: &[String]) -> Option<PathBuf> {
    given.iter().rfind(|text| !text.contains('=')).map(PathBuf::from)
}

/// The values of `--data` that are fields. JSON is none, nor is it a data folder; and what such a command is
/// about lies in a folder that is there, so that one with a slip in its name is not made.
pub(crate) fn fields(given: &[String]) -> Result<Vec<String>, Fault> {
    if let Some(json) = given.iter().find(|text| text.starts_with(['{', '['])) {
        return Err(Fault::usage(format!("--data takes NAME=VALUE, and {json} looks like JSON"))
            .hint(format!("write --data-json {}", quoted(json))));
    }
    if let Some(folder) = folder(given).filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        return Err(Fault::usage(format!("there is no data folder {folder}")).hint(format!(
            "what has no `=` names the data folder, with the runs in it; write --data {folder}=VALUE for a field, \
             or --data-json for all of them"
        )));
    }
    Ok(given.iter().filter(|text| text.contains('=')).cloned().collect())
}

/// Reads an object given as JSON text.
pub(crate) fn read_object(option: &str, text: &str) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::usage(format!("{option} is JSON, but not an object"))
            .hint(r#"write an object, such as '{"name": "Ada"}'"#)),
        Err(error) => Err(Fault::usage(format!("{option} is not JSON: {error}"))
            .hint(r#"write an object in quotes, such as '{"name": "Ada"}'"#)),
    }
}

/// Reads an object from a file: YAML where its name says so, else JSON.
pub(crate) fn read_file(path: &Path) -> Result<Map<String, Value>, Fault> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Fault::usage(format!("cannot read {shown}: {error}")).hint("check the path of --input-file")
    })?;
    let is_yaml = path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml");
    let value: Value = if is_yaml {
        serde_saphyr::from_str(&text).map_err(|error| {
            Fault::usage(format!("{shown} is not YAML: {error}"))
                .hint("correct it at that place; write name: value pairs")
        })?
    } else {
        serde_json::from_str(&text).map_err(|error| {
            Fault::usage(format!("{shown} is not JSON: {error}"))
                .hint("correct it at that place; a file of YAML has a name that ends in .yaml or .yml")
        })?
    };
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Fault::usage(format!("{shown} does not hold an object")).hint("write name: value pairs")),
    }
}

/// A word as a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_stays_text_and_numbers_become_numbers() {
        let schema = json!({ "properties": {
            "note": { "type": "string" },
            "amount": { "type": "number" },
            "sure": { "type": "boolean" },
            "either": { "type": ["string", "null"] },
            "level": { "enum": ["1", "2"] },
            "size": { "enum": [1, 2] },
        } });
        let cases = [
            ("note", "ok", Some(json!("ok"))),
            ("note", "1", Some(json!("1"))),
            ("amount", "2.5", Some(json!(2.5))),
            ("amount", "much", None),
            ("sure", "true", Some(json!(true))),
            ("sure", "yes", None),
            ("either", "null", Some(json!("null"))),
            ("level", "1", Some(json!("1"))),
            ("size", "1", Some(json!(1))),
            ("unknown", "1", Some(json!("1"))),
        ];
        for (name, text, expected) in cases {
            assert_eq!(read(Some(&schema), name, text).ok(), expected, "{name}={text}");
        }
    }

    #[test]
    fn a_word_survives_the_shell() {
        let cases = [("a/b.c", "a/b.c"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'")];
        for (word, text) in cases {
            assert_eq!(quoted(word), text);
        }
    }
}
