//! Rows to CSV.

use std::collections::BTreeSet;

use csv::{QuoteStyle, Terminator, WriterBuilder};
use pawl_plugin::prelude::*;
use serde_json::Map;

use crate::format::{self, COLUMNS_MAX, ROWS_MAX};

/// Rows are all objects or all lists. Objects are written under `columns`, or under all their keys in
/// alphabetical order, with a header; lists are written as they are, under `columns` if it is there.
/// Fields are text, numbers, booleans and null, which is written as nothing. At most 50,000 rows and
/// 1,000 columns.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "columns": ["item", "price"],
    "rows": [{ "item": "chair, red", "price": 189 }, { "item": "desk lamp", "price": "49.90" }]
}))]
pub(crate) struct Write {
    /// Objects, or lists.
    rows: Vec<Value>,
    /// The columns, in order.
    columns: Option<Vec<String>>,
    /// Whether the columns are written as the first row.
    #[serde(default = "yes")]
    header: bool,
    /// What stands between fields, one ASCII character.
    #[serde(default = "format::comma")]
    delimiter: String,
    /// What encloses a field, one ASCII character.
    #[serde(default = "format::quote")]
    quote: String,
    /// Encloses every field, not only those that need it.
    #[serde(default)]
    quote_all: bool,
    /// How a line ends.
    #[serde(default)]
    line_end: LineEnd,
    /// Puts a `'` before text that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`, tab or
    /// return at its beginning). For tables of strangers' texts that people open.
    #[serde(default)]
    escape_formulas: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LineEnd {
    #[default]
    Lf,
    Crlf,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    /// The table.
    text: String,
    /// How many rows it has, without the header.
    rows: usize,
}

pub(crate) fn write(_: &Context, input: Write) -> Result<Written, Failure> {
    let (delimiter, quote) = format::delimiter(&input.delimiter, &input.quote)?;
    if input.rows.len() > ROWS_MAX {
        return Err(format::too_many("rows", ROWS_MAX));
    }
    let columns = columns(&input)?;
    if columns.as_ref().is_some_and(|columns| columns.len() > COLUMNS_MAX) {
        return Err(format::too_many("columns", COLUMNS_MAX));
    }
    let mut writer = WriterBuilder::new()
        .delimiter(delimiter)
        .quote(quote)
        .quote_style(if input.quote_all { QuoteStyle::Always } else { QuoteStyle::Necessary })
        .terminator(match input.line_end {
            LineEnd::Lf => Terminator::Any(b'\n'),
            LineEnd::Crlf => Terminator::CRLF,
        })
        .from_writer(Vec::new());
    let unwritten = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Failure::invalid_input(format!(
            "a row has {len} fields where the first has {expected_len}; make them equally long"
        )),
        _ => Failure::permanent(format!("the table cannot be written: {error}")),
    };
    if let Some(columns) = columns.as_ref().filter(|columns| input.header && !columns.is_empty()) {
        writer
            .write_record(columns.iter().map(|name| plain(name, input.escape_formulas)))
            .map_err(unwritten)?;
    }
    let shape = Shape {
        columns: columns.as_deref(),
        known: columns.iter().flatten().map(String::as_str).collect(),
        escape_formulas: input.escape_formulas,
    };
    for (index, row) in input.rows.iter().enumerate() {
        let fields = shape.fields(index, row)?;
        writer.write_record(fields).map_err(unwritten)?;
    }
    let bytes = writer.into_inner().map_err(|error| Failure::permanent(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| Failure::permanent(error.to_string()))?;
    Ok(Written { text, rows: input.rows.len() })
}

/// The given columns, or all keys of the rows; none for lists.
fn columns(input: &Write) -> Result<Option<Vec<String>>, Failure> {
    if input.columns.is_some() {
        return Ok(input.columns.clone());
    }
    let mut keys = BTreeSet::new();
    for row in input.rows.iter().filter_map(Value::as_object) {
        keys.extend(row.keys().cloned());
        if keys.len() > COLUMNS_MAX {
            return Err(format::too_many("columns", COLUMNS_MAX));
        }
    }
    Ok((!keys.is_empty()).then(|| keys.into_iter().collect()))
}

/// What every row is written after.
struct Shape<'a> {
    columns: Option<&'a [String]>,
    known: BTreeSet<&'a str>,
    escape_formulas: bool,
}

