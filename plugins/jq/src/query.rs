//! The tool: a filter and a value in, what the filter gives out.

use std::collections::BTreeMap;

use jaq_core::{Ctx, Vars, unwrap_valr};
use jaq_json::{Val, read};
use jaq_std::ValT as _;
use pawl_plugin::prelude::*;

use crate::language::{self, Data};

/// The text of a filter.
const FILTER_MAX_BYTES: usize = 16 << 10;
/// Values that a filter may give.
const RESULTS_MAX: usize = 10_000;
/// An error that a filter raised, as its message shows it.
const ERROR_MAX_CHARS: usize = 500;

/// The language is jq: `.items[] | select(.price > 10) | {name, price}`. A filter gives any number of
/// results. There is no clock, environment, input file or module (`now`, `env`, `input`, `import`).
/// Numbers with a fraction are binary, so use `calc` for money. At most 16 KiB of filter and 10,000
/// results; what runs on is ended by the plugin's limits of time and memory.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "filter": ".items[] | select(.price > 50) | .name",
    "value": { "items": [{ "name": "lamp", "price": 49.9 }, { "name": "chair", "price": 189 }] }
}))]
#[schemars(example = json!({
    "filter": "map(select(.customer == $who)) | length",
    "value": [{ "customer": "ann" }, { "customer": "ben" }],
    "variables": { "who": "ann" }
}))]
pub(crate) struct Query {
    /// The filter.
    filter: String,
    /// What it is applied to.
    value: Value,
    /// Values that the filter can name: `who` as `$who`.
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Everything the filter gave, in order.
    results: Vec<Value>,
    /// The first of them, or null.
    first: Value,
}

pub(crate) fn query(_: &Context, input: Query) -> Result<Answer, Failure> {
    if input.filter.len() > FILTER_MAX_BYTES {
        return Err(Failure::invalid_input(format!(
            "the filter has {} bytes, at most {FILTER_MAX_BYTES} are read; query in several steps",
            input.filter.len()
        )));
    }
    let names: Vec<_> = input.variables.keys().map(|name| format!("${name}")).collect();
    let filter = language::compile(&input.filter, &names)?;
    let variables =
        input.variables.iter().map(|(name, value)| value_of(&format!("the variable `{name}`"), value));
    let variables: Vec<_> = variables.collect::<Result<_, _>>()?;
    let value = value_of("`value`", &input.value)?;

    let context = Ctx::<Data>::new(&filter.lut, Vars::new(variables));
    let mut results = Vec::new();
    for result in filter.id.run((context, value)).map(unwrap_valr) {
        let number = results.len() + 1;
        let result = result.map_err(|error| {
            let what: String = said(error).chars().take(ERROR_MAX_CHARS).collect();
            Failure::invalid_input(format!(
                "the filter failed at its result {number}: {what}; guard it with `?`, `//` or `try … catch`"
            ))
        })?;
        if number > RESULTS_MAX {
            return Err(Failure::invalid_input(format!(
                "the filter gives more than {RESULTS_MAX} results; take a part with `limit({RESULTS_MAX}; …)`, or \
                 collect them in one list with `[…]`"
            )));
        }
        results.push(json_of(number, &result)?);
    }
    let first = results.first().cloned().unwrap_or_default();
    Ok(Answer { results, first })
}

/// What `error(…)` was given, as text where it is one.
fn said(error: jaq_core::Error<Val>) -> String {
    let value = error.into_val();
    let text = value.as_utf8_bytes().map(|text| String::from_utf8_lossy(text).into_owned());
    text.unwrap_or_else(|| value.to_string())
}

fn value_of(what: &str, value: &Value) -> Result<Val, Failure> {
    read::parse_single(value.to_string().as_bytes())
        .map_err(|error| Failure::invalid_input(format!("{what} is not read: {error}")))
}

