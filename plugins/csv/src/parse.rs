//! CSV to rows.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use pawl_plugin::prelude::*;
use serde_json::{Map, Number};

use crate::format::{self, COLUMNS_MAX, ROWS_MAX};

/// Digits that a JSON number with a fraction carries exactly.
const JSON_DIGITS_MAX: usize = 15;

/// The first row names the columns, and each row comes back as an object; with `header: false` rows
/// are lists. Every row has as many fields as the first. Fields are text unless `types` says
/// otherwise; quotes, doubled quotes and line breaks within quotes are read as RFC 4180 has them. At
/// most 50,000 rows and 1,000 columns.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "text": "item,price,paid\ndesk lamp,49.90,yes\n\"chair, red\",189,no\n",
    "types": { "price": "number", "paid": "boolean" }
}))]
#[schemars(example = json!({ "text": "a;b\nc;d", "header": false, "delimiter": ";" }))]
pub(crate) struct Parse {
    /// The table.
    text: String,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    header: bool,
    /// What stands between fields, one ASCII character.
    #[serde(default = "format::comma")]
    delimiter: String,
    /// What encloses a field, one ASCII character.
    #[serde(default = "format::quote")]
    quote: String,
    /// Rows that begin with this ASCII character are left out.
    comment: Option<String>,
    /// Whether spaces around fields are taken away.
    #[serde(default)]
    trim: bool,
    /// What the fields of a column are, by its name; without a header by its number, from 0. An empty
    /// field of a column that is not text becomes null.
    #[serde(default)]
    types: BTreeMap<String, Type>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Type {
    /// As it is written.
    Text,
    /// A whole number.
    Integer,
    /// A number with a point; with more than 15 digits it is refused, since JSON would change it.
    Number,
    /// true, yes or 1; false, no or 0.
    Boolean,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parsed {
    /// Names of the columns; empty without a header.
    columns: Vec<String>,
    /// Objects by column, or lists without a header.
    rows: Vec<Value>,
}

pub(crate) fn parse(_: &Context, input: Parse) -> Result<Parsed, Failure> {
    let (delimiter, quote) = format::delimiter(&input.delimiter, &input.quote)?;
    let comment = input.comment.as_deref().map(|comment| format::byte("comment", comment)).transpose()?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        // Counted here, with a message of our own.
        .flexible(true)
        .delimiter(delimiter)
        .quote(quote)
        .comment(comment)
        .trim(if input.trim { Trim::All } else { Trim::None })
        .from_reader(input.text.as_bytes());
    let mut record = StringRecord::new();
    let mut read = |record: &mut StringRecord| {
        reader.read_record(record).map_err(|error| Failure::invalid_input(format!("the table: {error}")))
    };

    let mut table = Table { columns: Vec::new(), types: Vec::new(), width: 0 };
    let mut rows = Vec::new();
    let mut is_first = true;
    while read(&mut record)? {
        let line = record.position().map_or(1, csv::Position::line);
        if is_first {
            is_first = false;
            table = Table::new(&record, line, input.header, &input.types)?;
            if input.header {
                continue;
            }
        }
        if rows.len() == ROWS_MAX {
            return Err(format::too_many("rows", ROWS_MAX));
        }
        rows.push(table.row(&record, line)?);
    }
    if is_first && input.header {
        return Err(Failure::invalid_input(
            "the table is empty, so no row names the columns; set `header: false`",
        ));
    }
    Ok(Parsed { columns: table.columns, rows })
}

/// What every row is held against.
struct Table {
    /// Empty without a header.
    columns: Vec<String>,
    types: Vec<Type>,
    width: usize,
}

impl Table {
    fn new(
        first: &StringRecord,
        line: u64,
        has_header: bool,
        types: &BTreeMap<String, Type>,
    ) -> Result<Self, Failure> {
        let width = first.len();
        if width > COLUMNS_MAX {
            return Err(format::too_many("columns", COLUMNS_MAX));
        }
        let names: Vec<String> = if has_header {
            first.iter().map(str::to_owned).collect()
        } else {
            (0..width).map(|index| index.to_string()).collect()
        };
        for (index, name) in names.iter().enumerate() {
            if has_header && name.is_empty() {
                return Err(Failure::invalid_input(format!(
                    "line {line}: column {} has no name; name it, or set `header: false`",
                    index + 1
                )));
            }
            if names[..index].contains(name) {
                return Err(Failure::invalid_input(format!(
                    "line {line}: two columns are called `{name}`; rename one, or set `header: false`"
                )));
            }
        }
        if let Some(unknown) = types.keys().find(|name| !names.contains(name)) {
            return Err(Failure::invalid_input(format!(
                "`types` names the column `{unknown}`; there are {}",
                names.join(", ")
            )));
        }
        let types = names.iter().map(|name| types.get(name).copied().unwrap_or(Type::Text)).collect();
        Ok(Self { columns: if has_header { names } else { Vec::new() }, types, width })
    }

    fn row(&self, record: &StringRecord, line: u64) -> Result<Value, Failure> {
        if record.len() != self.width {
            return Err(Failure::invalid_input(format!(
                "line {line}: there are {} fields where the first row has {}; enclose fields that hold the \
                 delimiter in quotes",
                record.len(),
                self.width
            )));
        }
        let mut fields = Vec::with_capacity(self.width);
        for (index, field) in record.iter().enumerate() {
            let value = typed(self.types[index], field).map_err(|what| {
                let column = self.columns.get(index).cloned().unwrap_or_else(|| index.to_string());
                Failure::invalid_input(format!("line {line}, column `{column}`: {field:?} {what}"))
            })?;
            fields.push(value);
        }
        if self.columns.is_empty() {
            return Ok(Value::Array(fields));
        }
        Ok(Value::Object(self.columns.iter().cloned().zip(fields).collect::<Map<_, _>>()))
    }
}

fn typed(kind: Type, field: &str) -> Result<Value, &'static str> {
    let trimmed = field.trim();
    match kind {
        Type::Text => Ok(Value::from(field)),
        _ if trimmed.is_empty() => Ok(Value::Null),
        Type::Integer => trimmed.parse::<i64>().map(Value::from).map_err(|_| "is no whole number of 64 bits"),
        Type::Number => number(trimmed),
        Type::Boolean => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "0" => Ok(Value::Bool(false)),
            _ => Err("is none of true, yes, 1, false, no, 0"),
        },
    }
}

