//! A server that is a program: its process, and all that it starts.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::handler::{LINE_MAX_BYTES, Notes};
use crate::value::Secrets;
use crate::watcher::Watcher;

/// How long a server may take to end after its input did, and again after it was told to, in milliseconds.
const END_MAX_MS: u64 = 2_000;
/// What is written to the log of what a server says on stderr, in bytes; the rest is read and dropped.
const STDERR_MAX_BYTES: usize = 64 << 10;
/// How many of its last lines stand in the failure of one that does not start.
const LAST_LINES: usize = 3;
/// How often pawl's own end looks whether all are gone, in milliseconds, and how often at most.
const LAST_LOOK_MS: u64 = 10;
const LAST_LOOKS_MAX: u32 = 50;

/// The servers that run.
static RUNNING: Mutex<Running> = Mutex::new(Running { groups: BTreeSet::new(), watcher: Watcher::new() });

#[derive(Debug)]
struct Running {
    /// Their process groups.
    groups: BTreeSet<i32>,
    watcher: Watcher,
}

/// A process with all that it starts. Dropping it ends them at once.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    group: Option<Pid>,
    /// What it last said on stderr.
    last_lines: Arc<Mutex<Vec<String>>>,
}

/// The two ends of a program that is spoken to.
pub(crate) type Ends = (ChildStdout, ChildStdin);

impl Program {
    /// Starts a program with `PATH`, `HOME` and this environment, in a process group of its own: a signal from
    /// the terminal is for pawl, which closes its servers itself.
    pub(crate) fn start(
        server: &str,
        command: &str,
        args: &[String],
        env: Vec<(String, String)>,
        folder: &Path,
        secrets: &Secrets,
    ) -> io::Result<(Self, Ends)> {
        let mut command = Command::new(command);
        command.args(args).env_clear();
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(env).current_dir(folder).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            let running = &mut *running();
            let group = group.as_raw_nonzero().get();
            running.groups.insert(group);
            running.watcher.begun(group, &running.groups);
        }
        let gone = || io::Error::other("it has no input or output");
        let ends = (child.stdout.take().ok_or_else(gone)?, child.stdin.take().ok_or_else(gone)?);
        let last_lines = Arc::<Mutex<Vec<String>>>::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(server.to_owned(), stderr, secrets.clone(), Arc::clone(&last_lines)));
        }
        Ok((Self { child, group, last_lines }, ends))
    }

    /// What it last said on stderr, for a failure: `; it said: …`.
    pub(crate) fn last_words(&self) -> String {
        let lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() { String::new() } else { format!("; it said: {}", lines.join(" / ")) }
    }

    /// How it ended, if it did by now or does at once.
    pub(crate) async fn ended(&mut self) -> Option<ExitStatus> {
        let wait = tokio::time::timeout(Duration::from_millis(END_MAX_MS), self.child.wait());
        wait.await.ok()?.ok()
    }

    /// Waits for its end, for its input has ended; tells it to end, and then ends it.
    pub(crate) async fn close(mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if self.ended().await.is_some() {
                break;
            }
            self.signal(signal);
        }
        self.ended().await;
        // What it has left behind goes with it.
        drop(self);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Without such a group there is nobody to be told.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(group) = self.group {
            let running = &mut *running();
            let group = group.as_raw_nonzero().get();
            running.groups.remove(&group);
            running.watcher.ended(group);
        }
    }
}

fn running() -> std::sync::MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all servers that still run, for the end of the process: what was not closed before has no more use.
pub fn end_all() {
    let groups = std::mem::take(&mut running().groups);
    let groups: Vec<Pid> = groups.into_iter().filter_map(Pid::from_raw).collect();
    let tell = |signal| {
        let told = groups.iter().filter(|group| {
            // Nobody else looks after it any more, and one that ended and was not looked after is still there.
            let _ = waitpid(Some(**group), WaitOptions::NOHANG);
            kill_process_group(**group, signal).is_ok()
        });
        told.count()
    };
    let mut looks = 0;
    let mut left = tell(Signal::TERM);
    while left > 0 && looks < LAST_LOOKS_MAX {
        std::thread::sleep(Duration::from_millis(LAST_LOOK_MS));
        looks += 1;
        left = tell(Signal::TERM);
    }
    if left > 0 {
        tell(Signal::KILL);
        for group in &groups {
            // It ends at once, if it is not gone already.
            let _ = waitpid(Some(*group), WaitOptions::empty());
        }
    }
    for group in groups {
        running().watcher.ended(group.as_raw_nonzero().get());
    }
}

