//! What a server asks people while it is called, up to 2025-11-25: a request of its own, in the middle of a call.
//!
//! These protocols do not say for which of the calls under way a server asks. With one it is clear. With several the
//! question waits until the others are done; where all of them wait for answers, one is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ElicitResult, ElicitationAction};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

/// A question that a server waits for the answer of.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) message: String,
    pub(crate) schema: Value,
    /// Dropped, it is as if the person had cancelled.
    pub(crate) reply: oneshot::Sender<ElicitResult>,
}

/// The calls under way on a connection, for which its server may ask.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<u64, mpsc::UnboundedSender<Asked>>,
    next: u64,
    /// How many questions wait for the other calls to be done.
    waiting: usize,
}

/// A call under way. It is none any more when this is dropped.
#[derive(Debug)]
pub(crate) struct Caller {
    callers: Arc<Callers>,
    id: u64,
    tell: mpsc::UnboundedSender<Asked>,
}

/// A question that waits, counted as long as it does.
struct Waiting<'a>(&'a Callers);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Callers {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins; its questions come out of what is given with it.
    pub(crate) fn begin(self: &Arc<Self>) -> (Caller, mpsc::UnboundedReceiver<Asked>) {
        let (tell, asked) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.calls.insert(id, tell.clone());
        drop(state);
        (Caller { callers: Arc::clone(self), id, tell }, asked)
    }

    /// Hands a question to the call that it belongs to; why not, where that cannot be known.
    pub(crate) async fn hand_over(&self, asked: Asked) -> Result<(), &'static str> {
        self.state().waiting += 1;
        let waiting = Waiting(self);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let only = {
                let state = self.state();
                match state.calls.values().next() {
                    None => return Err("there is no call in which it could be asked"),
                    Some(call) if state.calls.len() == 1 => Some(call.clone()),
                    Some(_) if state.waiting >= state.calls.len() => {
                        return Err(
                            "several calls ask at once, and the protocol does not say which asks what",
                        );
                    }
                    Some(_) => None,
                }
            };
            if let Some(call) = only {
                drop(waiting);
                return call.send(asked).map_err(|_| "its call is over");
            }
            changed.await;
        }
    }
}

impl Caller {
    /// Nobody works on it: its server waits for an answer.
    pub(crate) fn rests(&self) {
        self.callers.state().calls.remove(&self.id);
        self.callers.changed.notify_waiters();
    }

    /// It goes on.
    pub(crate) fn goes_on(&self) {
        self.callers.state().calls.insert(self.id, self.tell.clone());
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.rests();
    }
}

/// An answer as the protocol has it.
pub(crate) fn result(action: &str, data: &Value) -> ElicitResult {
    match action {
        pawl_core::elicit::ACCEPT => ElicitResult::new(ElicitationAction::Accept).with_content(data.clone()),
        pawl_core::elicit::DECLINE => ElicitResult::new(ElicitationAction::Decline),
        _ => ElicitResult::new(ElicitationAction::Cancel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(message: &str) -> (Asked, oneshot::Receiver<ElicitResult>) {
        let (reply, given) = oneshot::channel();
        (Asked { message: message.to_owned(), schema: json!({}), reply }, given)
    }

    #[tokio::test]
    async fn a_question_belongs_to_the_only_call_that_it_can_belong_to() {
        let callers = Arc::<Callers>::default();
        let (question, _given) = asked("nobody");
        assert!(callers.hand_over(question).await.unwrap_err().contains("no call"));
        let (one, mut of_one) = callers.begin();
        let (two, _of_two) = callers.begin();
        let (question, _given) = asked("which?");
        let handing = tokio::spawn({
            let callers = Arc::clone(&callers);
            async move { callers.hand_over(question).await }
        });
        while callers.state().waiting == 0 {
            tokio::task::yield_now().await;
        }
        // Both ask: the second is refused, and the first waits on.
        let (question, _given) = asked("and which?");
        assert!(callers.hand_over(question).await.unwrap_err().contains("several calls"));
        assert!(of_one.try_recv().is_err());
        two.rests();
        handing.await.unwrap().unwrap();
        assert_eq!(of_one.recv().await.unwrap().message, "which?");
        // A call that rests is none of those that ask, and is again when it goes on.
        one.rests();
        two.goes_on();
        one.goes_on();
        assert_eq!(callers.state().calls.len(), 2);
        drop((one, two));
        assert!(callers.state().calls.is_empty());
    }
}
