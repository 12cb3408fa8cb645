//! All `pawl` processes on the one data folder: started as people start them, and killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal};

/// The exit code that stands for a process that a signal ended.
pub(super) const KILLED: i32 = -1;

/// A process that can be killed until it was waited for.
type Shared = Arc<Mutex<Child>>;

/// The processes.
#[derive(Debug)]
pub(super) struct Herd {
    pawl: PathBuf,
    folder: PathBuf,
    store: Option<String>,
    processes: Mutex<BTreeMap<u32, Shared>>,
    /// A process was waited for.
    gone: Condvar,
    /// Held for reading while a process is started, for writing while there must be none.
    gate: RwLock<Gate>,
}

/// Whether processes may be started.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: bool,
}

/// Which process a kill hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    /// The one that held the data folder.
    Holder,
    /// One that was on its way, while nobody held the folder.
    Other,
}

impl Herd {
    pub(super) fn new(pawl: PathBuf, folder: PathBuf, store: Option<String>) -> Self {
        Self {
            pawl,
            folder,
            store,
            processes: Mutex::default(),
            gone: Condvar::new(),
            gate: RwLock::default(),
        }
    }

    /// The engine that keeps the store, and the folder in which it does: `lmdb`, `sled:PATH`. Who holds the
    /// store is noted there.
    pub(super) fn store(&self) -> (&str, PathBuf) {
        let named = self.store.as_deref().unwrap_or("lmdb");
        let (engine, path) = named.split_once(':').unwrap_or((named, ""));
        (engine, if path.is_empty() { self.data() } else { self.folder.join(path) })
    }

    /// The data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<u32, Shared>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a command. Its stderr is to be read to the end; its stdout only where `reads`.
    pub(super) fn start(&self, arguments: &[&str], reads: bool) -> Result<Running<'_>> {
        self.start_by("looker", arguments, reads)
    }

    /// The same, with what marks it in journals.
    pub(super) fn start_by(&self, mark: &str, arguments: &[&str], reads: bool) -> Result<Running<'_>> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        ensure!(!gate.closed, "all is over");
        let mut command = Command::new(&self.pawl);
        command.arg("--data").arg(self.data());
        if let Some(store) = &self.store {
            command.args(["--store", store]);
        }
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env("PAWL_VIA", mark).env("NO_COLOR", "1").env_remove("PAWL_DATA").env_remove("PAWL_STORE");
        let (stdout, stderr) =
            if reads { (Stdio::piped(), Stdio::null()) } else { (Stdio::null(), Stdio::piped()) };
        let mut child = command.stdout(stdout).stderr(stderr).spawn().context("start pawl")?;
        let (pid, stdout, stderr) = (child.id(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        self.processes().insert(pid, Arc::clone(&child));
        drop(gate);
        Ok(Running { herd: self, pid, child, stdout, stderr: stderr.map(BufReader::new) })
    }

    /// The process that holds the folder, if it is one of these.
    fn holder(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.store().1.join("lock")).ok()?;
        text.trim().parse().ok()
    }

    /// Kills the process that holds the folder, or any other when none does.
    pub(super) fn kill_holder(&self) -> Option<Hit> {
        let processes = self.processes();
        let holder = self.holder().and_then(|pid| processes.get(&pid));
        let (hit, child) = match holder {
            Some(child) => (Hit::Holder, child),
            None => (Hit::Other, processes.values().next()?),
        };
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended was not hit.
        (child.try_wait().ok()?.is_none() && child.kill().is_ok()).then_some(hit)
    }

    /// Kills all of them at once.
    pub(super) fn kill_all(&self) -> Option<Hit> {
        let hit = self.kill_holder();
        for child in self.processes().values() {
            // One that has ended cannot be killed, and need not.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
        hit
    }

    /// Kills all of them, and lets none be started until the guard is dropped.
    pub(super) fn still(&self) -> (Option<Hit>, RwLockWriteGuard<'_, Gate>) {
        let gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let hit = self.kill_all();
        let left = self.gone.wait_while(self.processes(), |processes| !processes.is_empty());
        drop(left.unwrap_or_else(PoisonError::into_inner));
        (hit, gate)
    }

    /// Kills all of them, and starts none any more.
    pub(super) fn close(&self) {
        self.still().1.closed = true;
    }

    /// Starts some again.
    pub(super) fn reopen(&self) {
        self.gate.write().unwrap_or_else(PoisonError::into_inner).closed = false;
    }

    /// What people do with Ctrl-C.
    pub(super) fn interrupt(&self, pid: u32) {
        // Known processes were not waited for, so the id is still theirs.
        let processes = self.processes();
        if processes.contains_key(&pid)
            && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, Signal::INT);
        }
    }
}

/// A process that was started, and must be waited for.
#[derive(Debug)]
pub(super) struct Running<'a> {
    herd: &'a Herd,
    pub(super) pid: u32,
    child: Shared,
    stdout: Option<ChildStdout>,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Running<'_> {
    /// The next line of its stderr; nothing when it has ended.
    pub(super) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.stderr.as_mut()?.read_until(b'\n', &mut line).ok()?;
        (read > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Waits for its end; gives its exit code and what it wrote to stdout, where that is read.
    pub(super) fn end(mut self) -> Result<(i32, String)> {
        let mut text = Vec::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_end(&mut text)?;
        }
        while self.line().is_some() {}
        // Both ends of its pipes are closed: it has ended, or is about to.
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
        self.herd.processes().remove(&self.pid);
        self.herd.gone.notify_all();
        Ok((status?.code().unwrap_or(KILLED), String::from_utf8_lossy(&text).into_owned()))
    }
}