fn number(text: &str) -> Result<Value, &'static str> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Value::from(whole));
    }
    // Rust would also read `inf` and `nan`.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse::<f64>().ok().filter(|_| is_plain).and_then(Number::from_f64);
    let number = number.ok_or("is no number such as -1234.56; a decimal comma is not read")?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = digits.trim_start_matches(['+', '-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    if digits > JSON_DIGITS_MAX {
        return Err("has more than 15 digits, which a JSON number does not carry exactly; leave it as text");
    }
    Ok(Value::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(input: Value) -> Result<Value, String> {
        let parsed = parse(&Context::default(), serde_json::from_value(input).unwrap());
        parsed.map(|parsed| json!(parsed)).map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn rows_are_objects_with_the_types_that_were_asked_for() {
        let text = "\u{feff}id,name,price,stock,new\r\n1,\"lamp, \"\"desk\"\"\",49.90,7,yes\r\n2,\"two\nlines\",,,no\r\n";
        let types = json!({ "price": "number", "stock": "integer", "new": "boolean" });
        assert_eq!(
            parsed(json!({ "text": text, "types": types })).unwrap(),
            json!({
                "columns": ["id", "name", "price", "stock", "new"],
                "rows": [
                    { "id": "1", "name": "lamp, \"desk\"", "price": 49.9, "stock": 7, "new": true },
                    { "id": "2", "name": "two\nlines", "price": null, "stock": null, "new": false },
                ]
            })
        );
    }

    #[test]
    fn without_a_header_rows_are_lists() {
        let input = json!({
            "text": "# old\n a ;1\nb; 2 ", "header": false, "delimiter": ";", "comment": "#", "trim": true,
            "types": { "1": "integer" }
        });
        assert_eq!(parsed(input).unwrap(), json!({ "columns": [], "rows": [["a", 1], ["b", 2]] }));
        assert_eq!(
            parsed(json!({ "text": "", "header": false })).unwrap(),
            json!({ "columns": [], "rows": [] })
        );
        assert_eq!(parsed(json!({ "text": "a,b\n" })).unwrap(), json!({ "columns": ["a", "b"], "rows": [] }));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let cases = [
            (json!({ "text": "a,b\n1,2\n3\n" }), "line 3: there are 1 fields where the first row has 2"),
            (json!({ "text": "a,b\n\"x\ny\",2\n1,2,3" }), "line 4: there are 3 fields"),
            (json!({ "text": "a,a\n" }), "line 1: two columns are called `a`"),
            (json!({ "text": "a,\n" }), "line 1: column 2 has no name"),
            (json!({ "text": "" }), "the table is empty"),
            (
                json!({ "text": "a\n", "types": { "b": "number" } }),
                "`types` names the column `b`; there are a",
            ),
            (
                json!({ "text": "a\n1,5\n", "delimiter": ";", "types": { "a": "number" } }),
                "line 2, column `a`: \"1,5\" is no number such as -1234.56",
            ),
            (
                json!({ "text": "a\ninf\n", "types": { "a": "number" } }),
                "line 2, column `a`: \"inf\" is no number",
            ),
            (
                json!({ "text": "a\n0.12345678901234567\n", "types": { "a": "number" } }),
                "line 2, column `a`: \"0.12345678901234567\" has more than 15 digits",
            ),
            (json!({ "text": "a\n1.5\n", "types": { "a": "integer" } }), "\"1.5\" is no whole number"),
            (
                json!({ "text": "a\nmaybe\n", "types": { "a": "boolean" } }),
                "\"maybe\" is none of true, yes, 1",
            ),
            (json!({ "text": "a", "delimiter": "ä" }), "`delimiter` is one ASCII character"),
            (json!({ "text": "a", "delimiter": "\"" }), "`delimiter` and `quote` are the same character"),
        ];
        for (input, expected) in cases {
            let message = parsed(input.clone()).unwrap_err();
            assert!(message.contains(expected), "{input}: {message}");
        }
    }

    #[test]
    fn each_limit_has_its_failure() {
        let rows = parsed(json!({ "text": "a\n".repeat(ROWS_MAX + 2) })).unwrap_err();
        assert_eq!(rows, "there are more than 50000 rows; take the table in parts");
        let columns = parsed(json!({ "text": ",".repeat(COLUMNS_MAX), "header": false })).unwrap_err();
        assert_eq!(columns, "there are more than 1000 columns; take the table in parts");
    }
}
