//! Build tasks: `cargo xtask <task>`. One file a task.
#![expect(clippy::print_stdout, reason = "tasks report what they did")]

mod plugins;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
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
}

fn main() -> Result<ExitCode> {
    match Task::parse() {
        Task::Plugins { check } => plugins::run(&root()?, check),
    }
}

/// The root of the repository that cargo runs this task for. Where it was compiled says less:
/// checkouts may share a target folder.
fn root() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = Path::new(&package).join("..");
    root.canonicalize().with_context(|| format!("{} cannot be found", root.display()))
}
