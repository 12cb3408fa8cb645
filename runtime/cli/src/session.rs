//! What a command works with: the data folder, the way to its runs, and whether it serves others.

use crate::backend::{self, Backend, Listener};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::Output;
use crate::place::Place;
use crate::stop::Stop;

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) place: Place,
    pub(crate) out: Output,
    pub(crate) stop: Stop,
    /// Whether what models say is shown while they say it.
    pub(crate) aloud: bool,
    serves: bool,
    // Before the backend: while there is a socket, this process holds the store.
    listener: Option<Listener>,
    pub(crate) backend: Backend,
}

impl Session {
    /// For a command that looks, or changes something and ends.
    pub(crate) async fn open(place: Place, out: Output) -> Result<Self, Fault> {
        Self::new(place, out, Stop::never(), false).await
    }

    /// For a command that drives runs: meanwhile, others get their work done through it.
    pub(crate) async fn serving(place: Place, out: Output, stop: Stop) -> Result<Self, Fault> {
        Self::new(place, out, stop, true).await
    }

    /// For runs that nothing is kept of, on a place whose plugins are used.
    pub(crate) async fn in_memory(mut place: Place, out: Output, stop: Stop) -> Result<Self, Fault> {
        let backend = Box::pin(backend::in_memory(&place)).await?;
        place.ephemeral = true;
        Ok(Self { place, out, stop, aloud: false, serves: false, listener: None, backend })
    }

    async fn new(place: Place, out: Output, stop: Stop, serves: bool) -> Result<Self, Fault> {
        let backend = Box::pin(backend::open(&place)).await?;
        let mut session = Self { place, out, stop, aloud: false, serves, listener: None, backend };
        session.listen();
        Ok(session)
    }

    fn listen(&mut self) {
        if let (true, false, Backend::Direct(service)) = (self.serves, self.place.ephemeral, &self.backend) {
            self.listener = Listener::open(service, &self.place);
        }
    }

    /// Whether another process holds the data folder.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self.backend, Backend::Remote(..))
    }

    /// Reaches the runs again after the process that held the folder has gone.
    pub(crate) async fn reopen(&mut self) -> Result<(), Fault> {
        self.backend = Box::pin(backend::open(&self.place)).await?;
        self.listen();
        Ok(())
    }

    /// Ends well or with a fault. The fault is told first: what others have under way may take long.
    pub(crate) async fn end(self, ended: Result<Exit, Fault>) -> Result<Exit, Fault> {
        let out = self.out;
        let exit = ended.unwrap_or_else(|fault| {
            out.fault(&fault);
            fault.exit()
        });
        self.close(exit).await;
        Ok(exit)
    }

    /// Ends at once: whatever is under way goes on after the next start.
    pub(crate) async fn cut_off(self) {
        drop(self.listener);
        self.backend.close().await;
    }

    /// Those who were served meanwhile are not left in the middle of a step.
    async fn close(self, exit: Exit) {
        match (self.listener, exit) {
            (Some(listener), Exit::Signal(_)) => drop(listener),
            (Some(listener), _) => listener.close(self.out).await,
            (None, _) => {}
        }
        self.backend.close().await;
    }
}
