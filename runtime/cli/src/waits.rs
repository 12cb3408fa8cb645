//! What a run waits for, in one line.

use pawl_core::view::{OpenApproval, RunHeader, Status, Waiting};

use crate::command::runs::notable;
use crate::story::Story;
use crate::summary::one_line;

/// What a run waits for, with what happens then; nothing where it does not wait.
pub(crate) fn what(header: &RunHeader, story: &Story, approvals: &[OpenApproval]) -> Option<String> {
    let waiting = header.waiting.as_ref().filter(|_| header.status == Status::Waiting)?;
    Some(match waiting {
        Waiting::Approval { approval, step, title } => {
            let open = approvals.iter().find(|open| open.id == *approval);
            let by = open.and_then(|open| Some((open.due?, open.on_timeout.as_deref()?)));
            let by = by.map(|(due, action)| format!("; if nobody answers, '{}' at {due}", one_line(action)));
            let more = match approvals.len() {
                0 | 1 => String::new(),
                count => format!("; {} more wait for a person", count - 1),
            };
            format!("a person at {step}: {}{}{more}", one_line(title), by.unwrap_or_default())
        }
        Waiting::Timer { step, reason, until } if reason == "retry" => {
            let waits = |found: &&crate::story::Step| {
                found.status == Status::Waiting && found.id.split('[').next() == Some(step.as_str())
            };
            let (attempt, why) = story.steps().find(waits).map_or_else(Default::default, |found| {
                (format!(" {} of", found.attempts + 1), format!("; the last failed: {}", found.note))
            });
            format!("attempt{attempt} {step} at {until}{why}")
        }
        _ => notable(header),
    })
}
