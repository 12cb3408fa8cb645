//! The table of codes: each has a page and is given somewhere, and no other is given.

use std::path::Path;

use pawl_server::Code;

/// All sources of the server but the table itself.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("problem/codes.rs")
        {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn all_sources() -> String {
    let mut text = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

#[test]
fn every_code_has_one_page_and_is_given() {
    let text = all_sources();
    for code in Code::ALL {
        assert_eq!(Code::named(code.name()), Some(*code), "{code:?} has the name of another");
        assert!(!code.page().trim().is_empty(), "{code:?}");
        let given = text
            .match_indices(&format!("Code::{code:?}"))
            .any(|(at, found)| !text[at + found.len()..].starts_with(|next: char| next.is_alphanumeric()));
        assert!(given, "{code:?} is given nowhere");
    }
}

#[test]
fn no_code_is_given_that_is_not_in_the_table() {
    let text = all_sources();
    for (at, _) in text.match_indices("Problem::new(") {
        let Some(name) = text[at..].split('"').nth(1) else { continue };
        assert!(Code::named(name).is_some(), "'{name}' is in no table of codes");
    }
}

#[test]
fn the_reference_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems.md");
    if std::env::var_os("UPDATE_PROBLEMS").is_some() {
        std::fs::write(&path, pawl_server::problems_reference()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, pawl_server::problems_reference(), "make it anew with UPDATE_PROBLEMS=1");
}
