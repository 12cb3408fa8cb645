//! `pawl doctor`: tries every part that pawl needs here, one after the other.

mod serving;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use clap::Args;
use pawl_core::operator::KeyPlace;
use pawl_core::view::Status;
use pawl_engine::{Engine, ListedPlugin, StartOptions};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::backend;
use crate::command::check::workbench;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect;
use crate::output::Output;
use crate::place::Place;

/// A run that needs nothing but the sandbox and what ships with pawl.
const WORKFLOW: &str = "\
pawl: 1
workflow: doctor
version: 1.0.0
steps:
  - id: say
    tool: echo.say
    with: { text: hello }
";

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// What was tried, and what came of it.
struct Finding {
    what: &'static str,
    outcome: Result<String, Fault>,
}

pub(crate) async fn run(place: Place, out: Output) -> Result<Exit, Fault> {
    let existed = place.folder.is_dir();
    let data = data_folder(&place, existed);
    let (store, holder) = match store(&place).await {
        Ok((found, holder)) => (Ok(found), holder),
        Err(fault) => (Err(fault), None),
    };
    let mut findings = vec![
        Finding { what: "data folder", outcome: data },
        Finding { what: "store", outcome: store },
        Finding { what: "cache folder", outcome: cache(&place) },
        Finding { what: "pawl.yaml", outcome: operator(&place) },
    ];
    findings.extend(serving::look(&place, holder).await);
    match workbench(&place).await {
        Ok(engine) => {
            findings.push(Finding { what: "sandbox", outcome: sandbox(&engine).await });
            findings.push(Finding { what: "plugins", outcome: plugins(&engine).await });
        }
        Err(fault) => findings.push(Finding { what: "sandbox", outcome: Err(fault) }),
    }
    let is_well = findings.iter().all(|finding| finding.outcome.is_ok());
    out.document(&json!({
        "ok": is_well,
        "version": env!("CARGO_PKG_VERSION"),
        "checks": findings.iter().map(document).collect::<Vec<_>>(),
    }));
    for finding in &findings {
        out.text(&text(finding));
    }
    Ok(if is_well { Exit::Ok } else { Exit::Failed })
}

fn document(finding: &Finding) -> Value {
    match &finding.outcome {
        Ok(found) => json!({ "check": finding.what, "ok": true, "message": found, "hint": null }),
        Err(fault) => {
            json!({ "check": finding.what, "ok": false, "message": fault.message, "hint": fault.hint })
        }
    }
}

fn text(finding: &Finding) -> String {
    match &finding.outcome {
        Ok(found) => format!("ok    {:<13} {found}", finding.what),
        Err(fault) => {
            let hint = fault.hint.as_ref().map(|hint| format!("\n      {:<13} hint: {hint}", ""));
            format!("fail  {:<13} {}{}", finding.what, fault.message, hint.unwrap_or_default())
        }
    }
}

/// A folder that is not there yet is no problem as long as it can be made.
fn data_folder(place: &Place, existed: bool) -> Result<String, Fault> {
    if existed || place.folder.exists() {
        return writable(&place.folder);
    }
    let absolute = std::path::absolute(&place.folder).unwrap_or_else(|_| place.folder.clone());
    let above = absolute.ancestors().skip(1).find(|folder| folder.exists());
    writable(above.unwrap_or_else(|| Path::new("/")))?;
    Ok(format!("{} is not there yet, and can be made", place.folder.display()))
}

/// Whether the operator's file reads, and what it names is where it says. Nothing of it is shown.
fn operator(place: &Place) -> Result<String, Fault> {
    let Some(file) = place.config() else { return Ok("there is none: no models, no MCP servers".to_owned()) };
    let (operator, folder) = backend::read_operator(place)?;
    let mut missing = Vec::new();
    for (what, kept) in operator.kept() {
        let reason = match kept {
            KeyPlace::Env(name) => match std::env::var_os(name) {
                Some(value) if !value.is_empty() => continue,
                _ => format!("the variable {name} is not set"),
            },
            KeyPlace::File(path) => match std::fs::metadata(folder.join(path)) {
                Ok(about) if about.is_file() && about.len() > 0 => continue,
                Ok(_) => format!("the file {path} is empty"),
                Err(error) => format!("the file {path}: {error}"),
            },
        };
        missing.push(format!("{what}: {reason}"));
    }
    let (models, servers) = (operator.models.len(), operator.mcp.len());
    if missing.is_empty() {
        return Ok(format!("{} reads: {models} models, {servers} MCP servers", file.display()));
    }
    Err(Fault::failed(format!("{}: {}", file.display(), missing.join("; "))).hint(
        "set the variable for the process that runs, or name another place under `key`, `env` or `headers`",
    ))
}

