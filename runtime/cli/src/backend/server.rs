//! Serves other commands while this process holds the data folder.
//!
//! The socket is for its owner alone: it has mode 0600, and whoever else got
//! hold of it before it had is not answered. It is there only while this
//! process holds the store, so a file that is found when the store could be
//! opened was left by a process that is gone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWrite, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::Service;
use super::feed::{Feed, Next};
use super::protocol::{
    ACCEPT_MAX_MS, CONNECTIONS_MAX, Call, FOLLOWERS_MAX, Go, Line, PROTOCOL_VERSION, Reply, Request,
};
use super::wire::{self, WireError};
use crate::fault::Fault;
use crate::place::Place;

/// How long connections may take to end after that, in milliseconds.
const CLOSE_MAX_MS: u64 = 2_000;

/// The pause after a connection could not be accepted, in milliseconds.
const ACCEPT_PAUSE_MS: u64 = 100;

/// How far this process is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It takes requests.
    Open,
    /// It takes no more.
    Closing,
    /// And nothing is in the middle of a step.
    Quiet,
}

/// Listens until it is closed or dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    service: Service,
    phase: watch::Sender<Phase>,
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
        let phase = watch::Sender::new(Phase::Open);
        let serving = tokio::spawn(serve(listener, service.clone(), phase.subscribe()));
        Ok(Self { service: service.clone(), phase, serving, files })
    }

    /// Takes no more requests, lets steps that are under way end, and hands over those who
    /// follow a run that waits.
    pub(crate) async fn close(mut self, out: crate::output::Output) {
        // Whoever finds a file now is refused, and tries to open the store.
        self.remove_files();
        self.phase.send_replace(Phase::Closing);
        if !self.service.is_quiet().await {
            out.note("ends when the steps under way are done");
        }
        let mut is_settled = self.service.settle().await;
        self.phase.send_replace(Phase::Quiet);
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MAX_MS), &mut self.serving).await;
        // Time has passed, and with it the wait of a run may have ended.
        is_settled &= self.service.settle().await;
        if !is_settled {
            out.note("the steps under way took too long and are cut off; `pawl resume` goes on with them");
        }
    }

    fn remove_files(&mut self) {
        for file in self.files.drain(..) {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.remove_files();
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, service: Service, phase: watch::Receiver<Phase>) {
    let mut ends = phase.clone();
    // Those who follow a run stay long: they have turns of their own, so that they keep nobody else
    // from being served.
    let any = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = ends.wait_for(|phase| *phase > Phase::Open) => break,
            Some(_) = connections.join_next() => {}
            (stream, turn) = accept(&listener, &any) => {
                let stream = BufReader::new(stream);
                let talk = Conversation { stream, service: service.clone(), phase: phase.clone() };
                let followers = Arc::clone(&followers);
                connections.spawn(async move {
                    if let Err(error) = talk.hold(turn, followers).await {
                        tracing::debug!("a connection ended early: {error}");
                    }
                });
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, and its turn.
async fn accept(listener: &UnixListener, turns: &Arc<Semaphore>) -> (UnixStream, OwnedSemaphorePermit) {
    loop {
        if let Ok(turn) = Arc::clone(turns).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) if is_from_owner(&stream) => return (stream, turn),
                Ok(_) => {
                    tracing::warn!("a connection of another user was refused");
                    continue;
                }
                Err(error) => tracing::warn!("cannot accept a connection: {error}"),
            }
        }
        // Most likely too many files are open: not to be tried again at once.
        tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
    }
}

/// Whether a client runs as the user that this process runs as, or as root, who could do anything anyway.
fn is_from_owner(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|client| may_ask(client.uid(), rustix::process::geteuid().as_raw()))
}

const fn may_ask(client: u32, owner: u32) -> bool {
    client == owner || client == 0
}

/// Returns when the client is gone. It says nothing more after its request, and where nothing happens
/// to the run, no answer would find out: its turn would never be free again.
async fn hung_up(stream: &mut BufReader<UnixStream>) {
    while let Ok(more) = stream.fill_buf().await {
        let bytes = more.len();
        if bytes == 0 {
            return;
        }
        stream.consume(bytes);
    }
}

/// One connection, one request.
struct Conversation {
    stream: BufReader<UnixStream>,
    service: Service,
    phase: watch::Receiver<Phase>,
}

