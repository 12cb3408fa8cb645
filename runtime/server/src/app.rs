//! What every request is answered with.

use std::net::SocketAddr;
use std::sync::Arc;

use pawl_core::Timestamp;
use pawl_engine::{Clock as _, Engine, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::api::runs::Turns;
use crate::guard::{Doors, Rates};
use crate::identity::Issuer;
use crate::limits::{Places, ServerLimits};
use crate::links::LinkKey;
use crate::notify::Telling;
use crate::server::{ServerConfig, ServerError};
use crate::stream::{Changes, Hub};
use crate::teller::Teller;

/// What every request is answered with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of [`App`].
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    /// What changed, for all who listen.
    pub(crate) changes: Changes,
    /// Who follows which run.
    pub(crate) hub: Hub,
    /// What is taken at most.
    pub(crate) limits: ServerLimits,
    /// Places for what is under way.
    pub(crate) places: Places,
    /// Whose turn it is to start a run.
    pub(crate) turns: Turns,
    /// How runs are told.
    pub(crate) teller: Arc<dyn Teller>,
    /// When the server began.
    pub(crate) began: Timestamp,
    /// Cancelled when the server takes no more requests: streams end then.
    pub(crate) closing: CancellationToken,
    /// Whether who says nothing of themselves is turned away.
    pub(crate) is_identity_required: bool,
    /// Whose tokens are taken beside pawl's own.
    pub(crate) issuer: Option<Issuer>,
    /// Which hosts and pages are let through.
    pub(crate) doors: Doors,
    /// What callers have left.
    pub(crate) rates: Rates,
    /// What links are signed with.
    pub(crate) links: LinkKey,
    /// What links begin with.
    pub(crate) public_url: String,
    /// Who is told of approvals.
    pub(crate) telling: Telling,
    /// Whether connections are over TLS.
    pub(crate) is_tls: bool,
}

impl App {
    pub(crate) async fn new(
        engine: Engine,
        config: &ServerConfig,
        address: SocketAddr,
        is_identity_required: bool,
    ) -> Result<Self, ServerError> {
        let closing = CancellationToken::new();
        let limits = config.limits.clone();
        let changes = Changes::begin(&engine, limits.stream_lag_max, closing.clone()).await?;
        let hub = Hub::begin(&engine, closing.clone());
        let places = Places::new(&limits);
        let (teller, began) = (Arc::clone(&config.teller), now());
        let is_tls = config.tls.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let public_url = config.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self(Arc::new(Parts {
            engine,
            changes,
            hub,
            limits,
            places,
            turns: Turns::default(),
            teller,
            began,
            closing,
            is_identity_required,
            issuer: config.issuer.clone().map(Issuer::new),
            doors: Doors::new(address, &config.hosts, &config.origins),
            rates: Rates::new(config.token_requests_per_second_max),
            links: LinkKey::load(config.link_key.as_deref())?,
            public_url: public_url.unwrap_or_else(|| format!("{scheme}://{address}")),
            telling: Telling::default(),
            is_tls,
        })))
    }
}

/// What the clock says.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
