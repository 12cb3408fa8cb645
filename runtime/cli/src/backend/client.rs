//! Gets work done by the process that holds the data folder.
//!
//! A request that was not accepted has had no effect: the other process begins
//! only when it has read the [`Go`] that answers its `accepted`. So it can be
//! made elsewhere, and so can one that only looks, whenever the connection ends.

use std::path::Path;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::feed::{Feed, Next};
use super::protocol::{ACCEPT_MAX_MS, Call, Go, Line, PROTOCOL_VERSION, Reply, Request};
use super::wire::{self, WireError};
use crate::fault::Fault;

/// A connection whose request was accepted.
#[derive(Debug)]
pub(crate) struct RemoteFeed {
    stream: BufReader<UnixStream>,
    buffer: Vec<u8>,
}

/// Whether a process listens there and speaks this version.
pub(super) async fn answers(socket: &Path) -> Result<(), Fault> {
    let (_, line) = ask(socket, &Request::About).await.map_err(|error| ended(&error))?;
    match line {
        Line::Accepted => Ok(()),
        line => Err(refused(line)),
    }
}

/// Carries out a request that gives one reply. Gives nothing when it was not carried out, or only
/// looks: it can be made elsewhere.
pub(super) async fn call(socket: &Path, request: &Request) -> Result<Option<Reply>, Fault> {
    call_told(socket, request, &mut |_| ()).await
}

/// The same; `told` hears how far it is, where that is said.
pub(super) async fn call_told(
    socket: &Path,
    request: &Request,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Option<Reply>, Fault> {
    let Some(mut connection) = accepted(socket, request).await? else { return Ok(None) };
    loop {
        return match connection.line().await {
            Ok(Line::Noted(line)) => {
                told(&line);
                continue;
            }
            Ok(Line::Done(reply)) => Ok(Some(reply)),
            Ok(Line::Moved) => Ok(None),
            Ok(line) => Err(refused(line)),
            Err(WireError::Ended(_)) if request.only_looks() => Ok(None),
            Err(error) => Err(ended(&error)),
        };
    }
}

/// Carries out a request that gives events. Gives nothing when it was not accepted.
pub(super) async fn feed(socket: &Path, request: &Request) -> Result<Option<Feed>, Fault> {
    let connection = accepted(socket, request).await?;
    Ok(connection.map(|connection| Feed::Remote(Box::new(connection))))
}

/// Connects and makes a request; returns when it is accepted. Gives nothing when it was not, and
/// there is no more to say about it.
async fn accepted(socket: &Path, request: &Request) -> Result<Option<RemoteFeed>, Fault> {
    let (mut connection, line) = match ask(socket, request).await {
        Ok(asked) => asked,
        Err(WireError::Ended(_)) => return Ok(None),
        Err(error) => return Err(ended(&error)),
    };
    match line {
        Line::Accepted => {}
        Line::Moved => return Ok(None),
        line => return Err(refused(line)),
    }
    match wire::send(&mut connection.stream, &Go::Go).await {
        Ok(()) => Ok(Some(connection)),
        Err(WireError::Ended(_)) => Ok(None),
        Err(error) => Err(ended(&error)),
    }
}

/// Connects and sends a request; gives the first line that comes back.
async fn ask(socket: &Path, request: &Request) -> Result<(RemoteFeed, Line), WireError> {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await?;
        let call = Call { pawl: PROTOCOL_VERSION, request: serde_json::to_value(request)? };
        wire::send(&mut stream, &call).await?;
        let mut connection = RemoteFeed { stream: BufReader::new(stream), buffer: Vec::new() };
        let line = connection.line().await?;
        Ok((connection, line))
    };
    timeout(Duration::from_millis(ACCEPT_MAX_MS), asking).await.unwrap_or_else(|_| {
        Err(WireError::Ended(format!("it did not answer within {} s", ACCEPT_MAX_MS / 1_000)))
    })
}

