//! `pawl serve` on a data folder, and a client of it over bare sockets: what it reads ends with the connection, and a
//! server that dies in the midst of an answer is seen as such.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// How long an answer is waited for. Nothing takes that long; a test that hangs ends so.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server in a process of its own. It is killed when this is dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Serving {
    /// Starts `pawl serve` as this command says, and waits until it listens.
    pub fn start(command: Command) -> Result<Self> {
        Self::start_with(command, Stdio::null())
    }

    /// The same, and what it says goes to a place of its own.
    pub fn start_with(mut command: Command, said: impl Into<Stdio>) -> Result<Self> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(said).spawn()?;
        // The document is one of several lines, and the server goes on with its output open.
        let stdout = child.stdout.take().context("its output")?;
        let mut read = String::new();
        let mut lines = BufReader::new(stdout);
        let document: Value = loop {
            ensure!(lines.read_line(&mut read)? > 0, "the server ended: {read}");
            if let Ok(document) = serde_json::from_str(&read) {
                break document;
            }
        };
        let url = document["url"].as_str().context("its address")?;
        let address = url.strip_prefix("http://").context("an address")?.to_owned();
        Ok(Self { child, address })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it says from now on, where that goes to a pipe.
    pub fn said(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Asks it to end, as `systemctl stop` does.
    pub fn ask_to_end(&self) -> Result<()> {
        Ok(rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Whether it still lives.
    pub fn lives(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end; gives its exit code, -1 for one that was killed.
    pub fn ended(mut self) -> Result<i32> {
        Ok(self.child.wait()?.code().unwrap_or(-1))
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server; gives the status and the JSON of its answer. An error: the answer did not come whole.
pub fn ask(
    address: &str,
    method: &str,
    path: &str,
    more: &[&str],
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let more = [more, &["content-type: application/json"]].concat();
    let (status, text) = exchange(address, method, path, &more, &body)?;
    let value = serde_json::from_str(&text).with_context(|| format!("an answer that breaks off: {text}"))?;
    Ok((status, value))
}

/// Asks a server; gives the status and the text of its answer, as far as it came.
pub fn exchange(address: &str, method: &str, path: &str, more: &[&str], body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    head.extend(more.iter().map(|line| format!("{line}\r\n")));
    stream.write_all(format!("{head}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, text) = answer.split_once("\r\n\r\n").context("an answer that ends in its head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
    Ok((status, text.to_owned()))
}

/// A stream of events that is listened to.
#[derive(Debug)]
pub struct EventStream {
    lines: BufReader<TcpStream>,
}

/// An event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its name.
    pub name: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// What it says, JSON.
    pub data: String,
}

impl EventStream {
    /// Listens, from behind what was seen last.
    pub fn open(address: &str, path: &str, last: Option<&str>) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n{last}\r\n").as_bytes())?;
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "{line}");
        while !line.trim().is_empty() {
            line.clear();
            lines.read_line(&mut line)?;
        }
        Ok(Self { lines })
    }
}

impl Iterator for EventStream {
    type Item = StreamEvent;

    /// The next event; nothing when the stream ended or broke off.
    fn next(&mut self) -> Option<StreamEvent> {
        let mut event = StreamEvent::default();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).ok()?;
            if read == 0 || !line.ends_with('\n') {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("event", name)) => name.trim_start().clone_into(&mut event.name),
                Some(("id", id)) => event.id = Some(id.trim_start().to_owned()),
                Some(("data", data)) => data.trim_start().clone_into(&mut event.data),
                _ if line.trim().is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}
