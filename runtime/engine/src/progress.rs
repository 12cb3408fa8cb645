//! What plugins say of their progress, on its way to whoever follows the run right now.

use pawl_core::{RunId, StepId, VisitId};
use pawl_models::Listener;
use pawl_sandbox::Progress;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Notes that a follower may lag behind before it misses some.
const NOTES_MAX: usize = 256;

/// How far a step is, in its plugin's words. Not in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressNote {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The visit; that of an agent, where one of its tools says it.
    pub visit: VisitId,
    /// What it does.
    pub note: String,
    /// How much of it is done, from 0 to 1.
    pub fraction: Option<f64>,
}

/// What a model says to an agent, while it says it. Not in the journal; its answer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The agent's visit.
    pub visit: VisitId,
    /// The number of the call.
    pub call: u32,
    /// The next words. When a request is made again, they begin again.
    pub text: String,
}

/// The way of all notes, and of what models say.
#[derive(Debug)]
pub(crate) struct ProgressHub(broadcast::Sender<ProgressNote>, broadcast::Sender<Said>);

impl ProgressHub {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(NOTES_MAX), broadcast::Sender::new(NOTES_MAX))
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<ProgressNote> {
        self.0.subscribe()
    }

    pub(crate) fn listen_to_models(&self) -> broadcast::Receiver<Said> {
        self.1.subscribe()
    }

    /// Who hears what a model says in a call, if anybody does.
    pub(crate) fn listener(
        &self,
        run: RunId,
        step: &StepId,
        (visit, call): (VisitId, u32),
    ) -> Option<Listener> {
        let (sender, step) = (self.1.clone(), step.clone());
        (sender.receiver_count() > 0).then(|| {
            Listener::new(move |text| {
                // Whoever listened is gone: that is no error.
                let _ = sender.send(Said { run, step: step.clone(), visit, call, text: text.to_owned() });
            })
        })
    }

    /// Tells what is said in a visit.
    pub(crate) fn of(
        &self,
        run: RunId,
        step: &StepId,
        visit: VisitId,
    ) -> impl Fn(Progress) + Send + Sync + use<> {
        let (sender, step) = (self.0.clone(), step.clone());
        move |Progress { note, fraction }| {
            // Nobody listens: that is no error.
            let _ = sender.send(ProgressNote { run, step: step.clone(), visit, note, fraction });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast::error::TryRecvError;

    #[test]
    fn who_lags_behind_misses_notes_and_hears_the_latest() {
        let hub = ProgressHub::new();
        let mut heard = hub.listen();
        let tell = hub.of(RunId::from_bytes([1; 16]), &StepId::new("go"), VisitId(1));
        for number in 0..NOTES_MAX + 10 {
            tell(Progress { note: number.to_string(), fraction: None });
        }
        assert_eq!(heard.try_recv(), Err(TryRecvError::Lagged(10)));
        assert_eq!(heard.try_recv().map(|note| note.note), Ok("10".to_owned()));
    }
}
