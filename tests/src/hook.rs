//! A web hook outside of pawl: it takes what it is told, one request after the other, and answers as it is asked to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context as _, Result, ensure};
use tokio::sync::mpsc;

/// The longest request that is read.
const REQUEST_MAX_BYTES: usize = 1 << 20;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAnswer {
    /// With this status.
    Status(u16),
    /// With a redirect to another path of the same server.
    Elsewhere,
    /// Not at all; the connection stays open.
    Never,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRequest {
    /// `/hook`.
    pub path: String,
    /// The lines of its head behind the first, in lower case up to the colon.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl HookRequest {
    /// A field of its head.
    pub fn header(&self, name: &str) -> Result<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        Ok(&found.with_context(|| format!("no header {name}: {:?}", self.headers))?.1)
    }
}

/// The hook. Its thread ends with the process.
#[derive(Debug)]
pub struct Hook {
    /// Where it listens.
    pub address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Result<HookRequest>>,
}

impl Hook {
    /// Begins to listen, at a free port. It answers so, and with 204 when there are no more answers.
    pub fn start(answers: &[HookAnswer]) -> Result<Self> {
        Self::on(TcpListener::bind("127.0.0.1:0")?, answers)
    }

    /// The same, where somebody has bound already.
    pub fn on(listener: TcpListener, answers: &[HookAnswer]) -> Result<Self> {
        let address = listener.local_addr()?;
        let (tell, requests) = mpsc::unbounded_channel();
        let answers = answers.to_vec();
        std::thread::spawn(move || listen(&listener, &tell, answers));
        Ok(Self { address, requests })
    }

    /// The next request; waits for it.
    pub async fn next(&mut self) -> Result<HookRequest> {
        self.requests.recv().await.context("the hook has ended")?
    }

    /// The same, for tests without a runtime.
    pub fn next_blocking(&mut self) -> Result<HookRequest> {
        self.requests.blocking_recv().context("the hook has ended")?
    }

    /// Whether there is a request that was not looked at.
    pub fn has_more(&mut self) -> bool {
        !self.requests.is_empty()
    }
}

fn listen(
    listener: &TcpListener,
    tell: &mpsc::UnboundedSender<Result<HookRequest>>,
    answers: Vec<HookAnswer>,
) {
    let (mut answers, mut open) = (answers.into_iter(), Vec::new());
    while let Ok((mut stream, _)) = listener.accept() {
        if tell.send(read(&mut stream)).is_err() {
            return;
        }
        let status = match answers.next().unwrap_or(HookAnswer::Status(204)) {
            HookAnswer::Status(status) => format!("{status} Said"),
            HookAnswer::Elsewhere => "307 Elsewhere\r\nlocation: /elsewhere".to_owned(),
            HookAnswer::Never => {
                open.push(stream);
                continue;
            }
        };
        // Who went away meanwhile is what some tests are about.
        let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes());
    }
}

/// A request with as much body as its head promises.
fn read(stream: &mut TcpStream) -> Result<HookRequest> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut piece)?;
        ensure!(read > 0 && bytes.len() < REQUEST_MAX_BYTES, "no whole request");
        bytes.extend_from_slice(&piece[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec())?;
        let mut lines = head.lines();
        let path = lines.next().and_then(|line| line.split(' ').nth(1)).context("a path")?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut request = HookRequest { path, headers, body: Vec::new() };
        let length: usize = request.header("content-length")?.parse()?;
        if bytes.len() >= end + 4 + length {
            request.body = bytes[end + 4..].to_vec();
            return Ok(request);
        }
    }
}
