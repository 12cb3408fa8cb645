//! Listening and ending.

use std::net::SocketAddr;

use pawl_engine::Engine;
use tokio::net::TcpListener;

use crate::app::App;
use crate::router::router;

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8917)) }
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
        Ok(Self { listener, address, app: App::new(engine) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `end` comes. Then no more is taken, streams end, and what is being answered is answered.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let closing = self.app.closing.clone();
        let ended = async move {
            end.await;
            closing.cancel();
        };
        let service = router(self.app).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(self.listener, service).with_graceful_shutdown(ended).await.map_err(ServerError::Serving)
    }
}