/// jaq knows more than JSON: bytes, keys that are no text, numbers that are none.
fn json_of(number: usize, value: &Val) -> Result<Value, Failure> {
    serde_json::from_str(&value.to_string()).map_err(|_| {
        Failure::invalid_input(format!(
            "result {number} is no JSON: it holds bytes, a key that is no text, or a number such as `nan`; \
             turn it into text with `tojson`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queried(filter: &str, value: Value, variables: Value) -> Result<Value, String> {
        let input = json!({ "filter": filter, "value": value, "variables": variables });
        let answer = query(&Context::default(), serde_json::from_value(input).unwrap());
        answer.map(|answer| Value::from(answer.results)).map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn filters_give_what_jq_gives() {
        let shop = json!({
            "items": [{ "name": "lamp", "price": 49.9, "tags": ["a"] }, { "name": "chair", "price": 189, "tags": [] }],
            "note": "order A-1001, order A-1002"
        });
        let cases = [
            (".items[] | select(.price > 50) | .name", json!(["chair"])),
            ("[.items[].price] | add", json!([238.9])),
            (".items | map({(.name): .price}) | add", json!([{ "lamp": 49.9, "chair": 189 }])),
            (".items | sort_by(-.price) | .[0].name, length", json!(["chair", 2])),
            (".items | group_by(.tags | length) | map(length)", json!([[1, 1]])),
            (".missing.deeper // \"none\"", json!(["none"])),
            ("empty", json!([])),
            ("[.note | scan(\"A-[0-9]+\")]", json!([["A-1001", "A-1002"]])),
            (".note | test(\"ORDER\"; \"i\")", json!([true])),
            (".note | capture(\"(?<id>A-\\\\d+)\").id", json!(["A-1001"])),
            (".note | gsub(\"order (?<id>A-\\\\d+)\"; .id)", json!(["A-1001, A-1002"])),
            ("\"1, 2\" | split(\", *\"; null)", json!([["1", "2"]])),
            ("\"äb\" | match(\"b\") | .offset, .length", json!([1, 1])),
            (
                "\"<a&'b'>\" | @html, @uri, @base64, (@base64 | @base64d)",
                json!(["&lt;a&amp;&#39;b&#39;&gt;", "%3Ca%26%27b%27%3E", "PGEmJ2InPg==", "<a&'b'>"]),
            ),
            ("[.items[] | [.name, .price]] | .[] | @csv", json!(["\"lamp\",49.9", "\"chair\",189"])),
            (
                "pow(2; 10), (16 | sqrt), ([1, 2] | tojson), (\"[3]\" | fromjson[0])",
                json!([1024.0, 4.0, "[1,2]", 3]),
            ),
            ("limit(3; repeat(1))", json!([1, 1, 1])),
            ("try error(\"x\") catch .", json!(["x"])),
            (".items[0] | to_entries | map(.key) | sort", json!([["name", "price", "tags"]])),
            ("def twice(f): f | f; 1 | twice(. + 1)", json!([3])),
            (".items | length as $n | [range($n)]", json!([[0, 1]])),
            ("12345678901234567", json!([12_345_678_901_234_567_u64])),
        ];
        for (filter, expected) in cases {
            let results = queried(filter, shop.clone(), json!({}));
            let same = |a: &Value, b: &Value| a == b || (a.as_f64().is_some() && a.as_f64() == b.as_f64());
            let is = results.as_ref().ok().and_then(Value::as_array).is_some_and(|results| {
                let expected = expected.as_array().unwrap();
                results.len() == expected.len() && results.iter().zip(expected).all(|(a, b)| same(a, b))
            });
            assert!(is, "{filter}: {results:?}, not {expected}");
        }
    }

    #[test]
    fn variables_have_their_names() {
        let results =
            queried("map(select(. > $least))", json!([1, 2, 3]), json!({ "least": 1, "other": {} }));
        assert_eq!(results, Ok(json!([[2, 3]])));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let fails = |filter: &str| queried(filter, json!({ "a": 1 }), json!({})).unwrap_err();
        assert_eq!(fails(".a |"), "the filter, line 1, column 5: expected term, found the end");
        assert_eq!(
            fails(".a\n| (.b"),
            "the filter, line 2, column 3: there is no closing parenthesis for this"
        );
        assert_eq!(
            fails(".a | nmae"),
            "the filter, line 1, column 6: there is no filter `nmae` with 0 arguments"
        );
        assert_eq!(
            fails("$who"),
            "the filter, line 1, column 1: there is no variable `$who`; give it in `variables`, without the `$`"
        );
        assert!(
            fails("now").ends_with("there is no filter `now`; a plugin has no clock, environment or files")
        );
        assert!(fails("import \"a\" as a; .").contains("modules cannot be loaded"));
        assert!(
            fails(".a.b").starts_with("the filter failed at its result 1: cannot index 1 with \"b\""),
            "{}",
            fails(".a.b")
        );
        assert!(fails("1, error(\"no\")").starts_with("the filter failed at its result 2: no; guard it"));
        assert!(fails("nan").contains("result 1 is no JSON"), "{}", fails("nan"));
        assert!(fails("\"a\" | test(\"(\")").contains("the pattern \"(\""));
        assert!(fails("\"a\" | test(\"a\"; \"q\")").contains("there is no flag `q`"));
        assert!(fails("").contains("expected term, found the end"));
    }

    #[test]
    fn each_limit_has_its_failure() {
        let fails = |filter: &str| queried(filter, Value::Null, json!({})).unwrap_err();
        assert!(fails(&" ".repeat(FILTER_MAX_BYTES + 1)).contains("at most 16384 are read"));
        assert!(fails("range(10001)").contains("more than 10000 results"));
        assert!(fails(&format!("error(\"{}\")", "x".repeat(2_000))).len() < 700);
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            ".a", "|", "(", ")", "[", "]", "{", "}", "\"", "$x", ",", "if", "then", "end", "1", " ", "é",
            "as", "?", "//",
        ];
        let mut seed = 5_u64;
        for _ in 0..2_000 {
            let mut filter = String::new();
            for _ in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                filter.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let _ = queried(&filter, json!({ "a": [1] }), json!({ "x": 1 }));
        }
    }
}
