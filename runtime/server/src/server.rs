//! Listening and ending.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pawl_engine::Engine;
use tokio::net::TcpListener;

use crate::app::App;
use crate::identity::{IdentityError, IdentityRequest, IssuerConfig, manage};
use crate::limits::ServerLimits;
use crate::links::LinkKeyError;
use crate::listen;
use crate::notify::{Notifier, NotifyError, Notifying};
use crate::teller::{Teller, Terse};
use crate::tls::{Certificates, TlsFiles};

/// Requests of one caller in a second, where nothing else is said.
const TOKEN_REQUESTS_PER_SECOND: u32 = 200;

/// Whether who asks must say who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdentityMode {
    /// On loopback, where no issuer is named, they need not; anywhere else they must.
    #[default]
    Usual,
    /// They must.
    Required,
    /// They need not. Refused but on loopback.
    Off,
}

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What it takes at most.
    pub limits: ServerLimits,
    /// How runs are told.
    pub teller: Arc<dyn Teller>,
    /// Whether who asks must say who they are.
    pub identity: IdentityMode,
    /// Whose tokens are taken beside pawl's own.
    pub issuer: Option<IssuerConfig>,
    /// Certificate and key; without, connections are not over TLS.
    pub tls: Option<TlsFiles>,
    /// Names of this server, beside those of loopback.
    pub hosts: Vec<String>,
    /// Pages elsewhere that may ask: `https://console.example.com`.
    pub origins: Vec<String>,
    /// What links begin with; the address, where nothing is said.
    pub public_url: Option<String>,
    /// The file of the key that links are signed with; one for this process, where there is none.
    pub link_key: Option<PathBuf>,
    /// Requests of one token or user in a second.
    pub token_requests_per_second_max: u32,
    /// Who is told of approvals.
    pub notify: Notifying,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8917)),
            limits: ServerLimits::default(),
            teller: Arc::new(Terse),
            identity: IdentityMode::Usual,
            issuer: None,
            tls: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            public_url: None,
            link_key: None,
            token_requests_per_second_max: TOKEN_REQUESTS_PER_SECOND,
            notify: Notifying::default(),
        }
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
    /// Everybody who reaches the address would be the operator.
    #[error(
        "{0} can be reached from other machines, and whoever reaches it without identity is the operator; leave \
         --identity off away, or listen at 127.0.0.1"
    )]
    Open(SocketAddr),
    /// Nobody could use it.
    #[error(
        "nobody could use the server: identity is required, and there is neither a token nor an issuer; make one with \
         `pawl token create --name NAME --role admin`, or set `identity` in pawl.yaml"
    )]
    Nobody,
    /// The tokens cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(#[from] pawl_store::StoreError),
    /// The key of links cannot be had.
    #[error(transparent)]
    LinkKey(#[from] LinkKeyError),
    /// Nobody can be told of approvals as is asked.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The certificate cannot be used.
    #[error("TLS: {0}; name PEM files with --tls-cert and --tls-key")]
    Tls(String),
    /// Serving failed.
    #[error("the server failed: {0}")]
    Serving(std::io::Error),
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    pub(crate) app: App,
    tls: Option<TlsFiles>,
    notify: Notifying,
    /// What the operator says that addresses begin with.
    named_url: Option<String>,
}

/// Whether who asks must say who they are, or why it cannot be served so.
async fn is_identity_required(engine: &Engine, config: &ServerConfig) -> Result<bool, ServerError> {
    let is_loopback = config.listen.ip().is_loopback();
    let required = match config.identity {
        IdentityMode::Required => true,
        IdentityMode::Usual => !is_loopback || config.issuer.is_some(),
        IdentityMode::Off if is_loopback => false,
        IdentityMode::Off => return Err(ServerError::Open(config.listen)),
    };
    if !required || config.issuer.is_some() {
        return Ok(required);
    }
    let now = pawl_engine::Clock::now(&pawl_engine::SystemClock);
    let by = crate::caller::Caller::local().actor;
    let tokens = manage(engine.store().as_ref(), IdentityRequest::Tokens, &by, now).await?;
    let crate::identity::IdentityReply::Tokens(tokens) = tokens else { return Err(ServerError::Nobody) };
    let is_good = |token: &crate::identity::Token| {
        token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > now)
    };
    if tokens.iter().any(|(_, token)| is_good(token)) { Ok(true) } else { Err(ServerError::Nobody) }
}

impl Server {
    /// Begins to listen. What is asked is answered from [`Server::serve`] on.
    pub async fn bind(engine: Engine, config: &ServerConfig) -> Result<Self, ServerError> {
        let required = is_identity_required(&engine, config).await?;
        if let Some(files) = &config.tls {
            files.check().map_err(ServerError::Tls)?;
        }
        config.notify.check(config.public_url.as_deref())?;
        let address = config.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
        let address = listener.local_addr().map_err(ServerError::Serving)?;
        let app = App::new(engine, config, address, required).await?;
        config.notify.prepare(&app.engine).await;
        let (tls, notify) = (config.tls.clone(), config.notify.clone());
        Ok(Self { listener, address, app, tls, notify, named_url: config.public_url.clone() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its addresses begin with.
    pub fn url(&self) -> String {
        self.app.public_url.clone()
    }

    /// Whether who asks must say who they are.
    pub fn requires_identity(&self) -> bool {
        self.app.is_identity_required
    }

    /// What has others be told of approvals while it serves.
    pub fn notifier(&self) -> Notifier {
        Notifier::new(self.app.clone(), self.named_url.clone())
    }

    /// Answers until `end` comes. Then no more is taken, streams end, and what is being answered is answered.
    pub async fn serve(self, end: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let tls = self.tls.as_ref().map(Certificates::begin).transpose().map_err(ServerError::Tls)?;
        crate::sweep::forget_in_time(&self.app);
        self.app.telling.begin(&self.app, &self.notify).await;
        listen::serve(self.listener, tls, self.app, end).await;
        Ok(())
    }
}
