//! The one environment: pure filters, tests and functions, strict about what does not exist, bounded by fuel.

use std::sync::LazyLock;

use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::lazy::Absent;
use super::{EXPRESSION_FUEL, output};

/// The filters of the language, `value | filter`.
pub const FILTERS: [&str; 44] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// The tests of the language, `value is test`.
pub const TESTS: [&str; 31] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// The functions of the language.
pub const FUNCTIONS: [&str; 2] = ["dict", "range"];

/// Names of minijinja that are left out: they escape HTML, look into the engine or change things.
const WITHOUT_FILTERS: [&str; 5] = ["safe", "escape", "e", "pprint", "urlencode"];
const WITHOUT_TESTS: [&str; 4] = ["safe", "escaped", "filter", "test"];
const WITHOUT_FUNCTIONS: [&str; 2] = ["debug", "namespace"];

/// Made once; compiled expressions borrow it for ever.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(EXPRESSION_FUEL));
    environment.set_debug(false);
    for name in WITHOUT_FILTERS {
        environment.remove_filter(name);
    }
    for name in WITHOUT_TESTS {
        environment.remove_test(name);
    }
    for name in WITHOUT_FUNCTIONS {
        environment.remove_global(name);
    }
    environment.add_test("defined", |value: &Value| !is_absent(value));
    environment.add_test("undefined", is_absent);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("tojson", to_json);
    environment
});

/// Whether a value does not exist.
fn is_absent(value: &Value) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Absent>().is_some()
}

/// `value | default(other)`; with `true` as the second argument also for what counts as false.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
fn default(value: &Value, args: Rest<Value>) -> Result<Value, Error> {
    if args.len() > 2 {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let lax = args.get(1).is_some_and(Value::is_true);
    if is_absent(value) || (lax && !value.is_true()) {
        return Ok(args.first().cloned().unwrap_or_else(|| Value::from("")));
    }
    Ok(value.clone())
}

/// JSON as it stands in files, without minijinja's escapes for HTML.
fn to_json(value: &Value) -> Result<String, Error> {
    output::to_json(value, &mut output::Budget::whole())
        .map(|json| json.to_string())
        .map_err(|reason| Error::new(ErrorKind::InvalidOperation, reason))
}