impl Shape<'_> {
    /// The fields of one row, in the order of the columns.
    fn fields(&self, index: usize, row: &Value) -> Result<Vec<String>, Failure> {
        match row {
            Value::Array(values) => self.of_list(index, values),
            Value::Object(object) => self.of_object(index, object),
            _ => Err(wrong(index, "", "is neither an object nor a list")),
        }
    }

    fn of_list(&self, index: usize, values: &[Value]) -> Result<Vec<String>, Failure> {
        if let Some(columns) = self.columns.filter(|columns| columns.len() != values.len()) {
            let what = format!("has {} fields where there are {} columns", values.len(), columns.len());
            return Err(wrong(index, "", &what));
        }
        if values.len() > COLUMNS_MAX {
            return Err(format::too_many("columns", COLUMNS_MAX));
        }
        values.iter().enumerate().map(|(at, value)| self.field(index, &format!("[{at}]"), value)).collect()
    }

    fn of_object(&self, index: usize, object: &Map<String, Value>) -> Result<Vec<String>, Failure> {
        if let Some(unknown) = object.keys().find(|key| !self.known.contains(key.as_str())) {
            let what = "is not among `columns`; name it there, or take it out";
            return Err(wrong(index, &format!(".{unknown}"), what));
        }
        let value = |name: &String| {
            object
                .get(name)
                .map_or_else(|| Ok(String::new()), |value| self.field(index, &format!(".{name}"), value))
        };
        self.columns.unwrap_or_default().iter().map(value).collect()
    }

    fn field(&self, index: usize, place: &str, value: &Value) -> Result<String, Failure> {
        match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(plain(text, self.escape_formulas)),
            Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
            Value::Array(_) | Value::Object(_) => Err(wrong(
                index,
                place,
                "is a list or an object, which no field holds; turn it into text before",
            )),
        }
    }
}

fn wrong(index: usize, place: &str, what: &str) -> Failure {
    Failure::invalid_input(format!("`rows[{index}]{place}` {what}"))
}

fn plain(text: &str, escape_formulas: bool) -> String {
    let is_formula = escape_formulas && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    fn written(input: Value) -> Result<String, String> {
        let written = write(&Context::default(), serde_json::from_value(input).unwrap());
        written.map(|written| written.text).map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn objects_and_lists_become_lines() {
        let rows = json!([{ "b": "x, \"y\"", "a": 1.5 }, { "a": true }]);
        assert_eq!(written(json!({ "rows": rows })).unwrap(), "a,b\n1.5,\"x, \"\"y\"\"\"\ntrue,\n");
        assert_eq!(
            written(json!({ "rows": rows, "columns": ["b", "a"], "delimiter": ";", "line_end": "crlf" }))
                .unwrap(),
            "b;a\r\n\"x, \"\"y\"\"\";1.5\r\n;true\r\n"
        );
        assert_eq!(written(json!({ "rows": [[1, null], ["a", "b"]] })).unwrap(), "1,\na,b\n");
        assert_eq!(written(json!({ "rows": [["a"]], "quote_all": true })).unwrap(), "\"a\"\n");
        assert_eq!(written(json!({ "rows": [], "columns": ["a"] })).unwrap(), "a\n");
        assert_eq!(written(json!({ "rows": [] })).unwrap(), "");
    }

    #[test]
    fn formulas_are_text_where_that_is_asked_for() {
        let rows = json!([["=1+1", "-1", -1, "a=b"]]);
        assert_eq!(written(json!({ "rows": rows })).unwrap(), "=1+1,-1,-1,a=b\n");
        assert_eq!(written(json!({ "rows": rows, "escape_formulas": true })).unwrap(), "'=1+1,'-1,-1,a=b\n");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            (json!({ "rows": [{ "a": [1] }] }), "`rows[0].a` is a list or an object"),
            (json!({ "rows": [[1], 2] }), "`rows[1]` is neither an object nor a list"),
            (json!({ "rows": [[1], [1, 2]] }), "a row has 2 fields where the first has 1"),
            (
                json!({ "rows": [[1, 2]], "columns": ["a"] }),
                "`rows[0]` has 2 fields where there are 1 columns",
            ),
            (json!({ "rows": [{ "b": 1 }], "columns": ["a"] }), "`rows[0].b` is not among `columns`"),
        ];
        for (input, expected) in cases {
            let message = written(input.clone()).unwrap_err();
            assert!(message.contains(expected), "{input}: {message}");
        }
    }

    #[test]
    fn each_limit_has_its_failure() {
        let rows = vec![json!([1]); ROWS_MAX + 1];
        assert!(written(json!({ "rows": rows })).unwrap_err().contains("more than 50000 rows"));
        let row = vec![1; COLUMNS_MAX + 1];
        assert!(written(json!({ "rows": [row] })).unwrap_err().contains("more than 1000 columns"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let pieces = ["a", ",", "\"", "\n", "\r", ";", " ", "é", "'", "#", "\t"];
        let mut seed = 7_u64;
        let mut text = || {
            let mut text = String::new();
            loop {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let drawn = usize::try_from(seed >> 33).unwrap() % (pieces.len() + 3);
                let Some(piece) = pieces.get(drawn) else { return text };
                text.push_str(piece);
            }
        };
        for _ in 0..2_000 {
            // A row of one empty field is an empty line, so there are always two.
            let rows: Vec<_> = (0..3).map(|_| json!([format!("x{}", text()), text()])).collect();
            let csv = written(json!({ "rows": rows })).unwrap();
            let input = serde_json::from_value(json!({ "text": csv, "header": false })).unwrap();
            assert_eq!(json!(parse(&Context::default(), input).unwrap())["rows"], json!(rows), "{csv:?}");
        }
    }
}
