//! `pawl plugin new`: a project that builds, tests and runs at once.
//!
//! It stands by itself: SDK and WIT are in it as they were in this pawl, so that nothing of pawl has to
//! be published or found. Only the language's own registry is needed.

mod embedded;
mod project;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::values::quoted;

/// The longest name of a plugin.
const NAME_MAX_BYTES: usize = 64;
/// Names that mean something else to one of the languages.
const TAKEN: [&str; 12] = [
    "alloc",
    "core",
    "deps",
    "logic",
    "pawl",
    "plugin",
    "proc_macro",
    "self",
    "std",
    "super",
    "test",
    "types",
];

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The plugin's name: small letters, digits, `-` and `_`, a letter first
    name: String,
    /// What it is
    #[arg(long, value_enum)]
    kind: Kind,
    /// What it is written in
    #[arg(long, value_enum)]
    lang: Lang,
    /// The folder to make (default: one named like the plugin)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

/// The kind of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A leaf that does one thing
    Tool,
    /// Straight-line code that calls tools, asks people and waits
    Agent,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Agent => "agent",
        }
    }
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
    Js,
    Python,
}

impl Lang {
    const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
        }
    }
}

pub(super) fn run(args: &NewArgs, out: Output) -> Result<Exit, Fault> {
    check_name(&args.name)?;
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let files = project::files(&args.name, args.kind, args.lang)?;
    write(&folder, &files)?;
    let shown = folder.display().to_string();
    let names: Vec<_> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    out.document(&json!({
        "name": args.name, "kind": args.kind.name(), "lang": args.lang.name(), "folder": shown, "files": names,
    }));
    let language = args.lang.name();
    out.text(&format!("{shown}: {} `{}` in {language}", args.kind.name(), args.name));
    let steps = project::steps(&args.name, args.kind, args.lang).join("\n  ");
    out.note(&format!("\nbuild it, test it and run it:\n  cd {}\n  {steps}", quoted(&shown)));
    Ok(Exit::Ok)
}

fn check_name(name: &str) -> Result<(), Fault> {
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        && name.len() <= NAME_MAX_BYTES;
    if !is_good {
        let hint = format!(
            "write small letters, digits, `-` and `_`, a letter first, at most {NAME_MAX_BYTES} of them"
        );
        return Err(Fault::usage(format!("'{name}' cannot be a plugin's name")).hint(hint));
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        return Err(Fault::usage(format!("the name '{name}' is taken by a language or by the template"))
            .hint("choose another one, such as greeter"));
    }
    Ok(())
}

/// Writes the files into a folder that is not there yet, or empty.
fn write(folder: &Path, files: &[(PathBuf, String)]) -> Result<(), Fault> {
    let shown = folder.display();
    let is_empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_empty {
        return Err(Fault::usage(format!("{shown} is there already"))
            .hint("name an empty folder or a new one with --dir, or another plugin"));
    }
    for (path, text) in files {
        let path = folder.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, text)).map_err(|error| {
            Fault::usage(format!("cannot write {}: {error}", path.display()))
                .hint("name a folder that can be written with --dir")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_language_takes() {
        let cases = [
            ("greeter", true),
            ("my-tool_2", true),
            ("", false),
            ("2fast", false),
            ("Greeter", false),
            ("a.b", false),
            ("../up", false),
            ("core", false),
            ("proc-macro", false),
        ];
        for (name, good) in cases {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
        assert!(check_name(&"a".repeat(NAME_MAX_BYTES)).is_ok());
        assert!(check_name(&"a".repeat(NAME_MAX_BYTES + 1)).is_err());
    }
}
