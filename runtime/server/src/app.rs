//! What every request is answered with.

use std::sync::Arc;

use pawl_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::stream::Changes;

/// What every request is answered with. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

/// The parts of [`App`].
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    /// What changed, for all who listen.
    pub(crate) changes: Changes,
    /// Cancelled when the server takes no more requests: streams end then.
    pub(crate) closing: CancellationToken,
}

impl App {
    pub(crate) fn new(engine: Engine) -> Self {
        let closing = CancellationToken::new();
        let changes = Changes::begin(&engine, closing.clone());
        Self(Arc::new(Parts { engine, changes, closing }))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
