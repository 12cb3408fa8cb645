//! A tool server outside of pawl: it writes down every call that reaches it, before it answers.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Where the test guests `orders_tally` and `payments_tally` send what they are asked.
pub const TALLY_HOST: &str = "127.0.0.1:47917";
/// The file in which it writes down what it is asked.
const FILE: &str = "calls.jsonl";
/// The longest body that is read.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// The address is fixed, since the guests name it: one test at a time has the server, in this process
/// by this and among all processes by a file's lock.
static TURN: Mutex<()> = Mutex::new(());
/// How long the tests of another process may have the address.
const TURN_MAX: Duration = Duration::from_mins(10);
/// How long any other program may have the port: it is one that a connection can get by chance.
const BIND_MAX: Duration = Duration::from_mins(1);
/// The pause between two tries.
const RETRY: Duration = Duration::from_millis(50);

/// One call that reached the server.
#[derive(Debug, Clone)]
pub struct Call {
    /// The tool, `payments.refund`.
    pub tool: String,
    /// The idempotency key that came with it.
    pub key: String,
    /// What it was asked.
    pub arguments: Value,
}

/// One call, and when it was.
#[derive(Debug, Clone)]
pub struct TimedCall {
    /// The call.
    pub call: Call,
    /// When its connection was taken, in milliseconds since 1970. Connections are taken in the order in
    /// which they were made, so no call is late here that was early outside.
    pub at: u64,
    /// When its answer was sent; nothing while it is under way, or when its client was gone.
    pub answered: Option<u64>,
}

/// What the server's connections share.
#[derive(Debug)]
struct Desk {
    log: Mutex<File>,
    calls: Mutex<Calls>,
    /// A call was taken.
    arrived: Condvar,
    seen: watch::Sender<Vec<String>>,
    /// How many connections were closed before they had their answer.
    dropped: watch::Sender<usize>,
    /// The tool whose answers are held back.
    held: Mutex<Option<String>>,
    released: Condvar,
    /// How long answers take at most, and what draws it.
    slow: Mutex<Option<(StdRng, Duration)>>,
}

/// What reached the server.
#[derive(Debug, Default)]
struct Calls {
    all: Vec<TimedCall>,
    /// The numbers of those that have no answer and whose clients are there.
    open: BTreeSet<usize>,
    answered: usize,
}

/// The server, until it is dropped.
#[derive(Debug)]
pub struct TallyServer {
    file: PathBuf,
    stop: Arc<AtomicBool>,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
    _turn: (MutexGuard<'static, ()>, File),
}

impl TallyServer {
    /// Starts the server; it keeps its file in `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = (turn, lock(&std::env::temp_dir().join("pawl-tally.lock"))?);
        let file = folder.join(FILE);
        let log = OpenOptions::new().create(true).append(true).open(&file)?;
        let listener = again(BIND_MAX, || TcpListener::bind(TALLY_HOST))
            .with_context(|| format!("bind {TALLY_HOST}"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let desk = Arc::new(Desk {
            log: Mutex::new(log),
            calls: Mutex::default(),
            arrived: Condvar::new(),
            seen: watch::Sender::default(),
            dropped: watch::Sender::default(),
            held: Mutex::default(),
            released: Condvar::new(),
            slow: Mutex::default(),
        });
        let shared = Arc::clone(&desk);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (desk, at) = (Arc::clone(&shared), now());
                // A client that dies in mid-request is what these tests are about.
                std::thread::spawn(move || serve(stream, &desk, at).unwrap_or_default());
            }
        });
        Ok(Self { file, stop, desk, thread: Some(thread), _turn: turn })
    }

    /// From now on holds the answers to a tool's calls back.
    pub fn hold(&self, tool: &str) {
        *self.desk.held() = Some(tool.to_owned());
    }

    /// Gives the answers that were held back, and holds none any more.
    pub fn release(&self) {
        *self.desk.held() = None;
        self.desk.released.notify_all();
    }

    /// Returns when this many calls of a tool have reached it.
    pub async fn reached(&self, tool: &str, calls: usize) {
        let mut seen = self.desk.seen.subscribe();
        // The sender lives in `self`, so the wait ends only when they are there.
        let _ = seen.wait_for(|seen| seen.iter().filter(|name| *name == tool).count() >= calls).await;
    }

    /// How many calls of a tool have reached it.
    pub fn count(&self, tool: &str) -> usize {
        self.desk.seen.borrow().iter().filter(|name| *name == tool).count()
    }

    /// How many connections were closed by their clients before they had their answer.
    pub fn dropped(&self) -> usize {
        *self.desk.dropped.borrow()
    }

    /// Returns when this many were.
    pub async fn drops(&self, connections: usize) {
        let mut dropped = self.desk.dropped.subscribe();
        let _ = dropped.wait_for(|dropped| *dropped >= connections).await;
    }

    /// From now on takes its time for each answer, at most `longest`, drawn from a seed.
    pub fn slow(&self, seed: u64, longest: Duration) {
        let slow = Some((StdRng::seed_from_u64(seed), longest));
        *self.desk.slow.lock().unwrap_or_else(PoisonError::into_inner) = slow;
    }

    /// How many calls are under way: they have reached it, have no answer, and their clients are there.
    pub fn open(&self) -> usize {
        self.desk.calls().open.len()
    }

    /// Returns when a call is under way, or after this time.
    pub fn is_busy_within(&self, longest: Duration) -> bool {
        let idle = |calls: &mut Calls| calls.open.is_empty();
        let waited = self.desk.arrived.wait_timeout_while(self.desk.calls(), longest, idle);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How many calls it has answered.
    pub fn answered(&self) -> usize {
        self.desk.calls().answered
    }

    /// Every call that reached it, in order.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let text = std::fs::read_to_string(&self.file)?;
        let lines = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
        lines.iter().filter(|line| !line["tool"].is_null()).map(read).collect()
    }

    /// The same, with when it was.
    pub fn timed(&self) -> Vec<TimedCall> {
        self.desk.calls().all.clone()
    }

    /// Where it writes them down.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// The calls of which the file in this folder says that they reached a server. A line that is not whole was