/// A line that is not the one that was hoped for.
fn refused(line: Line) -> Fault {
    match line {
        Line::Fault(fault) => fault,
        Line::Accepted
        | Line::Event(_)
        | Line::Progress(_)
        | Line::Said(_)
        | Line::Noted(_)
        | Line::Done(_)
        | Line::Moved => super::strange(),
    }
}

fn ended(error: &WireError) -> Fault {
    match error {
        WireError::Ended(_) => {
            Fault::unusable(format!("the process that holds the data folder gave no answer: {error}"))
                .hint("try again; what was accepted is on disk, and `pawl runs` shows it")
        }
        WireError::TooLong => super::too_long(),
        WireError::Strange(_) => Fault { message: error.to_string(), ..super::strange() },
    }
}

impl RemoteFeed {
    async fn line(&mut self) -> Result<Line, WireError> {
        wire::receive(&mut self.stream, &mut self.buffer).await
    }

    pub(super) async fn next(&mut self) -> Result<Next, Fault> {
        match self.line().await {
            Ok(Line::Event(envelope)) => Ok(Next::Event(envelope)),
            Ok(Line::Progress(note)) => Ok(Next::Progress(note)),
            Ok(Line::Said(said)) => Ok(Next::Said(said)),
            Ok(Line::Done(Reply::Run(header))) => Ok(Next::Settled(header)),
            // When it was killed, the run goes on elsewhere all the same.
            Ok(Line::Moved) | Err(WireError::Ended(_)) => Ok(Next::Moved),
            Ok(line) => Err(refused(line)),
            Err(error) => Err(ended(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::RunId;
    use tokio::net::UnixListener;

    fn cancel() -> Request {
        Request::Cancel { run: RunId::from_bytes([7; 16]), by: crate::actor::operator(), reason: None }
    }

    /// What a request gives when the other process is gone before or after it has accepted it.
    async fn cut_off(request: Request, accepts: bool) -> Result<Option<Reply>, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let served = async {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let _: Call = wire::receive(&mut stream, &mut Vec::new()).await.unwrap();
            if accepts {
                wire::send(&mut stream, &Line::Accepted).await.unwrap();
                let Go::Go = wire::receive(&mut stream, &mut Vec::new()).await.unwrap();
            }
        };
        tokio::join!(call(&socket, &request), served).0
    }

    #[tokio::test]
    async fn what_was_not_accepted_or_only_looks_can_be_made_elsewhere() {
        assert!(matches!(cut_off(cancel(), false).await, Ok(None)));
        assert!(matches!(cut_off(Request::About, false).await, Ok(None)));
        assert!(matches!(cut_off(Request::About, true).await, Ok(None)));
        assert!(matches!(cut_off(Request::Recover, true).await, Ok(None)));
        let fault = cut_off(cancel(), true).await.unwrap_err();
        assert!(fault.message.contains("gave no answer"), "{fault:?}");
    }

    #[tokio::test]
    async fn how_far_it_is_is_heard_before_the_reply() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let served = async {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let _: Call = wire::receive(&mut stream, &mut Vec::new()).await.unwrap();
            wire::send(&mut stream, &Line::Accepted).await.unwrap();
            let Go::Go = wire::receive(&mut stream, &mut Vec::new()).await.unwrap();
            for line in ["a", "b"] {
                wire::send(&mut stream, &Line::Noted(line.to_owned())).await.unwrap();
            }
            wire::send(&mut stream, &Line::Done(Reply::Published)).await.unwrap();
        };
        let mut heard = Vec::new();
        let mut told = |line: &str| heard.push(line.to_owned());
        let request = Request::Backup { to: "x".into() };
        let (reply, ()) = tokio::join!(call_told(&socket, &request, &mut told), served);
        assert!(matches!(reply, Ok(Some(Reply::Published))));
        assert_eq!(heard, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_request_that_is_too_long_is_refused_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let request = Request::FindRun { text: "x".repeat(super::super::protocol::LINE_MAX_BYTES) };
        let fault = call(&socket, &request).await.unwrap_err();
        assert_eq!(fault, super::super::too_long());
    }
}
