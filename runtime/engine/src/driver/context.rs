//! What the driver and its attempts share.

use std::sync::Arc;

use pawl_core::{Command, RunId};
use pawl_store::Store;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::message::{Acknowledged, Message, Queued};
use crate::plugins::Catalog;
use crate::workflow::Definitions;
use crate::{EngineConfig, EngineError};

/// What the driver and its attempts share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
    pub(crate) definitions: Definitions,
    pub(crate) config: EngineConfig,
    pub(crate) mailbox: Mailbox,
    /// Tells followers which run has new events.
    pub(crate) grown: broadcast::Sender<RunId>,
}

/// The way to the driver from inside the engine. Never waits: what is inside was accepted before.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    inside: mpsc::UnboundedSender<Message>,
}

impl Mailbox {
    pub(crate) const fn new(inside: mpsc::UnboundedSender<Message>) -> Self {
        Self { inside }
    }

    /// Leaves a message. When the driver is gone, so is everyone who would care.
    pub(crate) fn send(&self, message: Message) {
        let _ = self.inside.send(message);
    }

    /// Sends a command and waits until it is durable or refused.
    pub(crate) async fn call(&self, run: RunId, command: Command) -> Result<Acknowledged, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Command { run, queued: Queued { command, reply: Some(reply) } });
        answer.await.map_err(|_| EngineError::Closed)?
    }
}
