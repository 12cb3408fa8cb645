//! The files of a new project.

use std::path::PathBuf;

use super::embedded::{RUST_LOCK, RUST_WORKSPACE, SDK_JS, SDK_PYTHON, SDK_RUST, TEMPLATES, WIT};
use super::{Kind, Lang};
use crate::fault::Fault;

type Embedded = &'static [(&'static str, &'static str)];

/// Files by their path within the project, in order.
pub(super) fn files(name: &str, kind: Kind, lang: Lang) -> Result<Vec<(PathBuf, String)>, Fault> {
    let fill = Fill::new(name, kind, lang)?;
    let mut files = Vec::new();
    for part in ["any", kind.name()] {
        let folder = format!("{}/{part}/", lang.name());
        for (path, text) in
            TEMPLATES.iter().filter_map(|(path, text)| Some((path.strip_prefix(&folder)?, text)))
        {
            files.push((fill.text(path).into(), fill.text(text)));
        }
    }
    files.push((
        format!("{name}.yaml").into(),
        fill.text(template(&format!("workflow/{}.yaml", kind.name()))?),
    ));
    match lang {
        Lang::Rust => {
            files.push(("Cargo.lock".into(), only(RUST_LOCK)?.to_owned()));
            files.push(("pawl/plugins/Cargo.toml".into(), sdk_workspace(only(RUST_WORKSPACE)?)?));
            vendor(&mut files, "pawl/plugins/sdk", SDK_RUST);
            vendor(&mut files, "pawl/wit", WIT);
        }
        Lang::Js => {
            vendor(&mut files, "src/pawl", SDK_JS);
            vendor_wit(&mut files);
        }
        Lang::Python => {
            vendor(&mut files, "pawl", SDK_PYTHON);
            vendor_wit(&mut files);
        }
    }
    files.sort();
    Ok(files)
}

/// The commands that build, test and run it, as its README has them.
pub(super) fn steps(name: &str, kind: Kind, lang: Lang) -> Vec<String> {
    let Ok(files) = files(name, kind, lang) else { return Vec::new() };
    let readme = files.iter().find(|(path, _)| path.as_os_str() == "README.md");
    let lines = readme.into_iter().flat_map(|(_, text)| text.lines());
    lines.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()
}

/// What stands for what in a template.
struct Fill(Vec<(&'static str, String)>);

impl Fill {
    fn new(name: &str, kind: Kind, lang: Lang) -> Result<Self, Fault> {
        let module = name.replace('-', "_");
        let component = match lang {
            Lang::Rust => format!("target/wasm32-unknown-unknown/release/{module}.wasm"),
            Lang::Js | Lang::Python => format!("{name}.wasm"),
        };
        let call = match kind {
            Kind::Tool => r#"--call greet --with '{"name": "Ada"}'"#.to_owned(),
            Kind::Agent => {
                r#"--with '{"order": "A-1001"}' --allow-tool orders.lookup --answer approve"#.to_owned()
            }
        };
        Ok(Self(vec![
            ("{{try}}", format!("$ pawl plugin run {component} {call}")),
            ("{{name}}", name.to_owned()),
            ("{{module}}", module),
            ("{{component}}", component),
            ("{{wit}}", wit_version()?.to_owned()),
        ]))
    }

    fn text(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (mark, word)| text.replace(mark, word))
    }
}

/// The version of `pawl:plugin`, as the WIT itself says it.
fn wit_version() -> Result<&'static str, Fault> {
    let plugin = WIT.iter().find(|(path, _)| *path == "plugin.wit").map(|(_, text)| *text);
    let version = plugin.and_then(|text| {
        let (_, rest) = text.split_once("\npackage pawl:plugin@")?;
        rest.split_once(';').map(|(version, _)| version)
    });
    version.ok_or_else(|| incomplete("the version of pawl:plugin"))
}

fn template(path: &str) -> Result<&'static str, Fault> {
    let found = TEMPLATES.iter().find(|(known, _)| *known == path);
    found.map(|(_, text)| *text).ok_or_else(|| incomplete(path))
}

fn only(embedded: Embedded) -> Result<&'static str, Fault> {
    embedded.first().map(|(_, text)| *text).ok_or_else(|| incomplete("a file"))
}

fn incomplete(what: &str) -> Fault {
    Fault::failed(format!("this pawl was built without {what}")).hint("build it from a whole checkout")
}

fn vendor(files: &mut Vec<(PathBuf, String)>, folder: &str, embedded: Embedded) {
    files.extend(embedded.iter().map(|(path, text)| (PathBuf::from(folder).join(path), (*text).to_owned())));
}

/// The WIT where tools look for what a world of one's own depends on.
fn vendor_wit(files: &mut Vec<(PathBuf, String)>) {
    files.extend(WIT.iter().map(|(path, text)| {
        let name = path.strip_prefix("deps/").unwrap_or(path);
        (PathBuf::from("wit/deps").join(name), (*text).to_owned())
    }));
}

/// The workspace of the guests with the SDK as its only member.
fn sdk_workspace(text: &str) -> Result<String, Fault> {
    let members = text.split_once("members = [").and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(']')?;
        Some(format!("{head}members = [\"sdk\"]{tail}"))
    });
    members.ok_or_else(|| incomplete("the members of the SDK's workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_project_is_whole_and_nothing_is_left_to_fill_in() {
        for (kind, lang) in [Kind::Tool, Kind::Agent]
            .into_iter()
            .flat_map(|kind| [Lang::Rust, Lang::Js, Lang::Python].map(|lang| (kind, lang)))
        {
            let files = files("my-tool", kind, lang).unwrap();
            let has = |path: &str| files.iter().any(|(known, _)| known.as_os_str() == path);
            for path in ["README.md", "plugin.toml", "my-tool.yaml", ".gitignore"] {
                assert!(has(path), "{kind:?} {lang:?} has no {path}");
            }
            let wit = if lang == Lang::Rust { "pawl/wit/plugin.wit" } else { "wit/deps/plugin.wit" };
            assert!(has(wit), "{kind:?} {lang:?} has no {wit}");
            let marks: Vec<_> =
                Fill::new("x", kind, lang).unwrap().0.into_iter().map(|(mark, _)| mark).collect();
            for (path, text) in &files {
                let left = path.display().to_string() + text;
                assert!(!marks.iter().any(|mark| left.contains(mark)), "{}", path.display());
            }
            assert!(steps("my-tool", kind, lang).len() >= 5);
        }
    }

    #[test]
    fn sdks_name_the_version_that_the_wit_has() {
        let version = wit_version().unwrap();
        for (path, text) in SDK_JS {
            for (_, rest) in text.match_indices("\"pawl:plugin/").map(|(at, _)| text.split_at(at)) {
                let named = rest.split('"').nth(1).unwrap();
                assert!(named.ends_with(&format!("@{version}")), "{path}: {named}");
            }
        }
    }
}
