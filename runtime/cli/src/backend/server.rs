//! Serves other commands while this process holds the data folder.
//!
//! The socket is for its owner alone (mode 0600). It is there only while this
//! process holds the store, so a file that is found when the store could be
//! opened was left by a process that is gone.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Service;
use super::feed::{Feed, Next};
use super::protocol::{ACCEPT_MAX_MS, CONNECTIONS_MAX, Call, Line, PROTOCOL_VERSION, Reply, Request};
use super::wire::{self, WireError};
use crate::fault::Fault;
use crate::place::Place;

/// How long connections may take to end after that, in milliseconds.
const CLOSE_MAX_MS: u64 = 2_000;

/// Listens until it is closed.
#[derive(Debug)]
pub(crate) struct Listener {
    service: Service,
    closing: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    files: Vec<PathBuf>,
}

impl Listener {
    /// Starts to listen. Without it commands work as well, but others have to wait.
    pub(crate) fn open(service: &Service, place: &Place) -> Option<Self> {
        match Self::try_open(service, place) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!("other commands cannot be served meanwhile: {error}");
                None
            }
        }
    }

    fn try_open(service: &Service, place: &Place) -> std::io::Result<Self> {
        let socket = place.socket_to_bind();
        let mut files = vec![socket.clone()];
        let note = place.socket_note();
        let absent = |error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
        };
        std::fs::remove_file(&socket).or_else(absent)?;
        std::fs::remove_file(&note).or_else(absent)?;
        // Made under another name, so that it has its mode before anyone can find it.
        let unready = socket.with_extension("new");
        std::fs::remove_file(&unready).or_else(absent)?;
        let listener = UnixListener::bind(&unready)?;
        std::fs::set_permissions(&unready, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&unready, &socket)?;
        if !socket.ends_with("pawl.sock") {
            std::fs::write(&note, socket.as_os_str().as_encoded_bytes())?;
            files.push(note);
        }
        let closing = watch::Sender::new(false);
        let serving = tokio::spawn(serve(listener, service.clone(), closing.subscribe()));
        Ok(Self { service: service.clone(), closing, serving, files })
    }

    /// Takes no more requests, lets steps that are under way end, and hands over those who
    /// follow a run that waits.
    pub(crate) async fn close(self, out: crate::output::Output) {
        for file in &self.files {
            // Whoever finds it now is refused, and tries to open the store.
            let _ = std::fs::remove_file(file);
        }
        self.closing.send_replace(true);
        if !self.service.is_quiet().await {
            out.note("ends when the steps under way are done");
            self.service.settle().await;
        }
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MAX_MS), self.serving).await;
    }

    /// Stops at once.
    pub(crate) fn abandon(self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, service: Service, closing: watch::Receiver<bool>) {
    let mut ends = closing.clone();
    let turns = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = ends.wait_for(|closing| *closing) => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &turns) => match accepted {
                Ok((stream, turn)) => {
                    let (service, closing) = (service.clone(), closing.clone());
                    connections.spawn(async move {
                        let _turn = turn;
                        if let Err(error) = converse(stream, service, closing).await {
                            tracing::debug!("a connection ended early: {error}");
                        }
                    });
                }
                Err(error) => tracing::warn!("cannot accept a connection: {error}"),
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &UnixListener,
    turns: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let turn = Arc::clone(turns).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, turn))
}

/// One connection, one request.
async fn converse(
    stream: UnixStream,
    service: Service,
    closing: watch::Receiver<bool>,
) -> Result<(), WireError> {
    let mut stream = BufReader::new(stream);
    let mut buffer = Vec::new();
    let first = wire::receive::<Call>(&mut stream, &mut buffer);
    let within = Duration::from_millis(ACCEPT_MAX_MS);
    let Ok(call) = tokio::time::timeout(within, first).await else { return Ok(()) };
    let request = match understand(call?) {
        Ok(request) => request,
        Err(fault) => return wire::send(&mut stream, &Line::Fault(fault)).await,
    };
    wire::send(&mut stream, &Line::Accepted).await?;
    if matches!(request, Request::History { .. } | Request::Follow { .. }) {
        return match service.feed(request).await {
            Ok(feed) => relay(&mut stream, feed, &service, closing).await,
            Err(fault) => wire::send(&mut stream, &Line::Fault(fault)).await,
        };
    }
    let line = service.handle(request).await.map_or_else(Line::Fault, Line::Done);
    wire::send(&mut stream, &line).await
}

fn understand(call: Call) -> Result<Request, Fault> {
    if call.pawl != PROTOCOL_VERSION {
        let (theirs, ours) = (call.pawl, PROTOCOL_VERSION);
        return Err(Fault::unusable(format!(
            "process {} holds the data folder and speaks version {ours} of the protocol, not {theirs}",
            std::process::id()
        ))
        .hint("use the same pawl for both, or wait until that process has ended"));
    }
    serde_json::from_value(call.request)
        .map_err(|error| Fault::failed(format!("the request cannot be understood: {error}")))
}

/// Passes a run's events on. When this process ends, a run that is in the middle of a step is
/// followed until it is not; the client goes on elsewhere with what remains.
async fn relay(
    stream: &mut BufReader<UnixStream>,
    mut feed: Feed,
    service: &Service,
    mut closing: watch::Receiver<bool>,
) -> Result<(), WireError> {
    loop {
        let next = tokio::select! {
            biased;
            next = feed.next() => next,
            () = quiet(service, &mut closing) => Ok(Next::Moved),
        };
        let line = match next {
            Ok(Next::Event(envelope)) => {
                wire::send(stream, &Line::Event(envelope)).await?;
                continue;
            }
            Ok(Next::Settled(header)) => Line::Done(Reply::Run(header)),
            Ok(Next::Moved) => Line::Moved,
            Err(fault) => Line::Fault(fault),
        };
        return wire::send(stream, &line).await;
    }
}

/// Returns when this process ends and nothing is in the middle of a step.
async fn quiet(service: &Service, closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        return;
    }
    service.settle().await;
}
