//! A replay that does not follow its journal: what the error says.

use pawl_core::call::CallRequest;
use pawl_core::event::Event;
use pawl_core::{Digest, Failure, FailureKind, RunId, VisitId};

use crate::driver::Context;
use crate::journal;

/// How much of a request an error shows.
const SHOWN_MAX_BYTES: usize = 4 * 1024;

/// The error of a replay that asks for something else; shows both requests.
pub(super) async fn diverged(
    context: &Context,
    (run, visit, call): (RunId, VisitId, u32),
    request: &CallRequest,
    recorded: Digest,
) -> Failure {
    let before = recorded_request(context, run, visit, call).await;
    let before = before.unwrap_or_else(|| format!("a request with digest {recorded}"));
    Failure::new(
        FailureKind::Diverged,
        format!(
            "call {call} of the agent differs from the journal: recorded {before}, now {}; \
             the agent's code must be deterministic between its calls",
            shown(request.to_json().to_string())
        ),
    )
}

/// The error of a replay that asks for less.
pub(super) async fn ended_early(context: &Context, run: RunId, visit: VisitId, made: u32) -> Failure {
    let left = recorded_request(context, run, visit, made.saturating_add(1)).await;
    Failure::new(
        FailureKind::Diverged,
        format!(
            "the agent ended after call {made}, and the journal goes on: recorded {}, now nothing; \
             the agent's code must be deterministic between its calls",
            left.unwrap_or_else(|| "another call".to_owned())
        ),
    )
}

/// The request of a recorded call, as errors show it.
async fn recorded_request(context: &Context, run: RunId, visit: VisitId, call: u32) -> Option<String> {
    let (this_visit, this_call) = (visit, call);
    let history = journal::read(context.store.as_ref(), run).await.ok()?;
    let request = history.envelopes.into_iter().rev().find_map(|envelope| match envelope.event {
        Event::CallStarted { visit, call, request, .. }
        | Event::CallCompleted { visit, call, request: Some(request), .. }
            if visit == this_visit && call == this_call =>
        {
            Some(request)
        }
        Event::BudgetExceeded(exceeded) if exceeded.visit == visit && exceeded.call == Some(call) => {
            exceeded.request
        }
        Event::ToolAsked(asked) if asked.visit == visit && asked.call == Some(call) => asked.request,
        _ => None,
    });
    Some(shown(request?.to_json().to_string()))
}

/// A request as errors show it: they are for people, and stand in the journal.
fn shown(mut request: String) -> String {
    if request.len() > SHOWN_MAX_BYTES {
        request.truncate(request.floor_char_boundary(SHOWN_MAX_BYTES));
        request.push_str(" […]");
    }
    request
}