impl Conversation {
    async fn hold(mut self, turn: OwnedSemaphorePermit, followers: Arc<Semaphore>) -> Result<(), WireError> {
        let Some(mut request) = self.request().await? else { return Ok(()) };
        if let Some(by) = request.by() {
            // Who asks is known from the system, and what the client says of it counts for nothing.
            crate::actor::stamp(by, self.stream.get_ref().peer_cred()?.uid());
        }
        let _turn = if matches!(request, Request::Follow { .. }) {
            drop(turn);
            followers.acquire_owned().await.ok()
        } else {
            Some(turn)
        };
        // In this order: whoever closes sees what is in hand after it has said that it closes.
        let in_hand = self.service.begin();
        if *self.phase.borrow() > Phase::Open {
            return wire::send(&mut self.stream, &Line::Moved).await;
        }
        if let Request::Backup { to } = &request {
            let line = self.back_up(to).await.map_or_else(Line::Fault, Line::Done);
            drop(in_hand);
            return reply(&mut self.stream, &line).await;
        }
        if !matches!(request, Request::History { .. } | Request::Follow { .. }) {
            let line = self.service.handle(request).await.map_or_else(Line::Fault, Line::Done);
            drop(in_hand);
            return reply(&mut self.stream, &line).await;
        }
        let feed = self.service.feed(request).await;
        drop(in_hand);
        match feed {
            Ok(feed) => self.relay(feed).await,
            Err(fault) => wire::send(&mut self.stream, &Line::Fault(fault)).await,
        }
    }

    /// Makes a backup, and says meanwhile how far it is. It is made to its end, also where nobody listens any more.
    async fn back_up(&mut self, to: &Path) -> Result<Reply, Fault> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let service = self.service.clone();
        let work = async move {
            let mut tell = |line| {
                // Who listens is here as long as it is worked.
                let _ = tell.send(line);
            };
            service.back_up(to, &mut tell).await
        };
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(line) = told.recv() => {
                    let _ = wire::send(&mut self.stream, &Line::Noted(line)).await;
                }
            }
        }
    }

    /// What is asked for. Nothing has been done yet, and the client is still there.
    async fn request(&mut self) -> Result<Option<Request>, WireError> {
        let mut buffer = Vec::new();
        let within = Duration::from_millis(ACCEPT_MAX_MS);
        let first = wire::receive::<Call>(&mut self.stream, &mut buffer);
        let Ok(call) = tokio::time::timeout(within, first).await else { return Ok(None) };
        let request = match understand(call?) {
            Ok(request) => request,
            Err(fault) => {
                wire::send(&mut self.stream, &Line::Fault(fault)).await?;
                return Ok(None);
            }
        };
        wire::send(&mut self.stream, &Line::Accepted).await?;
        let second = wire::receive::<Go>(&mut self.stream, &mut buffer);
        let Ok(go) = tokio::time::timeout(within, second).await else { return Ok(None) };
        go.map(|Go::Go| Some(request))
    }

    /// Passes a run's events on. When this process ends, a run that is in the middle of a step is
    /// followed until it is not; the client goes on elsewhere with what remains.
    async fn relay(self, mut feed: Feed) -> Result<(), WireError> {
        let Self { mut stream, mut phase, .. } = self;
        loop {
            let next = tokio::select! {
                biased;
                next = feed.next() => next,
                _ = phase.wait_for(|phase| *phase == Phase::Quiet) => Ok(Next::Moved),
                () = hung_up(&mut stream) => return Ok(()),
            };
            let line = match next {
                Ok(Next::Event(envelope)) => Line::Event(envelope),
                Ok(Next::Progress(note)) => Line::Progress(note),
                Ok(Next::Said(said)) => Line::Said(said),
                Ok(Next::Settled(header)) => Line::Done(Reply::Run(header)),
                Ok(Next::Moved) => Line::Moved,
                Err(fault) => Line::Fault(fault),
            };
            let is_last = !matches!(line, Line::Event(_) | Line::Progress(_) | Line::Said(_));
            reply(&mut stream, &line).await?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Sends a line, or that it is too long to be sent.
async fn reply(stream: &mut (impl AsyncWrite + Unpin + Send), line: &Line) -> Result<(), WireError> {
    match wire::send(stream, line).await {
        Err(error @ WireError::TooLong) => {
            wire::send(stream, &Line::Fault(super::too_long())).await?;
            Err(error)
        }
        sent => sent,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::protocol::LINE_MAX_BYTES;

    #[tokio::test]
    async fn only_the_owner_and_root_may_ask() {
        let (ours, _) = UnixStream::pair().unwrap();
        assert!(is_from_owner(&ours));
        for (client, owner, may) in [(7, 7, true), (0, 7, true), (8, 7, false), (7, 0, false)] {
            assert_eq!(may_ask(client, owner), may, "{client} asks {owner}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_told_as_a_fault() {
        let mut sent = Vec::new();
        let line = Line::Fault(Fault::failed("x".repeat(LINE_MAX_BYTES)));
        assert!(matches!(reply(&mut sent, &line).await, Err(WireError::TooLong)));
        let told = wire::receive(&mut BufReader::new(&sent[..]), &mut Vec::new()).await.unwrap();
        assert!(matches!(told, Line::Fault(fault) if fault == super::super::too_long()));
    }
}
