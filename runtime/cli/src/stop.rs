//! SIGINT and SIGTERM: every command ends by them, whatever it waits for.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;
use crate::fault::Fault;

/// How long a command that was stopped may take to say where things stand, in milliseconds.
const LAST_WORDS_MAX_MS: u64 = 1_000;

/// The signals that have come.
#[derive(Debug, Clone, Copy, Default)]
struct Came {
    first: Option<Exit>,
    count: u32,
}

/// Tells whether a signal that ends this process has come. Clones tell the same.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    came: watch::Receiver<Came>,
}

impl Stop {
    /// From now on signals do not end this process by themselves.
    pub(crate) fn listen() -> Result<Self, Fault> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| {
                Fault::failed(format!("cannot listen to signals: {error}"))
                    .hint("check how many files this process may open (`ulimit -n`)")
            })
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let (tell, came) = watch::channel(Came::default());
        tokio::spawn(async move {
            loop {
                let exit = tokio::select! {
                    _ = interrupt.recv() => Exit::INTERRUPTED,
                    _ = terminate.recv() => Exit::TERMINATED,
                };
                tell.send_modify(|came| {
                    came.first.get_or_insert(exit);
                    came.count += 1;
                });
            }
        });
        Ok(Self { came })
    }

    /// Never tells anything: for what is ended from outside.
    pub(crate) fn never() -> Self {
        Self { came: watch::channel(Came::default()).1 }
    }

    /// Returns when a signal has come.
    pub(crate) async fn wait(&mut self) -> Exit {
        let came = self.came.wait_for(|came| came.first.is_some()).await.map(|came| came.first);
        match came {
            Ok(first) => first.unwrap_or(Exit::TERMINATED),
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns when a second signal has come.
    pub(crate) async fn again(&mut self) -> Exit {
        match self.came.wait_for(|came| came.count > 1).await.map(|came| came.first) {
            Ok(first) => first.unwrap_or(Exit::TERMINATED),
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns some time after a signal has come, or when a second one has.
    pub(crate) async fn overdue(&mut self) -> Exit {
        let exit = self.wait().await;
        let again = self.came.wait_for(|came| came.count > 1);
        // Either way it is over.
        let _ = tokio::time::timeout(Duration::from_millis(LAST_WORDS_MAX_MS), again).await;
        exit
    }
}
