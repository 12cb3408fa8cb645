//! Gets work done by the process that holds the data folder.

use std::path::Path;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::feed::{Feed, Next};
use super::protocol::{ACCEPT_MAX_MS, Call, Line, PROTOCOL_VERSION, Reply, Request};
use super::wire::{self, WireError};
use crate::fault::Fault;

/// A connection whose request was accepted.
#[derive(Debug)]
pub(crate) struct RemoteFeed {
    stream: BufReader<UnixStream>,
    buffer: Vec<u8>,
    is_following: bool,
}

/// Whether a process listens there and speaks this version.
pub(super) async fn answers(socket: &Path) -> Result<(), Fault> {
    accepted(socket, &Request::About).await.map(|_| ())
}

/// Carries out a request that gives one reply. Gives nothing when the request was not accepted: it
/// had no effect then, and can be made elsewhere.
pub(super) async fn call(socket: &Path, request: &Request) -> Result<Option<Reply>, Fault> {
    let Ok(mut connection) = accepted(socket, request).await else { return Ok(None) };
    match connection.line().await.map_err(|error| ended(&error))? {
        Line::Done(reply) => Ok(Some(reply)),
        Line::Fault(fault) => Err(fault),
        Line::Accepted | Line::Event(_) | Line::Moved => Err(super::strange()),
    }
}

/// Carries out a request that gives events. Gives nothing when it was not accepted.
pub(super) async fn feed(socket: &Path, request: &Request) -> Option<Feed> {
    let is_following = matches!(request, Request::Follow { .. });
    let connection = accepted(socket, request).await.ok()?;
    Some(Feed::Remote(Box::new(RemoteFeed { is_following, ..connection })))
}

/// Connects and sends a request; returns when it is accepted.
async fn accepted(socket: &Path, request: &Request) -> Result<RemoteFeed, Fault> {
    let within = Duration::from_millis(ACCEPT_MAX_MS);
    let asked = timeout(within, ask(socket, request)).await.unwrap_or_else(|_| {
        Err(WireError::Ended(format!("it did not answer within {} s", ACCEPT_MAX_MS / 1_000)))
    });
    let (connection, line) = asked.map_err(|error| ended(&error))?;
    match line {
        Line::Accepted => Ok(connection),
        Line::Fault(fault) => Err(fault),
        Line::Event(_) | Line::Done(_) | Line::Moved => Err(super::strange()),
    }
}

async fn ask(socket: &Path, request: &Request) -> Result<(RemoteFeed, Line), WireError> {
    let mut stream = UnixStream::connect(socket).await?;
    let call = Call { pawl: PROTOCOL_VERSION, request: serde_json::to_value(request)? };
    wire::send(&mut stream, &call).await?;
    let stream = BufReader::new(stream);
    let mut connection = RemoteFeed { stream, buffer: Vec::new(), is_following: false };
    let line = connection.line().await?;
    Ok((connection, line))
}

fn ended(error: &WireError) -> Fault {
    Fault::unusable(format!("the process that holds the data folder gave no answer: {error}"))
        .hint("try again; what was accepted is on disk, and `pawl runs` shows it")
}

impl RemoteFeed {
    async fn line(&mut self) -> Result<Line, WireError> {
        wire::receive(&mut self.stream, &mut self.buffer).await
    }

    pub(super) async fn next(&mut self) -> Result<Next, Fault> {
        match self.line().await {
            Ok(Line::Event(envelope)) => Ok(Next::Event(envelope)),
            Ok(Line::Done(Reply::Run(header))) => Ok(Next::Settled(header)),
            Ok(Line::Fault(fault)) => Err(fault),
            Ok(Line::Moved) => Ok(Next::Moved),
            // It was killed: the run goes on elsewhere all the same.
            Err(WireError::Ended(_)) if self.is_following => Ok(Next::Moved),
            Err(error) => Err(ended(&error)),
            Ok(Line::Accepted | Line::Done(_)) => Err(super::strange()),
        }
    }
}
