//! The `pawl` binary on a data folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// The binary as the tests of the command line have it: made once, by the same cargo, with the features
/// that the tests are built with.
pub fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|e| anyhow::anyhow!("the binary cannot be built: {e}"))
}

fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("a test in target/PROFILE/deps")?;
    let mut cargo = Command::new(env!("CARGO"));
    // A plain build unites fewer features and would make most of the dependencies a second time.
    cargo.args(["test", "--quiet", "--workspace", "--no-run", "--test", "it"]).current_dir(root());
    cargo.stdout(Stdio::null());
    // What cargo tells a test of its package; the build of `ring` depends on it, and all would be built anew.
    for (name, _) in std::env::vars_os() {
        let key = name.to_string_lossy();
        if key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "cargo test --no-run failed");
    let path = profile.join("pawl");
    ensure!(path.exists(), "{} is not there", path.display());
    Ok(path)
}

/// The project's folder.
pub fn root() -> PathBuf {
    // As cargo says now: a compiled-in path is that of whichever checkout filled the target folder.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// A workflow of the project: its path from the name, `refund.yaml` or `inputs/refund.json`.
pub fn workflow(name: &str) -> PathBuf {
    root().join("workflows").join(name)
}

/// What a finished command left.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Data.
    pub stdout: String,
    /// The rest.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; -1 for a process that was killed.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// The one JSON document on stdout.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("no JSON on stdout: {:?}\n{}", self.stdout, self.stderr))
    }
}

/// The `pawl` binary on a data folder of its own.
#[derive(Debug)]
pub struct Pawl {
    folder: TempDir,
}

impl Pawl {
    /// A new folder.
    pub fn new() -> Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    /// A new folder with the plugins and the compiled code of another one, and none of its runs.
    pub fn like(other: &Self) -> Result<Self> {
        let new = Self::new()?;
        for part in ["plugins", "cache"] {
            copy(&other.data().join(part), &new.data().join(part))?;
        }
        Ok(new)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A place for files beside the data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Drops a test guest into the plugin folder under another name.
    pub fn drop_in(&self, guest: &str, name: &str) -> Result<()> {
        let plugins = self.data().join("plugins");
        std::fs::create_dir_all(&plugins)?;
        let guest = root().join("tests/guests").join(format!("{guest}.wasm"));
        std::fs::copy(guest, plugins.join(format!("{name}.wasm")))?;
        Ok(())
    }

    /// A command, not started.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("--data").arg(self.data()).args(arguments);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("NO_COLOR", "1").env_remove("PAWL_DATA").env_remove("PAWL_STORE");
        Ok(command)
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Outcome> {
        let output = self.command(arguments)?.output()?;
        Ok(Outcome {
            status: output.status,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Starts a command whose output can be read.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(arguments)?;
        Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    if !from.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