fn writable(folder: &Path) -> Result<String, Fault> {
    let probe = folder.join(format!(".pawl-doctor-{}", std::process::id()));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let tried =
        made.and_then(|()| std::fs::write(&probe, b"probe")).and_then(|()| std::fs::remove_file(&probe));
    tried.map(|()| format!("{} is writable", folder.display())).map_err(|error| {
        Fault::unusable(format!("{}: {error}", folder.display()))
            .hint("make it writable for you, or name another data folder with --data DIR")
    })
}

fn cache(place: &Place) -> Result<String, Fault> {
    match place.cache() {
        Some(folder) => writable(&folder).and_then(|found| private(&folder).map(|()| found)),
        None => {
            Ok("there is none: HOME and XDG_CACHE_HOME are not set, so code is compiled each time".to_owned())
        }
    }
}

/// Where others can write, compiled code is not kept: they could leave some to be run.
fn private(folder: &Path) -> Result<(), Fault> {
    let shown = folder.display();
    match pawl_sandbox::cache_dir_exposed(folder) {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => {
            Err(Fault::unusable(format!("{shown}: {reason}; compiled code is not kept meanwhile"))
                .hint("remove that folder, or name a data folder of your own with --data DIR"))
        }
        Err(error) => Err(Fault::unusable(format!("{shown}: {error}")).hint("remove that folder")),
    }
}

/// What it is, and who else holds it.
async fn store(place: &Place) -> Result<(String, Option<u32>), Fault> {
    let folder = place.store_folder();
    if !folder.exists() {
        return Ok(("will be made by the first run".to_owned(), None));
    }
    let backend = backend::open(place).await?;
    let about = backend.about().await;
    backend.close().await;
    let about = about?;
    let holder = (about.pid != std::process::id()).then_some(about.pid);
    let held = holder.map(|pid| format!(", held by process {pid} and reached through it"));
    let held = held.unwrap_or_default();
    let (engine, format, kib) = (&about.engine, about.format, about.bytes / 1024);
    Ok((format!("{engine} format {format}, {kib} KiB{}{held}", file_system(folder)), holder))
}

/// What the folder is on, where the system tells.
fn file_system(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let parts = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let on = parts.filter(|(at, _)| folder.starts_with(at)).max_by_key(|(at, _)| at.len());
    on.map(|(_, kind)| format!(", on {kind}")).unwrap_or_default()
}

/// Compiles a component and calls a tool in it.
async fn sandbox(engine: &Engine) -> Result<String, Fault> {
    let workflow = engine.prepare_workflow("doctor.yaml", WORKFLOW, Path::new(".")).await?;
    let run = engine.start(&workflow, Value::Null, StartOptions::default()).await?;
    let header = engine.settled(run).await?;
    match (header.status, header.error) {
        (Status::Completed, _) => Ok("a component was compiled and its tool called".to_owned()),
        (_, Some(failure)) => Err(Fault::failed(failure.to_string()).hint("run it again with --verbose")),
        (status, None) => Err(Fault::failed(format!("the tool's run is {}", status.name()))),
    }
}

async fn plugins(engine: &Engine) -> Result<String, Fault> {
    let listed = engine.listed_plugins().await?;
    let count = listed.len();
    for ListedPlugin { name, origin, entry } in listed {
        engine.describe_plugin(&entry?).await.map_err(|error| {
            let from = inspect::origin(&origin);
            Fault::from(error).hint(format!("replace or remove '{name}' ({from})"))
        })?;
    }
    Ok(format!("{count} plugins load"))
}
