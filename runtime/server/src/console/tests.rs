use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Files in the folder that are not served.
const KEPT_BACK: [&str; 1] = ["vendor/README.md"];

fn names_in(folder: &Path, within: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            names_in(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_in_the_binary() {
    let mut found = BTreeSet::new();
    names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("console"), "", &mut found);
    for name in KEPT_BACK {
        assert!(found.remove(name), "{name} is kept back and is not there");
    }
    let held: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
    assert_eq!(held, found);
}

/// The texts between a mark and the next quotation mark.
fn quoted<'a>(text: &'a str, before: &'static str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Where a module finds what it imports: `./` and `../` from where it is itself.
fn resolved(from: &str, import: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in import.split('/') {
        match part {
            "." => {}
            ".." => assert!(parts.pop().is_some(), "{from} imports {import} from outside of the console"),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn what_the_page_and_its_modules_name_is_there() {
    let known: BTreeSet<&str> = ASSETS.iter().map(|asset| asset.name).collect();
    let mut named = BTreeSet::from(["index.html".to_owned(), "vendor/LICENSES".to_owned()]);
    for asset in ASSETS {
        let text = std::str::from_utf8(asset.bytes).unwrap();
        if kind(asset.name).starts_with("text/javascript") {
            let imports =
                quoted(text, "from \"").chain(quoted(text, "from\"")).chain(quoted(text, "import(\""));
            // Only a path: words within a text may follow "from" as well.
            for import in imports.filter(|import| import.starts_with('.')) {
                named.insert(resolved(asset.name, import));
            }
        }
        for name in quoted(text, "\"/console/") {
            named.insert(name.to_owned());
        }
    }
    for name in &named {
        assert!(known.contains(name.as_str()), "{name} is named and not there");
    }
    for name in known {
        assert!(named.contains(name), "{name} is there, and nothing names it");
    }
}

#[test]
fn nothing_comes_from_elsewhere_and_no_value_becomes_markup() {
    for asset in ASSETS.iter().filter(|asset| !asset.name.starts_with("vendor/")) {
        let text = std::str::from_utf8(asset.bytes).unwrap();
        for bad in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "@import",
        ] {
            assert!(!text.contains(bad), "{} has {bad}", asset.name);
        }
        for address in text.split("https://").skip(1).chain(text.split("http://").skip(1)) {
            let host = address.split(['/', '"', '\'', '`']).next().unwrap();
            // A name space, and an example in a message.
            assert!(["www.w3.org", "example.org"].contains(&host), "{} names {host}", asset.name);
        }
    }
    let page =
        std::str::from_utf8(ASSETS.iter().find(|asset| asset.name == "index.html").unwrap().bytes).unwrap();
    for inline in ["<style", " style=", " onclick=", "<script>"] {
        assert!(!page.contains(inline), "the page has {inline}, which its own policy forbids");
    }
}

fn asked(name: &str, held: Option<&str>) -> Response {
    let held = held.map(|held| (header::IF_NONE_MATCH, HeaderValue::from_str(held).unwrap()));
    file(name, &held.into_iter().collect())
}

#[test]
fn a_file_comes_with_its_type_and_is_not_sent_again() {
    for (name, kind) in [
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("pages/run.js", "text/javascript; charset=utf-8"),
        ("base.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("vendor/LICENSES", "text/plain; charset=utf-8"),
    ] {
        let first = asked(name, None);
        assert_eq!(first.status(), StatusCode::OK, "{name}");
        assert_eq!(first.headers()[header::CONTENT_TYPE], kind, "{name}");
        assert_eq!(first.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for held in [tag.clone(), format!("\"old\", W/{tag}")] {
            let again = asked(name, Some(&held));
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{name}");
            assert_eq!(again.headers()[header::ETAG], tag.as_str());
        }
        assert_eq!(asked(name, Some("\"old\"")).status(), StatusCode::OK);
    }
}

#[test]
fn what_is_no_file_of_the_console_is_not_found() {
    for name in ["none.js", "../Cargo.toml", "vendor/README.md", ""] {
        assert_eq!(asked(name, None).status(), StatusCode::NOT_FOUND, "{name}");
    }
}
