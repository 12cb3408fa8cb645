//! What of the documents follows from the sources: the JSON Schemas of workflows and of test files, the
//! tables of the reference and of docs/testing.md, and which test reaches what.
//!
//! Both are written by hand but for what stands between a mark,
//! `<!-- keys: NAME -->`, and the next `<!-- end -->`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use pawl_core::language::{self, operator, test_file};

use crate::{coverage, reference, security};

const SCHEMA: &str = "docs/workflow.schema.json";
const REFERENCE: &str = "docs/workflow-reference.md";
const TEST_SCHEMA: &str = "docs/test.schema.json";
const TESTING: &str = "docs/testing.md";
const OPERATOR_SCHEMA: &str = "docs/operator.schema.json";
const OPERATOR: &str = "docs/operator-reference.md";
const COVERAGE: &str = "docs/coverage.md";
const BEGIN: &str = "<!-- keys: ";
const END: &str = "<!-- end -->";

/// Writes what follows from the sources; with `check` it compares and writes nothing.
pub(crate) fn run(root: &Path, check: bool) -> Result<ExitCode> {
    security::check(root)?;
    let mut stale = Vec::new();
    for (path, text) in generated(root)? {
        let full = root.join(path);
        if fs::read_to_string(&full).ok().as_deref() == Some(text.as_str()) {
            continue;
        }
        stale.push(path);
        if !check {
            fs::write(&full, text).with_context(|| format!("{} cannot be written", full.display()))?;
        }
    }
    match (stale.as_slice(), check) {
        ([], _) => println!("the documents are what the sources say"),
        (paths, false) => println!("wrote {}", paths.join(", ")),
        (paths, true) => {
            println!("not what the sources say: {}; run `cargo xtask docs`", paths.join(", "));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The documents as they should be.
fn generated(root: &Path) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        (SCHEMA, format!("{:#}\n", language::schema())),
        (REFERENCE, filled(root, REFERENCE, &reference::marks())?),
        (TEST_SCHEMA, format!("{:#}\n", test_file::test_schema())),
        (TESTING, filled(root, TESTING, &reference::test_marks())?),
        (OPERATOR_SCHEMA, format!("{:#}\n", operator::operator_schema())),
        (OPERATOR, filled(root, OPERATOR, &reference::operator_marks())?),
        (COVERAGE, coverage::document(root)?),
    ])
}

/// A document with its tables made anew.
fn filled(root: &Path, document: &str, marks: &[&str]) -> Result<String> {
    let path = root.join(document);
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    with_tables(document, &text, marks)
}

fn with_tables(document: &str, text: &str, marks: &[&str]) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut seen = Vec::new();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").context("a mark does not end")?;
        let (_, after) = after.split_once(END).with_context(|| format!("'{name}' has no {END}"))?;
        let table = reference::table(name).with_context(|| format!("there are no keys of '{name}'"))?;
        out.extend([before, BEGIN, name, " -->\n\n", &table, "\n", END]);
        seen.push(name);
        rest = after;
    }
    for name in marks {
        let times = seen.iter().filter(|mark| *mark == name).count();
        ensure!(times == 1, "{document} has the mark `{BEGIN}{name} -->` {times} times");
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_documents_are_what_the_sources_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (path, text) in generated(&root).unwrap() {
            let committed = fs::read_to_string(root.join(path)).unwrap();
            assert!(committed == text, "{path} is stale: run `cargo xtask docs`");
        }
    }

    #[test]
    fn a_table_goes_between_its_marks_and_every_place_has_one() {
        let mark = |name: &&str| format!("{BEGIN}{name} -->what was before{END}\nprose\n");
        let names = reference::marks();
        let marks = names.iter().map(mark).collect::<Vec<_>>().concat();
        let filled = with_tables(REFERENCE, &marks, &names).unwrap();
        assert!(filled.contains("| `max_attempts` | 1 to 100 | required |"), "{filled}");
        assert_eq!(filled.matches("prose").count(), names.len());
        assert!(!filled.contains("what was before"));
        let error = with_tables(REFERENCE, "nothing", &names).unwrap_err().to_string();
        assert!(error.contains("the mark `<!-- keys: workflow -->` 0 times"), "{error}");
    }
}
