//! SIGINT and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::fault::Fault;

/// Waits for a signal that ends this process.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Fault> {
        let listen = |kind: SignalKind| {
            signal(kind).map_err(|error| Fault::failed(format!("cannot listen to signals: {error}")))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Returns when a signal has come.
    pub(crate) async fn wait(&mut self) -> Exit {
        let number = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        Exit::Signal(u8::try_from(number.as_raw_value()).unwrap_or(15))
    }
}
