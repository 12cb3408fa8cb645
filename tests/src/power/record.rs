//! What a record says of the files below one folder: what was begun, what has ended, in order.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::lines::{Call, Lines, Outcome, Said};

/// A file that LMDB's processes share in memory and that holds nothing which outlives them.
pub(super) const SHARED: &str = "lock.mdb";

/// An open file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) number: u32,
    pub(super) path: PathBuf,
}

/// Something that is done to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Opens a file, and makes it when it is not there.
    Open {
        file: Handle,
        truncates: bool,
        appends: bool,
        syncs: bool,
    },
    /// Writes, at a place of its own or where the last write ended.
    Write {
        file: Handle,
        at: Option<u64>,
        bytes: Vec<u8>,
    },
    /// Moves the place of the next write.
    Seek {
        file: Handle,
        to: u64,
    },
    /// Makes a file longer or shorter.
    Resize {
        file: Handle,
        length: u64,
    },
    /// Makes a file at least this long.
    Allocate {
        file: Handle,
        length: u64,
    },
    /// Makes what was written to a file, or the names in a folder, durable.
    Sync {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
}

/// A moment of the record: the beginning or the end of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    Begun(usize),
    Ended(usize),
}

/// The record of one command.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The acts, in the order in which they began.
    pub(super) acts: Vec<Act>,
    /// What happened when.
    pub(super) ticks: Vec<Tick>,
    /// Writes that a fault refused, by thread.
    pub(super) refused: usize,
    /// How often each thread called what can be refused.
    pub(super) calls: BTreeMap<(u32, String), usize>,
    /// What processes did when they were killed amid it, and since which tick: done or not.
    pub(super) unsure: Vec<(usize, PathBuf)>,
}

impl Act {
    /// What it is done to.
    fn path(&self) -> &Path {
        match self {
            Self::Open { file, .. }
            | Self::Write { file, .. }
            | Self::Seek { file, .. }
            | Self::Resize { file, .. }
            | Self::Allocate { file, .. } => &file.path,
            Self::Sync { path } | Self::Remove { path } | Self::MakeFolder { path } => path,
            Self::Rename { from, .. } => from,
        }
    }
}

/// A record that says nothing: a process ended amid a write, and whether it was written is not known.
#[derive(Debug)]
pub(super) struct Unsure(PathBuf);

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a process ended amid a write to {}; record it again", self.0.display())
    }
}

impl std::error::Error for Unsure {}

impl Record {
    /// Reads the record of what went on below `root`, which is a path without links.
    pub(super) fn read(trace: &Path, root: &Path) -> Result<Self> {
        let file = File::open(trace).with_context(|| format!("open {}", trace.display()))?;
        let (mut record, mut lines) = (Self::default(), Lines::default());
        let (mut reader, mut line) = (BufReader::with_capacity(1 << 20, file), String::new());
        // Acts that have begun, and calls whose act is known only when they end, by thread.
        let mut under_way = HashMap::<u32, (Option<usize>, Call)>::new();
        for number in 1.. {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                break;
            }
            let said = lines.read(line.trim_end_matches('\n'));
            match said.with_context(|| format!("line {number} of {}", trace.display()))? {
                Said::Begun(mut call) => {
                    let act = begun(&mut call, root)?;
                    let act = act.map(|act| record.begin(act));
                    under_way.insert(call.thread, (act, call));
                }
                Said::Ended(thread, outcome) => {
                    let Some((act, call)) = under_way.remove(&thread) else { continue };
                    record.end(act, &call, &outcome, root)?;
                }
                Said::Whole(mut call, outcome) => {
                    let act = begun(&mut call, root)?;
                    let act = act.map(|act| record.begin(act));
                    record.end(act, &call, &outcome, root)?;
                }
                Said::Gone(thread) => {
                    if let Some((Some(act), _)) = under_way.remove(&thread) {
                        record.ticks.push(Tick::Ended(act));
                        record.unsure.push((record.ticks.len(), record.acts[act].path().to_owned()));
                    }
                }
                Said::Nothing => {}
            }
        }
        record.is_sure()?;
        Ok(record)
    }

    /// Whether a process was killed amid a write is known; whether it was written is not. That matters unless
    /// nothing comes after it.
    fn is_sure(&self) -> Result<()> {
        for (at, path) in &self.unsure {
            let later = self.ticks[*at..].iter().any(|tick| match tick {
                Tick::Ended(act) => match &self.acts[*act] {
                    Act::Write { file, .. } => file.path == *path,
                    act => matches!(act, Act::Sync { .. }) && act.path() == path,
                },
                Tick::Begun(_) => false,
            });
            if later {
                return Err(Unsure(path.clone()).into());
            }
        }
        Ok(())
    }

    fn begin(&mut self, act: Act) -> usize {
        self.acts.push(act);
        self.ticks.push(Tick::Begun(self.acts.len() - 1));
        self.acts.len() - 1
    }

    fn end(&mut self, act: Option<usize>, call: &Call, outcome: &Outcome, root: &Path) -> Result<()> {
        if act.is_some() {
            *self.calls.entry((call.thread, call.name.clone())).or_default() += 1;
        }
        if outcome.value < 0 || outcome.injected {
            self.refused += usize::from(outcome.injected && outcome.value < 0);
            // It has not been done, and never will.
            if let Some(at) =
                act.and_then(|act| self.ticks.iter().rposition(|tick| *tick == Tick::Begun(act)))
            {
                self.ticks.remove(at);
            }
            return Ok(());
        }
        let act = match act {
            Some(act) => act,
            None => match ended(call, outcome, root)? {
                Some(act) => self.begin(act),
                None => return Ok(()),
            },
        };
        if let Act::Write { bytes, .. } = &mut self.acts[act] {
            bytes.truncate(usize::try_from(outcome.value)?);
        }
        self.ticks.push(Tick::Ended(act));
        Ok(())
    }
}

