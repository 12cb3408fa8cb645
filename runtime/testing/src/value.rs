//! Comparing values as tests mean them: `40` and `40.0` are the same number.

use serde_json::{Number, Value};

/// How much of a value a report shows, in bytes.
const SHOWN_MAX_BYTES: usize = 2 * 1024;
/// How many differences of two values a report shows.
const DIFFERENCES_MAX: usize = 8;

/// A place at which two values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unlike {
    /// The way to it, `.lines[0].id`; empty for the whole.
    pub(crate) at: String,
    /// What was expected there.
    pub(crate) expected: String,
    /// What was found there.
    pub(crate) found: String,
}

/// Where `found` is not exactly what was expected.
pub(crate) fn differences(expected: &Value, found: &Value) -> Vec<Unlike> {
    let mut unlike = Vec::new();
    compare("", expected, found, true, &mut unlike);
    unlike
}

/// Where `found` has not in it what was expected.
pub(crate) fn lacking(expected: &Value, found: &Value) -> Vec<Unlike> {
    let mut unlike = Vec::new();
    compare("", expected, found, false, &mut unlike);
    unlike
}

fn compare(at: &str, expected: &Value, found: &Value, exact: bool, unlike: &mut Vec<Unlike>) {
    let mut differs = |at: String, expected: String, found: String| {
        if unlike.len() < DIFFERENCES_MAX {
            unlike.push(Unlike { at, expected, found });
        }
    };
    match (expected, found) {
        (Value::Object(wanted), Value::Object(had)) => {
            if exact {
                for (key, value) in had.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                    differs(format!("{at}.{key}"), "nothing".to_owned(), shown(value));
                }
            }
            for (key, value) in wanted {
                match had.get(key) {
                    Some(found) => compare(&format!("{at}.{key}"), value, found, exact, unlike),
                    None if unlike.len() < DIFFERENCES_MAX => unlike.push(Unlike {
                        at: format!("{at}.{key}"),
                        expected: shown(value),
                        found: "nothing".to_owned(),
                    }),
                    None => {}
                }
            }
        }
        (Value::Array(wanted), Value::Array(had)) if wanted.len() == had.len() => {
            for (index, (wanted, had)) in wanted.iter().zip(had).enumerate() {
                compare(&format!("{at}[{index}]"), wanted, had, exact, unlike);
            }
        }
        (Value::Number(wanted), Value::Number(had)) if same_number(wanted, had) => {}
        (wanted, had) if wanted == had => {}
        (wanted, had) => differs(at.to_owned(), shown(wanted), shown(had)),
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    // Two whole numbers are compared as they are: floats would make neighbours of large ones the same.
    a == b || ((a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64())
}

/// A value as a report shows it.
pub(crate) fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN_MAX_BYTES {
        text.truncate(text.floor_char_boundary(SHOWN_MAX_BYTES));
        text.push_str(" […]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_differ_where_they_differ() {
        let found = json!({ "a": 40.0, "b": [1, { "c": "x" }], "d": null });
        let cases = [
            (json!({ "a": 40, "b": [1, { "c": "x" }], "d": null }), vec![], vec![]),
            (json!({ "a": 40 }), vec![".b", ".d"], vec![]),
            (json!({ "b": [1, { "c": "y" }] }), vec![".a", ".d", ".b[1].c"], vec![".b[1].c"]),
            (json!({ "b": [1] }), vec![".a", ".d", ".b"], vec![".b"]),
            (json!({ "b": [1, {}], "d": null, "a": 40 }), vec![".b[1].c"], vec![]),
            (json!({ "e": 1 }), vec![".a", ".b", ".d", ".e"], vec![".e"]),
            (json!([]), vec![""], vec![""]),
            (json!({ "a": 40.5 }), vec![".b", ".d", ".a"], vec![".a"]),
        ];
        let places = |unlike: Vec<Unlike>| unlike.into_iter().map(|unlike| unlike.at).collect::<Vec<_>>();
        for (expected, exactly, within) in cases {
            assert_eq!(places(differences(&expected, &found)), exactly, "{expected}");
            assert_eq!(places(lacking(&expected, &found)), within, "{expected}");
        }
        let (large, larger) = (json!(u64::MAX), json!(u64::MAX - 1));
        assert_eq!(differences(&large, &larger).len(), 1);
    }

    #[test]
    fn a_report_shows_only_so_much() {
        let unlike = differences(&json!("x".repeat(10_000)), &json!(0));
        assert!(unlike[0].expected.len() < SHOWN_MAX_BYTES + 10);
        assert_eq!(differences(&json!(vec![0; 100]), &json!(vec![1; 100])).len(), DIFFERENCES_MAX);
    }
}
