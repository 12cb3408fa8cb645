//! Canonical JSON: keys sorted by code point, no white space. What a digest is taken of.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// Where most texts fit in without growing.
const SMALL_BYTES: usize = 256;

/// The one text that equal values share, however their keys were ordered.
///
/// Numbers keep `serde_json`'s shortest form rather than RFC 8785's, which
/// would round integers above 2^53 and so give two amounts one digest.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::with_capacity(SMALL_BYTES);
    write(value, &mut out);
    out
}

/// A text as canonical JSON has it.
pub(crate) fn canonical_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_text(text, &mut out);
    out
}

/// The length of a value's JSON text, in bytes, without making it.
pub fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// The length of a value's JSON text, in bytes, counted rather than printed: every result is weighed so.
pub fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(is) => {
            if *is {
                4
            } else {
                5
            }
        }
        Value::Number(number) => json_bytes(number),
        Value::String(text) => text_bytes(text),
        Value::Array(items) => list_bytes(items.len(), items.iter().map(value_bytes)),
        Value::Object(fields) => list_bytes(
            fields.len(),
            fields.iter().map(|(key, value)| text_bytes(key) + 1 + value_bytes(value)),
        ),
    }
}

/// Brackets, commas and what is between them.
fn list_bytes(count: usize, items: impl Iterator<Item = usize>) -> usize {
    2 + count.saturating_sub(1) + items.sum::<usize>()
}

fn text_bytes(text: &str) -> usize {
    if is_plain(text) { text.len() + 2 } else { json_bytes(&text) }
}

/// Whether JSON has a text as it stands.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// Whether a value has at most this many levels of lists and maps.
pub fn within_depth(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(items) => levels > 0 && items.iter().all(|item| within_depth(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|item| within_depth(item, levels - 1)),
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            if map.keys().is_sorted() {
                write_fields(map.iter(), out);
            } else {
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_unstable_by(|a, b| a.0.cmp(b.0));
                write_fields(fields.into_iter(), out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_text(text, out),
        Value::Null => out.push_str("null"),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Number(number) => {
            // Writing into a text does not fail.
            let _ = write!(out, "{number}");
        }
    }
}

fn write_fields<'v>(fields: impl Iterator<Item = (&'v String, &'v Value)>, out: &mut String) {
    for (index, (key, value)) in fields.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        write(value, out);
    }
}

fn write_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_measured_without_being_printed() {
        let value = json!({"a": [1, {"b": "x\"y"}], "c": null});
        assert_eq!(json_bytes(&value), value.to_string().len());
        assert!(within_depth(&value, 3));
        assert!(!within_depth(&value, 2));
        assert!(within_depth(&json!(1), 0));
    }

    #[test]
    fn equal_values_share_one_text() {
        let cases = [
            (json!({"b": 1, "a": [true, null]}), r#"{"a":[true,null],"b":1}"#),
            (json!({"a": {"z": "\"", "y": 1.5}}), r#"{"a":{"y":1.5,"z":"\""}}"#),
            (json!(["\u{7f}ü\\", "\u{1f}"]), "[\"\u{7f}ü\\\\\",\"\\u001f\"]"),
            (json!(9_007_199_254_740_993_u64), "9007199254740993"),
            (json!({}), "{}"),
        ];
        for (value, text) in cases {
            assert_eq!(canonical_json(&value), text);
            assert_eq!(value_bytes(&value), text.len(), "{text}");
        }
    }
}
