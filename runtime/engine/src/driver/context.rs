//! What the driver and its attempts share.

use std::sync::Arc;

use pawl_core::{Command, RunId};
use pawl_store::Store;
use tokio::sync::{Mutex, RwLock, Semaphore, broadcast, mpsc};

use super::message::{Acknowledged, Message, Queued, Reply};
use crate::metrics::Metrics;
use crate::operator::Standing;
use crate::plugins::Catalog;
use crate::plugins::acceptance::Covered;
use crate::progress::ProgressHub;
use crate::routes::Routes;
use crate::workflow::Definitions;
use crate::{EngineConfig, EngineError};

/// What the driver and its attempts share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) definitions: Definitions,
    /// The plugins that are known to ask for no more than was accepted.
    pub(crate) covered: Covered,
    pub(crate) config: EngineConfig,
    /// What the operator said last.
    pub(crate) standing: Standing,
    /// How plugins did of late, for who chooses among them.
    pub(crate) routes: Routes,
    pub(crate) mailbox: Mailbox,
    /// What is counted while it runs.
    pub(crate) metrics: Arc<Metrics>,
    /// What plugins say of their progress.
    pub(crate) progress: ProgressHub,
    /// Tells followers which run has new events, as long as the loop runs.
    pub(crate) grown: broadcast::WeakSender<RunId>,
    /// Bounds how many journals are read at once.
    pub(crate) loads: Semaphore,
    /// Held while runs and blobs are removed: one after the other.
    pub(crate) pruning: Mutex<()>,
    /// Shared by whoever makes a run of another, from reading that one to its own first commit; taken alone while
    /// runs are removed. So what the new run names by way of the other is in one of their journals all the time.
    pub(crate) made_of: RwLock<()>,
}

impl Context {
    /// Whether the loop runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.grown.upgrade().is_some()
    }
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

    /// Sends a command at once; the answer comes when it is durable or refused.
    pub(crate) fn call(
        &self,
        run: RunId,
        command: Command,
    ) -> impl Future<Output = Result<Acknowledged, EngineError>> + Send + 'static {
        let (reply, answer) = Reply::new(None);
        self.send(Message::Command { run, queued: Queued::answered(command, reply) });
        async move { answer.await.map_err(|_| EngineError::Closed)? }
    }
}

/// Leaves a message if the task that holds it panics: without it, what waits
/// for the task would wait for ever.
#[derive(Debug)]
pub(super) struct OnPanic<F: FnOnce() -> Message> {
    mailbox: Mailbox,
    message: Option<F>,
}

impl<F: FnOnce() -> Message> OnPanic<F> {
    pub(super) fn new(mailbox: &Mailbox, message: F) -> Self {
        Self { mailbox: mailbox.clone(), message: Some(message) }
    }
}

impl<F: FnOnce() -> Message> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(message) = self.message.take()
        {
            self.mailbox.send(message());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_is_heard_of_and_one_that_is_stopped_is_not() {
        let (inside, mut heard) = mpsc::unbounded_channel();
        let mailbox = Mailbox::new(inside);
        for panics in [false, true] {
            let guard = OnPanic::new(&mailbox, || Message::TimeHasCome);
            let task = tokio::spawn(async move {
                assert!(!panics, "as it should");
                drop(guard);
            });
            assert_eq!(task.await.is_err(), panics);
            assert_eq!(matches!(heard.try_recv(), Ok(Message::TimeHasCome)), panics);
        }
    }
}