/// Carries what a server says on stderr to the log: lines of a bounded length, and so many of them.
async fn listen(server: String, mut stderr: ChildStderr, secrets: Secrets, last: Arc<Mutex<Vec<String>>>) {
    let (mut piece, mut line, mut told) = ([0; 4 << 10], Vec::new(), 0);
    loop {
        let read = stderr.read(&mut piece).await.unwrap_or_default();
        for byte in &piece[..read] {
            if *byte != b'\n' {
                if line.len() < LINE_MAX_BYTES {
                    line.push(*byte);
                }
                continue;
            }
            tell(&server, &mut line, &secrets, &last, &mut told);
        }
        if read == 0 {
            return tell(&server, &mut line, &secrets, &last, &mut told);
        }
    }
}

fn tell(server: &str, line: &mut Vec<u8>, secrets: &Secrets, last: &Mutex<Vec<String>>, told: &mut usize) {
    let text = secrets.out_of(String::from_utf8_lossy(line).trim_end().to_owned());
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    line.clear();
    if text.is_empty() {
        return;
    }
    *told += text.len();
    if *told <= STDERR_MAX_BYTES {
        tracing::info!(server, "{text}");
    }
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() >= LAST_LINES {
        last.remove(0);
    }
    last.push(text);
}

/// A server's output, which ends where one message is longer than is taken.
#[derive(Debug)]
pub(crate) struct Bounded<R> {
    inner: R,
    /// How much of the message at hand was read.
    read: usize,
    max: usize,
    notes: Arc<Notes>,
}

impl<R> Bounded<R> {
    pub(crate) const fn new(inner: R, max: usize, notes: Arc<Notes>) -> Self {
        Self { inner, read: 0, max, notes }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read > self.max {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        for byte in &buffer.filled()[before..] {
            self.read = if *byte == b'\n' { 0 } else { self.read + 1 };
            if self.read > self.max {
                break;
            }
        }
        if self.read > self.max {
            self.notes.flooded.store(true, Ordering::Release);
            buffer.set_filled(before);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_that_is_too_long_ends_the_output() {
        let notes = Arc::new(Notes::default());
        let whole = [b"123456789\n".as_slice(), b"1234567890\n", b"12345678901\nafter\n"].concat();
        let mut bounded = Bounded::new(whole.as_slice(), 10, Arc::clone(&notes));
        let mut piece = [0; 4];
        let mut read = Vec::new();
        loop {
            let bytes = bounded.read(&mut piece).await.unwrap();
            if bytes == 0 {
                break;
            }
            read.extend_from_slice(&piece[..bytes]);
        }
        assert!(notes.flooded.load(Ordering::Acquire));
        assert!(read.starts_with(b"123456789\n1234567890\n") && read.len() <= whole.len() - 7, "{read:?}");
    }

    #[tokio::test]
    async fn a_program_has_its_own_environment_and_ends_with_what_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let script = "echo $0 $WORD $PAWL_MCP_TEST_SECRET; sleep 1000 & echo $!; echo said >&2; wait";
        let args = ["-c".to_owned(), script.to_owned(), "name".to_owned()];
        let env = vec![("WORD".to_owned(), "word".to_owned())];
        let (program, (mut stdout, stdin)) =
            Program::start("x", "sh", &args, env, folder.path(), &secrets).unwrap();
        let mut text = String::new();
        while text.lines().count() < 2 || !text.ends_with('\n') {
            let mut piece = [0; 64];
            let bytes = stdout.read(&mut piece).await.unwrap();
            text.push_str(std::str::from_utf8(&piece[..bytes]).unwrap());
        }
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("name word"));
        let below = Pid::from_raw(lines.next().unwrap().trim().parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(below).is_ok());
        drop(stdin);
        drop(program);
        // It belongs to whoever looks after orphans, and may be there for a moment as one that has ended.
        while let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", below.as_raw_nonzero())) {
            if stat.contains(") Z ") {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}
