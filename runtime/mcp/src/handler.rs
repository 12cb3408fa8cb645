//! What a server may ask of pawl, and what it tells by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::ClientHandler;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ErrorData, Implementation,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};

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

/// Answers a server. It is told that pawl takes no questions; one that asks all the same is refused.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) notes: Arc<Notes>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("pawl", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let (ElicitRequestParams::FormElicitationParams { message, .. }
        | ElicitRequestParams::UrlElicitationParams { message, .. }) = request
        else {
            return Err(ErrorData::invalid_request("pawl takes no questions from servers", None));
        };
        self.notes.asks(message);
        Err(ErrorData::invalid_request("pawl takes no questions from servers", None))
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
    fn servers_are_told_that_pawl_can_do_nothing_for_them() {
        let handler = Handler { notes: Arc::default() };
        assert_eq!(serde_json::to_value(handler.get_info().capabilities).unwrap(), json!({}));
        handler.notes.asks("ä".repeat(LINE_MAX_BYTES));
        let asked = handler.notes.take_asked().unwrap();
        assert!(asked.len() <= LINE_MAX_BYTES + 3 && handler.notes.take_asked().is_none());
    }
}
