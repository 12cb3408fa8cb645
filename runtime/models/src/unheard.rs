//! Tries of which nobody knows whether the server has answered them: each may be paid for.

use pawl_core::Failure;
use pawl_core::chat::UNHEARD;
use serde_json::json;

/// A failure of a try that had reached the server, and whose answer did not come or broke off.
pub(crate) fn unheard(failure: Failure) -> Failure {
    Failure { details: Some(json!({ UNHEARD: 1 })), ..failure }
}

pub(crate) fn is_unheard(failure: &Failure) -> bool {
    failure.details.as_ref().is_some_and(|details| details.get(UNHEARD).is_some())
}
