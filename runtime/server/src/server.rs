//! Listening and ending.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use pawl_engine::Engine;
use tokio::net::{TcpListener, TcpStream};

use crate::api::idempotency;
use crate::app::App;
use crate::limits::ServerLimits;
use crate::router::router;
use crate::teller::{Teller, Terse};

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What it takes at most.
    pub limits: ServerLimits,
    /// How runs are told.
    pub teller: Arc<dyn Teller>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 8917));
        Self { listen, limits: ServerLimits::default(), teller: Arc::new(Terse) }
    }
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}; name another with --listen ADDRESS:PORT")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("the server failed: {0}")]
    Serving(std::io::Error),
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
}

impl Server {
    /// Begins to listen. What is asked is answered from [`Server::serve`] on.
    pub async fn bind(engine: Engine, config: &ServerConfig) -> Result<Self, ServerError> {
        let address = config.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
        let address = listener.local_addr().map_err(ServerError::Serving)?;
        Ok(Self { listener, address, app: App::new(engine, config) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` comes. Then no more is taken, streams end, and what is being answered is answered.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let closing = self.app.closing.clone();
        let stall_max_ms = self.app.limits.stall_max_ms;
        idempotency::forget_in_time(&self.app);
        let ended = async move {
            end.await;
            closing.cancel();
        };
        let service = router(self.app).into_make_service_with_connect_info::<SocketAddr>();
        let listener = self.listener.tap_io(move |stream| prepare(stream, stall_max_ms));
        axum::serve(listener, service).with_graceful_shutdown(ended).await.map_err(ServerError::Serving)
    }
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
