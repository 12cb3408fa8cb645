//! What a server may ask of pawl, and what it tells by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ErrorData, FormElicitationCapability, Implementation,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use tokio::sync::oneshot;

use crate::asking::{Asked, Callers};
use crate::result::cut;

/// The longest that is kept of a question or a line, in bytes.
pub(crate) const LINE_MAX_BYTES: usize = 1 << 10;

/// What is known of a connection beside its answers.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The server says that its tools are others now.
    pub(crate) changed: AtomicBool,
    /// It sent more at once than is taken.
    pub(crate) flooded: AtomicBool,
    /// What it last wanted to ask a person.
    asked: Mutex<Option<String>>,
}

impl Notes {
    pub(crate) fn asks(&self, question: String) {
        let question = cut(question, LINE_MAX_BYTES);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(question);
    }

    pub(crate) fn take_asked(&self) -> Option<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers a server. What it may ask is forms for people, where its operator lets it; anything else is refused.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) notes: Arc<Notes>,
    /// The calls for which it may ask.
    pub(crate) callers: Arc<Callers>,
    /// Whether it may.
    pub(crate) asks: bool,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = self
            .asks
            .then(|| ElicitationCapability::default().with_form(FormElicitationCapability::default()));
        ClientConfig::new(capabilities, Implementation::new("pawl", env!("CARGO_PKG_VERSION")))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let refused = |message: String, why: &str| {
            self.notes.asks(message);
            Err(ErrorData::invalid_request(format!("pawl takes no such question: {why}"), None))
        };
        let (message, schema) = match request {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } if self.asks => {
                (message, serde_json::to_value(requested_schema).unwrap_or_default())
            }
            ElicitRequestParams::FormElicitationParams { message, .. } => {
                return refused(message, "the operator does not let this server ask people");
            }
            ElicitRequestParams::UrlElicitationParams { message, .. } => {
                return refused(message, "it shows people no addresses");
            }
            _ => return refused(String::new(), "its form is not known"),
        };
        let shown = message.clone();
        let (reply, given) = oneshot::channel();
        let asked = async {
            match self.callers.hand_over(Asked { message, schema, reply }).await {
                Ok(()) => Ok(given.await.unwrap_or_else(|_| ElicitResult::new(ElicitationAction::Cancel))),
                Err(why) => refused(shown, why),
            }
        };
        tokio::select! {
            answered = asked => answered,
            () = context.ct.cancelled() => Err(ErrorData::invalid_request("the question was taken back", None)),
        }
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.notes.changed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn servers_are_told_that_they_may_ask_for_forms_and_nothing_else() {
        let told = |asks| {
            let handler = Handler { notes: Arc::default(), callers: Arc::default(), asks };
            serde_json::to_value(handler.get_info().capabilities).unwrap()
        };
        assert_eq!(told(false), json!({}));
        assert_eq!(told(true), json!({ "elicitation": { "form": {} } }));
    }

    #[test]
    fn what_was_refused_is_kept_in_short() {
        let notes = Notes::default();
        notes.asks("ä".repeat(LINE_MAX_BYTES));
        let asked = notes.take_asked().unwrap();
        assert!(asked.len() <= LINE_MAX_BYTES + 3 && notes.take_asked().is_none());
    }
}
