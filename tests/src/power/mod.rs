//! Power cuts and full disks.
//!
//! A command runs under strace, which writes down every write with its bytes, every sync and every name
//! (`strace`, `lines`, `record`). From this the folder is made again as a disk holds it whose power is
//! cut at a drawn moment (`image`, `file`): what was synced is there; of what was written since, each
//! sector is what it was at some moment since; names count once their folder was synced. Then the real store
//! opens it, and it is compared with the list of what was acknowledged by that moment.
//!
//! Two commands are recorded: a writer that does nothing but commit (`writer`, `bare`), and crash
//! torture, with hundreds of processes of the real binary (`whole`). Of the writer, each write in turn is
//! refused as well, as a full disk does, and each sync as a broken one does (`full`).

mod bare;
mod file;
mod full;
mod image;
mod lines;
mod record;
mod report;
mod strace;
mod whole;
mod writer;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

pub use bare::{Fault, again, bare};
pub use full::{Refusals, full};
pub use report::Report;
pub use whole::whole;

use writer::Task;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that plays the parts: `powercut`.
    pub tool: PathBuf,
    /// The binary `pawl`, where it is needed.
    pub pawl: PathBuf,
    /// `lmdb` or `sled`.
    pub store: String,
    /// Cuts that there are.
    pub cuts: usize,
    /// Where all that is drawn comes from. What the system does meanwhile comes from nowhere.
    pub seed: u64,
}

/// Plays a part in a process of its own; gives its exit code, or nothing if there is no such part.
pub fn part(words: &[String]) -> Result<Option<(u8, Value)>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(Some(match words[..] {
        ["write", store, folder, acks, commits, early] => {
            let end = writer::write(&task(store, folder, acks, commits.parse()?, early == "early"))?;
            (end as u8, Value::Null)
        }
        ["look", store, folder, acks] => (0, json!(writer::look(&task(store, folder, acks, 0, false))?)),
        ["torture", store, pawl, folder, runs, seed] => {
            let report = whole::play(store, pawl.into(), folder.into(), runs.parse()?, seed.parse()?)?;
            (u8::from(!report.violations.is_empty()), json!(report.to_string()))
        }
        ["compare", store, pawl, folder, resumes] => {
            (0, json!(whole::compare(store, pawl.into(), folder.into(), resumes == "resumes")?))
        }
        _ => return Ok(None),
    }))
}

fn task(store: &str, folder: &str, acks: &str, commits: u64, early: bool) -> Task {
    Task { store: store.to_owned(), folder: folder.into(), acks: acks.into(), commits, early }
}

/// Lets a part say what is wrong. A store that ends its process is wrong as well.
fn ask(mut command: Command) -> Result<Vec<String>> {
    let output = command.output().context("start a part")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).context("what a part says")?),
        Some(_) => bail!("{command:?} ended with {}: {stderr}", output.status),
        None => Ok(vec![format!("the process that opened it died with {}: {stderr}", output.status)]),
    }
}
