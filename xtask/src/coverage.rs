//! Which test reaches each key of the language, and which exceeds each limit: `docs/coverage.md`.
//!
//! A workflow of the repository is run by a test, so it reaches its keys. What no workflow has, and
//! every limit, names a test in `tests/coverage.toml`; a name without a test is refused, and what has no
//! test is listed as such.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use pawl_core::language::{INPUT, Key, OUTPUT, PLACES, Place, STEP, Shape, WORKFLOW};
use pawl_core::source::yaml_value;
use serde::Deserialize;
use serde_json::Value;

const NAMED: &str = "tests/coverage.toml";
/// The documents whose section "Limits" has tables of limits.
const LIMITS: [&str; 2] = ["docs/operations.md", "docs/workflow-reference.md"];

/// How far above a test's name its attribute may stand.
const ATTRIBUTES_MAX_LINES: usize = 6;

#[derive(Debug, Deserialize)]
struct Named {
    limits: BTreeMap<String, String>,
    keys: BTreeMap<String, String>,
}

/// The document as it should be.
pub(crate) fn document(root: &Path) -> Result<String> {
    let named: Named =
        toml::from_str(&read(root, NAMED)?).with_context(|| format!("{NAMED} cannot be read"))?;
    for test in named.limits.values().chain(named.keys.values()).filter(|test| !test.is_empty()) {
        exists(root, test).with_context(|| format!("{NAMED} names a test"))?;
    }
    let mut out = String::from(
        "# What is tested\n\nMade by `cargo xtask docs` of the language's keys, the tables of limits and \
         `tests/coverage.toml`; a test that is named here exists.\n\n## Keys\n\nEach of these workflows is run by \
         `tests/it/workflows.rs`; each row's example is loaded, and its default and limits are checked, by \
         `runtime/core/src/language/tests.rs`.\n\n| In | Key | Reached by | Also in the refused |\n|---|---|---|---|\n",
    );
    keys(root, &named.keys, &mut out)?;
    out.push_str("\n## Limits\n\n| Limit | Exceeded by |\n|---|---|\n");
    limits(root, &named.limits, &mut out)?;
    Ok(out)
}

fn read(root: &Path, path: &str) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| format!("{path} cannot be read"))
}

/// `path::name`: a file with a test of that name.
pub(crate) fn exists(root: &Path, test: &str) -> Result<()> {
    let (path, name) = test.split_once("::").with_context(|| format!("'{test}' is not path::name"))?;
    let source = read(root, path)?;
    let found = source.split_once(&format!("fn {name}("));
    let (before, _) = found.with_context(|| format!("'{test}' names a test that is not in {path}"))?;
    let mut above = before.lines().rev().take(ATTRIBUTES_MAX_LINES);
    ensure!(above.any(|line| line.contains("test")) || before.contains("proptest!"), "{test} is no test");
    Ok(())
}

fn keys(root: &Path, named: &BTreeMap<String, String>, out: &mut String) -> Result<()> {
    let run = used_in(root, "workflows")?;
    let refused = used_in(root, "runtime/core/src/source/cases")?;
    let mut known = BTreeSet::new();
    for (place, key) in PLACES.iter().flat_map(|place| place.keys().map(move |key| (*place, key))) {
        let row = format!("{}.{}", place.name, key.name);
        let (workflows, cases) = (run.get(&row), refused.get(&row));
        let keyword = place.shared.iter().any(|shared| shared.name == key.name);
        let by = match (workflows, named.get(&row)) {
            (Some(workflows), _) => {
                workflows.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            }
            (None, Some(test)) => shown(test),
            (None, None) if keyword => shown("runtime/core/src/language/tests.rs::keywords_reach_the_schema"),
            (None, None) => bail!("no workflow has the key '{row}', and {NAMED} names no test for it"),
        };
        let cases =
            cases.map(|cases| cases.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        writeln!(out, "| {} | `{}` | {by} | {} |", place.name, key.name, cases.unwrap_or_default())?;
        known.insert(row);
    }
    let stale = named.keys().find(|row| !known.contains(*row) || run.contains_key(*row));
    ensure!(stale.is_none(), "{NAMED} names the key {stale:?}, which is not there or is in a workflow");
    Ok(())
}

fn shown(test: &str) -> String {
    match test.split_once("::") {
        Some((path, name)) => format!("`{name}` in `{path}`"),
        None => "no test yet".to_owned(),
    }
}

/// Of each key, the files of a folder that have it.
fn used_in(root: &Path, folder: &str) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(root.join(folder)).with_context(|| format!("{folder} cannot be read"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_workflow = name.strip_suffix(".yaml").is_some_and(|stem| !stem.contains('.'));
        if !is_workflow {
            continue;
        }
        let mut found = BTreeSet::new();
        if let Some(value) = yaml_value(&fs::read_to_string(&path)?) {
            of_place(&WORKFLOW, &value, &mut found);
        }
        for row in found {
            used.entry(row).or_default().insert(name.to_owned());
        }
    }
    Ok(used)
}

fn of_place(place: &Place, value: &Value, rows: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if let Some(Key { shape, .. }) = place.key(name) {
            rows.insert(format!("{}.{name}", place.name));
            of_shape(*shape, value, rows);
        }
    }
}

fn of_shape(shape: Shape, value: &Value, rows: &mut BTreeSet<String>) {
    let named = || value.as_object().into_iter().flatten().map(|(_, inner)| inner);
    let each = || value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    match shape {
        Shape::Map(place) => of_place(place, value, rows),
        Shape::Named(inner) => named().for_each(|one| of_shape(*inner, one, rows)),
        Shape::Steps => each().iter().for_each(|step| of_place(&STEP, step, rows)),
        Shape::List(inner) | Shape::Any(inner) | Shape::OneOrMore(inner) => {
            for one in each() {
                of_shape(*inner, one, rows);
            }
        }
        Shape::Either(shapes) => shapes.iter().for_each(|other| of_shape(*other, value, rows)),
        Shape::Fields | Shape::Form => named().for_each(|field| of_place(&INPUT, field, rows)),
        Shape::Outputs => {
            for output in named().filter(|output| output.get("value").is_some()) {
                of_place(&OUTPUT, output, rows);
            }
        }
        _ => {}
    }
}

fn limits(root: &Path, named: &BTreeMap<String, String>, out: &mut String) -> Result<()> {
    let mut known = BTreeSet::new();
    for path in LIMITS {
        let document = read(root, path)?;
        let (_, section) =
            document.split_once("\n## Limits\n").with_context(|| format!("{path} has no limits"))?;
        let table = section
            .lines()
            .filter_map(|line| line.strip_prefix("| "))
            .filter(|row| !row.starts_with("Name |"));
        for limit in table.filter_map(|line| line.split_once(" |")).map(|(limit, _)| limit.trim()) {
            let by = named.get(limit);
            let by =
                by.with_context(|| format!("{path} has the limit '{limit}', of which {NAMED} says nothing"))?;
            writeln!(out, "| {limit} | {} |", shown(by))?;
            known.insert(limit.to_owned());
        }
    }
    let stale = named.keys().find(|limit| !known.contains(*limit));
    ensure!(stale.is_none(), "{NAMED} names the limit {stale:?}, which no document has");
    Ok(())
}
