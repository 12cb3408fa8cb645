//! Build tasks: `cargo xtask <task>`. One file a task.
#![expect(clippy::print_stdout, reason = "tasks report what they did")]

mod coverage;
mod docs;
mod guide;
mod plugins;
mod reference;
mod security;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Build tasks of pawl.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Build the shipped plugins and the guests of the tests, and put them where they are committed.
    Plugins {
        /// Build, compare with what is committed, change nothing.
        #[arg(long)]
        check: bool,
    },
    /// Write what of the documents follows from the sources, and check what the threat model names.
    Docs {
        /// Compare with what is committed, change nothing.
        #[arg(long)]
        check: bool,
    },
    /// Do what guides say, each in an empty folder.
    Guide {
        /// The guides.
        #[arg(required = true)]
        guides: Vec<PathBuf>,
        /// The pawl that the reader has.
        #[arg(long, default_value = "target/debug/pawl")]
        pawl: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Plugins { check } => plugins::run(&root()?, check),
        Task::Docs { check } => docs::run(&root()?, check),
        Task::Guide { guides, pawl } => guide::run(&root()?, &guides, &pawl),
    }
}

/// The root of the repository: that of the package which cargo runs, else the current folder. Where
/// this was compiled says less: checkouts may share a target folder.
fn root() -> Result<PathBuf> {
    let root = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => Path::new(&package).join(".."),
        None => PathBuf::from("."),
    };
    ensure!(
        root.join("xtask/Cargo.toml").is_file(),
        "run this as `cargo xtask`, or at the repository's root"
    );
    root.canonicalize().with_context(|| format!("{} cannot be found", root.display()))
}