/// never written to its end.
pub(crate) fn calls_of(folder: &Path) -> Result<Vec<TimedCall>> {
    let text = match std::fs::read_to_string(folder.join(FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut calls = Vec::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Value = serde_json::from_str(line)?;
        match line["answered"].as_u64() {
            None => {
                let at = line["at"].as_u64().context("when a call came")?;
                calls.push(TimedCall { call: read(&line)?, at, answered: None });
            }
            answered => {
                let number = usize::try_from(line["call"].as_u64().context("a call's number")?)?;
                calls.get_mut(number).context("an answered call")?.answered = answered;
            }
        }
    }
    Ok(calls)
}

/// A call as it comes.
fn read(body: &Value) -> Result<Call> {
    let text = |key: &str| body[key].as_str().map(str::to_owned).context("a text");
    Ok(Call { tool: text("tool")?, key: text("key")?, arguments: body["arguments"].clone() })
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Has a file's lock until the file is closed, or this process has ended.
fn lock(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    again(TURN_MAX, || file.try_lock()).with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Tries until it works, for some time.
fn again<T, E>(
    within: Duration,
    mut tried: impl FnMut() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let since = Instant::now();
    loop {
        match tried() {
            Err(_) if since.elapsed() < within => std::thread::sleep(RETRY),
            outcome => return outcome,
        }
    }
}

impl Desk {
    fn held(&self) -> MutexGuard<'_, Option<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down; gives its number.
    fn take(&self, body: &Value, at: u64) -> Result<usize> {
        let call = read(body)?;
        let tool = call.tool.clone();
        let mut calls = self.calls();
        let mut line = body.clone();
        line["at"] = at.into();
        self.log(&line)?;
        let number = calls.all.len();
        calls.all.push(TimedCall { call, at, answered: None });
        calls.open.insert(number);
        drop(calls);
        self.arrived.notify_all();
        self.seen.send_modify(|seen| seen.push(tool));
        Ok(number)
    }

    /// Writes a line, at once and whole.
    fn log(&self, line: &Value) -> Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(log.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Waits as long as the answer to a call is to take.
    fn wait(&self, tool: &str) {
        let held = self.released.wait_while(self.held(), |held| held.as_deref() == Some(tool));
        drop(held.unwrap_or_else(PoisonError::into_inner));
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = slow.as_mut().map(|(rng, longest)| longest.mul_f64(rng.random_range(0.0..1.0)));
        drop(slow);
        // What a call takes outside is the point.
        std::thread::sleep(pause.unwrap_or_default());
    }
}

impl Drop for TallyServer {
    fn drop(&mut self) {
        self.release();
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees the flag.
        let _ = TcpStream::connect(TALLY_HOST);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Counts a connection that its client closes before it has its answer.
fn watch_over(mut stream: TcpStream, desk: Arc<Desk>, number: usize) {
    std::thread::spawn(move || {
        let closed = !matches!(stream.read(&mut [0]), Ok(1..));
        if closed && desk.calls().open.remove(&number) {
            desk.dropped.send_modify(|dropped| *dropped += 1);
        }
    });
}

fn serve(stream: TcpStream, desk: &Arc<Desk>, at: u64) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line)? > 0 && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = String::new();
    if length > 0 {
        let mut bytes = vec![0; usize::min(length, BODY_MAX_BYTES)];
        reader.read_exact(&mut bytes)?;
        body = String::from_utf8(bytes)?;
    } else {
        chunked(&mut reader, &mut body)?;
    }
    let value: Value = serde_json::from_str(&body)?;
    let number = desk.take(&value, at)?;
    watch_over(stream.try_clone()?, Arc::clone(desk), number);
    desk.wait(value["tool"].as_str().unwrap_or_default());
    {
        let mut calls = desk.calls();
        if calls.open.remove(&number) {
            let at = now();
            calls.all[number].answered = Some(at);
            calls.answered += 1;
            desk.log(&json!({ "call": number, "answered": at }))?;
        }
    }
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")?;
    Ok(())
}

/// A body in chunks, as a client sends it that does not know its length.
fn chunked(reader: &mut impl BufRead, body: &mut String) -> Result<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16)?.min(BODY_MAX_BYTES);
        let mut bytes = vec![0; size + 2];
        reader.read_exact(&mut bytes)?;
        if size == 0 {
            return Ok(());
        }
        body.push_str(std::str::from_utf8(&bytes[..size])?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_in_use_for_a_while_is_waited_for() -> Result<()> {
        let turn = lock(&std::env::temp_dir().join("pawl-tally.lock"))?;
        let folder = tempfile::tempdir()?;
        let other = again(BIND_MAX, || TcpListener::bind(TALLY_HOST))?;
        let ends = std::thread::spawn(move || {
            std::thread::sleep(RETRY * 4);
            drop(turn);
            std::thread::sleep(RETRY * 4);
            drop(other);
        });
        TallyServer::start(folder.path())?;
        ends.join().map_err(|_| anyhow::anyhow!("the other one ends"))
    }
}
