//! `pawl man`: a page for each command.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;
use serde_json::json;

use crate::args::Cli;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages go, one a command; without it the page of pawl itself is printed
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, out: Output) -> Result<Exit, Fault> {
    let pages = pages()?;
    let Some(dir) = &args.dir else {
        let page = pages.into_iter().next().map(|(_, page)| page).unwrap_or_default();
        out.document(&json!({ "page": page }));
        out.text(page.trim_end());
        return Ok(Exit::Ok);
    };
    let mut written = Vec::new();
    for (name, page) in pages {
        written.push(write(dir, &name, &page)?);
    }
    out.document(&json!(written));
    out.text(&written.join("\n"));
    Ok(Exit::Ok)
}

fn write(dir: &Path, name: &str, page: &str) -> Result<String, Fault> {
    let path = dir.join(name);
    std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, page)).map_err(|error| {
        Fault::usage(format!("{} cannot be written: {error}", path.display()))
            .hint("name a folder that you may write to")
    })?;
    Ok(path.display().to_string())
}

/// All pages with the names of their files: pawl's own first, then one for each command.
fn pages() -> Result<Vec<(String, String)>, Fault> {
    let mut pages = Vec::new();
    let mut pawl = Cli::command();
    pawl.build();
    add(&pawl, "pawl", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), Fault> {
    let unusable = |error: &dyn std::fmt::Display| Fault::failed(format!("the page cannot be made: {error}"));
    // A page's name is the whole way to its command.
    let titled = command.clone().display_name(name.to_owned());
    let mut page = Vec::new();
    Man::new(titled).render(&mut page).map_err(|error| unusable(&error))?;
    let page = String::from_utf8(page).map_err(|error| unusable(&error))?;
    pages.push((format!("{name}.1"), page));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        add(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_it() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.first(), Some(&"pawl.1"));
        for name in ["pawl-run.1", "pawl-events.1", "pawl-plugin-inspect.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for (name, page) in &pages {
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
        }
    }
}
