//! Whether `docs/security.md` can be held to what it says: what enforces a line, and the test that
//! shows it, are where it says.
//!
//! A line is a row of a table whose head ends in "Enforced by" and "Shown by". Both name places as
//! `path`, or `path::name` where something of that name is in the file; what shows a line is a test.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::coverage;

const SECURITY: &str = "docs/security.md";
const HEAD_ENDS: &str = "| Enforced by | Shown by |";

/// Fails at the first line that cannot be held.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text =
        fs::read_to_string(root.join(SECURITY)).with_context(|| format!("{SECURITY} cannot be read"))?;
    let rows = rows(&text);
    ensure!(!rows.is_empty(), "{SECURITY} has no table that ends in `{HEAD_ENDS}`");
    for row in rows {
        check_row(root, row).with_context(|| format!("{SECURITY}: {row}"))?;
    }
    Ok(())
}

/// The rows of all tables with that head.
fn rows(text: &str) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for line in text.lines() {
        if line.ends_with(HEAD_ENDS) {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|---") {
            rows.push(line);
        }
    }
    rows
}

fn check_row(root: &Path, row: &str) -> Result<()> {
    let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
    let [.., enforced, shown] = cells.as_slice() else { bail!("a row of two columns at least") };
    let (enforced, shown) = (named(enforced), named(shown));
    ensure!(!enforced.is_empty(), "it does not say what enforces it");
    ensure!(!shown.is_empty(), "no test shows it: write one, or list it under \"Not shown by a test\"");
    for place in enforced {
        there(root, place)?;
    }
    shown.into_iter().try_for_each(|test| coverage::exists(root, test))
}

/// What stands between backticks and looks like a place.
fn named(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains('/') || text.contains("::")).collect()
}

fn there(root: &Path, place: &str) -> Result<()> {
    let (path, name) = place.split_once("::").unwrap_or((place, ""));
    let source = fs::read_to_string(root.join(path)).with_context(|| format!("{path} cannot be read"))?;
    ensure!(source.contains(name), "'{name}' is not in {path}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn what_the_threat_model_names_is_there() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    }

    #[test]
    fn what_ships_is_what_its_list_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dist");
        let list = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        let listed: BTreeMap<_, _> = list
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
            .collect();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if name != "SHA256SUMS" {
                let sum = hex::encode(Sha256::digest(fs::read(folder.join(&name)).unwrap()));
                found.insert(name, sum);
            }
        }
        assert_eq!(found, listed);
    }

    #[test]
    fn a_line_without_its_place_or_its_test_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let test = "`xtask/src/security.rs::a_line_without_its_place_or_its_test_is_refused`";
        let cases = [
            (format!("| a | `xtask/src/security.rs::check_row`, mode `0600` | {test} |"), ""),
            (format!("| a | nothing | {test} |"), "what enforces it"),
            ("| a | `xtask/src/security.rs` | |".to_owned(), "no test shows it"),
            (format!("| a | `xtask/src/gone.rs` | {test} |"), "cannot be read"),
            ("| a | `xtask/src/security.rs` | `xtask/src/security.rs::gone_for_good` |".to_owned(), "names"),
            ("| a | `xtask/src/security.rs` | `xtask/src/security.rs::check_row` |".to_owned(), "no test"),
        ];
        for (row, expected) in cases {
            let said = check_row(&root, &row).map_or_else(|error| format!("{error:#}"), |()| String::new());
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{row}: {said}");
        }
    }

    #[test]
    fn only_tables_with_that_head_are_read() {
        let text = "| A | B |\n|---|---|\n| x | y |\n\n| Line | Enforced by | Shown by |\n|---|---|---|\n| l | e | s |\n\n| z |";
        assert_eq!(rows(text), ["| l | e | s |"]);
    }
}
