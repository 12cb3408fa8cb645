//! What every request is answered with.

use std::sync::Arc;

use pawl_core::Timestamp;
use pawl_engine::{Clock as _, Engine, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::limits::{Places, ServerLimits};
use crate::server::ServerConfig;
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
    /// How runs are told.
    pub(crate) teller: Arc<dyn Teller>,
    /// When the server began.
    pub(crate) began: Timestamp,
    /// Cancelled when the server takes no more requests: streams end then.
    pub(crate) closing: CancellationToken,
}

impl App {
    pub(crate) fn new(engine: Engine, config: &ServerConfig) -> Self {
        let closing = CancellationToken::new();
        let changes = Changes::begin(&engine, closing.clone());
        let hub = Hub::begin(&engine, closing.clone());
        let limits = config.limits.clone();
        let places = Places::new(&limits);
        let (teller, began) = (Arc::clone(&config.teller), now());
        Self(Arc::new(Parts { engine, changes, hub, limits, places, teller, began, closing }))
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
