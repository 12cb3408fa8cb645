//! Connections: accepted as long as there are places for them, over TLS or without, and served until the server ends.
//!
//! Nothing here waits for a client without an end to it: not for it to agree on TLS, not for the head of a request, not
//! for it to take what it is sent. What a request itself may take is in `limits.rs`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::limits::ServerLimits;
use crate::router::router;
use crate::tls::Certificates;

/// The pause after a connection could not be accepted, in milliseconds: most often no more files may be open.
const ACCEPT_PAUSE_MS: u64 = 100;
/// What hyper reads a head into is no smaller.
const HEAD_MIN_BYTES: usize = 8 << 10;

/// Serves until `end` comes. Then no more is accepted, streams end, and what is being answered is answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Certificates>,
    app: App,
    end: impl Future<Output = ()>,
) {
    tokio::select! {
        () = end => {}
        () = accept(listener, tls, app.clone()) => {}
    }
    app.closing.cancel();
    // Every connection has a place: when all of them are free, none is left.
    let _all = app.places.connections.acquire_many(app.places.connections_max).await;
}

/// Accepts connections. Dropped, it accepts no more; those that were accepted go on.
pub(crate) async fn accept(listener: TcpListener, mut tls: Option<Certificates>, app: App) {
    let serving = Serving::new(&app);
    loop {
        let Ok(place) = Arc::clone(&app.places.connections).acquire_owned().await else { return };
        let stream = next(&listener).await;
        prepare(&stream, app.limits.stall_max_ms);
        let serving = serving.clone();
        let Some(tls) = &mut tls else {
            tokio::spawn(async move {
                serving.serve(stream).await;
                drop(place);
            });
            continue;
        };
        let handshake = tls.handshake().await;
        tokio::spawn(async move {
            let agreed = tokio::select! {
                agreed = handshake.agree(stream) => agreed,
                () = serving.closing.cancelled() => None,
            };
            if let Some(stream) = agreed {
                serving.serve(stream).await;
            }
            drop(place);
        });
    }
}

/// The next connection.
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // It went before it was taken.
            Err(error) if is_of_one(&error) => tracing::debug!(%error, "a connection was gone at once"),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

/// Whether an error says something of one connection, and nothing of those behind it.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Small answers go at once, and who takes nothing of what it is sent is cut off by the system.
fn prepare(stream: &TcpStream, stall_max_ms: u32) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may be sent late");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, stall_max_ms) {
        tracing::debug!(%error, "slow readers are not cut off");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stall_max_ms;
}

/// How connections are served.
#[derive(Clone)]
struct Serving {
    http: http1::Builder,
    router: Router,
    closing: CancellationToken,
}

impl Serving {
    fn new(app: &App) -> Self {
        let ServerLimits { head_max_ms, head_max_bytes, .. } = app.limits;
        let mut http = http1::Builder::new();
        // Without a timer there is no timeout: hyper has none of its own.
        http.timer(TokioTimer::new());
        http.header_read_timeout(Duration::from_millis(head_max_ms));
        http.max_buf_size(head_max_bytes.max(HEAD_MIN_BYTES));
        Self { http, router: router(app.clone()), closing: app.closing.clone() }
    }

    /// Answers what is asked on a connection, one request after the other.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

#[cfg(test)]
mod tests {
    use pawl_engine::{Engine, EngineConfig};
    use pawl_store::memory::MemoryStore;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;
    use crate::{Server, ServerConfig};

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_server_that_ends_answers_what_is_asked_and_closes_all_else() {
        let engine = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await.unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let server = Server::bind(engine, &ServerConfig { listen, ..ServerConfig::default() }).await.unwrap();
        let (address, app) = (server.address(), server.app.clone());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async move {
            let _ = ended.await;
        }));
        let head =
            format!("POST /v1/workflows/check HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json");
        // One says nothing, one has had an answer, one is in the midst of asking.
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await.unwrap();
        assert!(idle.read(&mut [0; 4_096]).await.unwrap() > 0);
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(format!("{head}\r\ncontent-length: 2\r\n\r\n{{").as_bytes()).await.unwrap();
        let is_under_way = || app.places.requests_under_way() == 1;
        timeout(PATIENCE, async {
            while !is_under_way() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it is being answered");
        end.send(()).unwrap();
        for stream in [&mut silent, &mut idle] {
            let mut rest = Vec::new();
            timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed").unwrap();
        }
        assert!(!serving.is_finished(), "somebody is being answered");
        asking.write_all(b"}").await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, asking.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        timeout(PATIENCE, serving).await.expect("an end").unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody is there any more");
    }
}
