//! The language: what is defined in it, and where a filter is wrong.

use jaq_core::compile::{Compiler, Filter, Undefined};
use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::native::Fun;
use jaq_core::{Native, load::lex};
use jaq_json::Val;
use pawl_plugin::{Failure, Place};

use crate::native;

pub(crate) type Data = JustLut<Val>;

/// Filters that need what a sandbox does not have: a clock, an environment, files, an exit.
const NOT_HERE: [&str; 8] = ["env", "now", "localtime", "input", "inputs", "debug", "stderr", "halt"];

/// Definitions of the standard library that rest on what is not here, or not in this small edition.
const LEFT_OUT: [&str; 15] = [
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "pow10",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "todate",
    "fromdate",
    "@htmld",
    "@urid",
];

/// What jq has and the library does not.
const ADDED: &str = r#"
def _cells(quoted): [.[] | if isstring then quoted elif . == null then "" else tostring end];
def @csv: _cells("\"" + (split("\"") | join("\"\"")) + "\"") | join(",");
"#;

fn functions() -> impl Iterator<Item = Fun<Data>> {
    let all = jaq_core::funs::<Data>().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    all.filter(|(name, ..)| *name != "halt").chain(native::functions())
}

/// Compiles a filter; `variables` are names with their `$`.
pub(crate) fn compile(code: &str, variables: &[String]) -> Result<Filter<Native<Data>>, Failure> {
    let standard = jaq_std::defs().filter(|definition| !LEFT_OUT.contains(&definition.name));
    let added = load::parse(ADDED, |parser| parser.defs()).unwrap_or_default();
    let definitions = jaq_core::defs().chain(standard).chain(jaq_json::defs()).chain(added);
    let arena = Arena::default();
    let loaded = Loader::new(definitions).load(&arena, File { code, path: () });
    let modules = loaded.map_err(|errors| {
        let errors = errors.into_iter().map(|(_, error)| error);
        all(code, errors.flat_map(|error| unreadable(code, error)).collect())
    })?;
    let compiler =
        Compiler::default().with_funs(functions()).with_global_vars(variables.iter().map(String::as_str));
    compiler.compile(modules).map_err(|errors| {
        let errors = errors.into_iter().flat_map(|(_, errors)| errors);
        all(code, errors.map(|(name, kind)| (offset(code, name), undefined(name, &kind))).collect())
    })
}

/// Every mistake with its place, one after the other.
fn all(code: &str, mut mistakes: Vec<(usize, String)>) -> Failure {
    mistakes.sort();
    let told: Vec<_> =
        mistakes.iter().map(|(at, what)| format!("{}: {what}", Place::of(code, *at))).collect();
    Failure::invalid_input(format!("the filter, {}", told.join("; ")))
}

/// Where a part of the code begins. Parts of other texts, such as the definitions, count as its end.
fn offset(code: &str, part: &str) -> usize {
    (part.as_ptr() as usize)
        .checked_sub(code.as_ptr() as usize)
        .filter(|at| *at <= code.len())
        .unwrap_or(code.len())
}

fn unreadable(code: &str, error: load::Error<&str>) -> Vec<(usize, String)> {
    let found = |part: &str| match part.chars().next() {
        Some(first) => format!("found `{first}`"),
        None => "found the end".to_owned(),
    };
    match error {
        load::Error::Io(errors) => errors
            .into_iter()
            .map(|(path, _)| {
                (offset(code, path), "modules cannot be loaded; write their definitions here".to_owned())
            })
            .collect(),
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, part)| {
                let name = expected.as_str();
                match expected {
                    // What is missing is missed at the end; the author looks where it was opened.
                    lex::Expect::Delim(open) => (offset(code, open), format!("there is no {name} for this")),
                    _ => (offset(code, part), format!("expected a {name}, {}", found(part))),
                }
            })
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, part)| {
                let end = part.split_whitespace().next().unwrap_or_default();
                let found = if end.is_empty() { "the end".to_owned() } else { format!("`{end}`") };
                (offset(code, part), format!("expected {}, found {found}", expected.as_str()))
            })
            .collect(),
    }
}

fn undefined(name: &str, kind: &Undefined) -> String {
    let advice = match kind {
        Undefined::Filter(_) if NOT_HERE.contains(&name) => "; a plugin has no clock, environment or files",
        Undefined::Filter(arity) => return format!("there is no filter `{name}` with {arity} arguments"),
        Undefined::Var => "; give it in `variables`, without the `$`",
        _ => "",
    };
    format!("there is no {} `{name}`{advice}", kind.as_str())
}