/// The act that a call is, where that is known when it begins.
fn begun(call: &mut Call, root: &Path) -> Result<Option<Act>> {
    let at = match call.name.as_str() {
        "write" | "writev" => None,
        "pwrite64" | "pwritev" | "pwritev2" => Some(3),
        _ => return begun_otherwise(call, root),
    };
    let Some(file) = handle(call, root)? else { return Ok(None) };
    let at = at.map(|at| call.number(at)).transpose()?;
    Ok(Some(Act::Write { file, at, bytes: call.bytes(1)? }))
}

fn begun_otherwise(call: &Call, root: &Path) -> Result<Option<Act>> {
    let of_path = |act: fn(PathBuf) -> Act, folder: Option<usize>, at: usize| {
        let path = call.path(folder, at)?;
        Ok(path.starts_with(root).then(|| act(path)))
    };
    match call.name.as_str() {
        "fsync" | "fdatasync" => Ok(handle(call, root)?.map(|file| Act::Sync { path: file.path })),
        "ftruncate" => match handle(call, root)? {
            Some(file) => Ok(Some(Act::Resize { file, length: call.number(1)? })),
            None => Ok(None),
        },
        "fallocate" => match handle(call, root)? {
            Some(file) if call.word(1)? == "0" => {
                Ok(Some(Act::Allocate { file, length: call.number(2)? + call.number(3)? }))
            }
            // It takes room, and changes nothing that can be read.
            Some(file) if call.word(1)? == "FALLOC_FL_KEEP_SIZE" => {
                Ok(Some(Act::Allocate { file, length: 0 }))
            }
            Some(file) => bail!("fallocate with the mode {} of {}", call.word(1)?, file.path.display()),
            None => Ok(None),
        },
        "unlink" | "rmdir" => of_path(|path| Act::Remove { path }, None, 0),
        "unlinkat" => of_path(|path| Act::Remove { path }, Some(0), 1),
        "mkdir" => of_path(|path| Act::MakeFolder { path }, None, 0),
        "mkdirat" => of_path(|path| Act::MakeFolder { path }, Some(0), 1),
        "rename" => renamed(call.path(None, 0)?, call.path(None, 1)?, root),
        "renameat" | "renameat2" => renamed(call.path(Some(0), 1)?, call.path(Some(2), 3)?, root),
        "mmap" => mapped(call, root).map(|()| None),
        "truncate" | "link" | "symlink" if call.path(None, 0)?.starts_with(root) => unknown(call),
        "linkat" | "symlinkat" | "copy_file_range" | "sendfile" | "splice" | "creat" | "openat2" => {
            let named = (0..call.arguments.len()).filter_map(|at| call.descriptor(at).ok()?.1);
            if named.into_iter().any(|path| path.starts_with(root)) { unknown(call) } else { Ok(None) }
        }
        "io_uring_setup" => unknown(call),
        // `sync_file_range` makes nothing durable: it waits for no file system and no disk. Nor is `msync`
        // of anything that is written, as no file is mapped for that.
        _ => Ok(None),
    }
}

fn unknown(call: &Call) -> Result<Option<Act>> {
    bail!("what {} does to a file is not known here, so the record is not complete", call.name)
}

/// The act that a call was, where that is known only when it has ended.
fn ended(call: &Call, outcome: &Outcome, root: &Path) -> Result<Option<Act>> {
    let flags = match call.name.as_str() {
        "open" => call.word(1)?,
        "openat" => call.word(2)?,
        "lseek" => {
            let to = u64::try_from(outcome.value)?;
            return Ok(handle(call, root)?.map(|file| Act::Seek { file, to }));
        }
        _ => return Ok(None),
    };
    let Some(path) = outcome.path.clone().filter(|path| path.starts_with(root)) else { return Ok(None) };
    let flags: Vec<&str> = flags.split('|').collect();
    let has = |flag: &str| flags.contains(&flag);
    if has("O_DIRECTORY") || has("O_PATH") {
        return Ok(None);
    }
    let file = Handle { number: u32::try_from(outcome.value)?, path };
    let (truncates, appends) = (has("O_TRUNC"), has("O_APPEND"));
    Ok(Some(Act::Open { file, truncates, appends, syncs: has("O_DSYNC") || has("O_SYNC") }))
}

/// The open file that a call is about, if it lies below the root.
fn handle(call: &Call, root: &Path) -> Result<Option<Handle>> {
    let (number, path) = call.descriptor(0)?;
    let path = path.filter(|path| path.starts_with(root));
    Ok(path.map(|path| Handle { number, path: path.to_owned() }))
}

fn renamed(from: PathBuf, to: PathBuf, root: &Path) -> Result<Option<Act>> {
    match (from.starts_with(root), to.starts_with(root)) {
        (false, false) => Ok(None),
        _ if from.parent() == to.parent() => Ok(Some(Act::Rename { from, to })),
        _ => bail!("{} is renamed to {}, in another folder", from.display(), to.display()),
    }
}

/// What is written to a file through memory would be missing here.
fn mapped(call: &Call, root: &Path) -> Result<()> {
    let (writes, shared) = (call.word(2)?.contains("PROT_WRITE"), call.word(3)?.contains("MAP_SHARED"));
    let (_, path) = call.descriptor(4)?;
    match path.filter(|path| path.starts_with(root) && writes && shared) {
        Some(path) if path.file_name().is_none_or(|name| name != SHARED) => {
            bail!("{} is written through memory, so the record is not complete", path.display())
        }
        _ => Ok(()),
    }
}
