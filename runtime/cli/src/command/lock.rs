//! `pawl lock`: writes down which plugins the workflows of a folder use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use pawl_engine::{Demands, Engine, EngineConfig, EngineError, LockMode, read_text};
use pawl_registry::{LOCK_FILE, LOCK_PLUGINS_MAX, Lock, LockError, Locked};
use pawl_store::memory::MemoryStore;
use pawl_testing::is_test;
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend::{Request, unasked};
use crate::command::plugin::put;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::session::Session;

#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// The workflows; what the lock beside them has for others stays (default: all of the current folder, and the
    /// lock is made anew)
    workflows: Vec<PathBuf>,
    /// Also lock plugins that need more to be granted than those that were locked before
    #[arg(long)]
    accept: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: LockArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let config = EngineConfig { lock: LockMode::Anew, ..unasked(&place)? };
    let engine = Engine::open(Arc::new(MemoryStore::new()), config).await?;
    let is_whole = args.workflows.is_empty();
    let mut folders = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
    for file in if is_whole { workflows_here()? } else { args.workflows } {
        let folder = file.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        folders.entry(folder).or_default().push(file);
    }
    // All of them before any is written: either the locks are new, or nothing is.
    let (mut locks, mut demands) = (Vec::new(), Vec::new());
    for (folder, files) in &folders {
        let path = folder.join(LOCK_FILE);
        let before = read(&path).map_err(EngineError::from)?;
        let (found, asked) = plugins(&engine, folder, files).await?;
        demands.extend(asked);
        if let (Some(before), false) = (&before, args.accept) {
            hold(before, &found)?;
        }
        let lock = merged(before.as_ref().filter(|_| !is_whole), found);
        if lock.plugins().len() > LOCK_PLUGINS_MAX {
            let message = format!("{} would have {} plugins", path.display(), lock.plugins().len());
            return Err(Fault::usage(message).hint(format!(
                "lock_plugins_max is {LOCK_PLUGINS_MAX}; put the workflows into several folders"
            )));
        }
        locks.push((path, before, lock));
    }
    let mut documents = Vec::new();
    for (path, before, lock) in locks {
        documents.push(write(out, &path, before.as_ref(), &lock)?);
    }
    if args.accept && place.store_folder().exists() && !place.ephemeral {
        accept(place, out, demands).await?;
    }
    out.document(&documents.into());
    Ok(Exit::Ok)
}

/// What is locked may be used in the data folder as well, where there is one.
async fn accept(place: Place, out: Output, plugins: Vec<(String, Demands)>) -> Result<(), Fault> {
    let session = Session::open(place, out).await?;
    let done = session.backend.held(Request::AcceptDemands { plugins }).await;
    session.end(done.map(|_| Exit::Ok)).await.map(drop)
}

/// The lock in a file, where there is one.
pub(super) fn read(path: &Path) -> Result<Option<Lock>, LockError> {
    let file = path.display().to_string();
    match read_text(path) {
        Ok(text) => Lock::parse(&file, &text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LockError::Unreadable { file, line: 0, reason: error.to_string() }),
    }
}

/// The workflows of the current folder: files of YAML that say they are one.
fn workflows_here() -> Result<Vec<PathBuf>, Fault> {
    let unreadable = |error: std::io::Error| Fault::usage(format!("cannot read the current folder: {error}"));
    let mut found = Vec::new();
    for file in std::fs::read_dir(".").map_err(unreadable)? {
        let path = PathBuf::from(file.map_err(unreadable)?.file_name());
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && !is_test(&path) && read_text(&path).is_ok_and(|text| says_workflow(&text)) {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(
            Fault::usage("there is no workflow in the current folder").hint("name one: pawl lock FILE")
        );
    }
    Ok(found)
}

fn says_workflow(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("workflow:"))
}

/// The plugins of workflows, and what they ask for.
async fn plugins(
    engine: &Engine,
    folder: &Path,
    files: &[PathBuf],
) -> Result<(Vec<Locked>, Vec<(String, Demands)>), Fault> {
    let (mut plugins, mut demands) = (Vec::new(), Vec::new());
    for file in files {
        let workflow = engine.load_workflow(file).await?;
        plugins.extend(engine.locked_plugins(&workflow, folder).await?);
        demands.extend(engine.demands(&workflow).await?);
    }
    Ok((plugins, demands))
}

/// Refuses what needs more than what was locked by its name: somebody has to look at it first.
fn hold(before: &Lock, found: &[Locked]) -> Result<(), Fault> {
    let mut held = BTreeSet::new();
    for plugin in found {
        let known: Vec<_> = before.named(&plugin.name).collect();
        if known.is_empty() || known.iter().any(|locked| locked.digest == plugin.digest) {
            continue;
        }
        let granted: BTreeSet<_> = known.iter().flat_map(|locked| &locked.needs).collect();
        let more: Vec<_> = plugin.needs.iter().filter(|need| !granted.contains(need)).cloned().collect();
        if !more.is_empty() {
            held.insert(format!(
                "plugin '{}' is another one than was locked, and imports more: {}",
                plugin.name,
                more.join(", ")
            ));
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    let held: Vec<_> = held.into_iter().collect();
    Err(Fault::failed(held.join("\n")).hint(
        "nothing is changed; look at it with `pawl plugin inspect`, and run `pawl lock --accept` if it may",
    ))
}

/// What was found, and what the lock has beside for names that were not looked at.
fn merged(before: Option<&Lock>, found: Vec<Locked>) -> Lock {
    let names: BTreeSet<_> = found.iter().map(|plugin| plugin.name.clone()).collect();
    let kept = before.into_iter().flat_map(Lock::plugins).filter(|plugin| !names.contains(&plugin.name));
    let kept: Vec<_> = kept.cloned().collect();
    Lock::new(found.into_iter().chain(kept))
}

fn write(out: Output, path: &Path, before: Option<&Lock>, lock: &Lock) -> Result<Value, Fault> {
    let file = path.display().to_string();
    if before != Some(lock) {
        put(path, lock.to_text().as_bytes()).map_err(|error| {
            Fault::usage(format!("cannot write {file}: {error}")).hint("make the folder writable")
        })?;
    }
    let count = lock.plugins().len();
    out.text(&format!("{file}: {count} {}", if count == 1 { "plugin" } else { "plugins" }));
    let nothing = Lock::default();
    let old = before.unwrap_or(&nothing);
    let mut changes = Vec::new();
    for (sign, one, other) in [("-", old, lock), ("+", lock, old)] {
        for plugin in one.plugins().iter().filter(|plugin| !other.plugins().contains(plugin)) {
            out.text(&format!("  {sign} {} {} ({})", plugin.name, plugin.digest.short(), plugin.origin));
            changes.push(json!({
                "change": if sign == "+" { "added" } else { "removed" },
                "name": plugin.name, "digest": plugin.digest, "origin": plugin.origin,
            }));
        }
    }
    let plugins = lock.plugins().iter().map(|plugin| {
        json!({
            "name": plugin.name, "digest": plugin.digest, "origin": plugin.origin, "needs": plugin.needs,
        })
    });
    Ok(json!({ "file": file, "plugins": plugins.collect::<Vec<_>>(), "changes": changes }))
}
