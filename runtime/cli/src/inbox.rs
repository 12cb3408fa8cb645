//! What people do with approvals beside deciding them, as others read it.

use pawl_core::event::Event;
use pawl_core::view::OpenApproval;

use crate::summary::{one_line, payload};

/// What an event of an open approval says, in one line.
pub(crate) fn summary(event: &Event) -> String {
    let comment = |text: &Option<String>| text.as_deref().map(|text| format!(": {}", one_line(text)));
    match event {
        Event::ApprovalClaimed(claimed) => {
            let from = claimed.from.as_deref().map(|from| format!(", taken over from {}", one_line(from)));
            let (id, by, via) = (&claimed.approval, one_line(&claimed.by.name), &claimed.by.via);
            format!("{id} by {by} via {via} until {}{}", claimed.until, from.unwrap_or_default())
        }
        Event::ApprovalReleased(released) => {
            format!("{} by {} via {}", released.approval, one_line(&released.by.name), released.by.via)
        }
        Event::ApprovalDelegated(delegated) => {
            let (id, by) = (&delegated.approval, one_line(&delegated.by.name));
            let of = delegated.instead_of.as_deref().map(|of| format!(" for {}", one_line(of)));
            let (of, to) = (of.unwrap_or_default(), one_line(&delegated.to.join(", ")));
            format!("{id} to {to} by {by}{of}{}", comment(&delegated.comment).unwrap_or_default())
        }
        Event::ApprovalCommented(commented) => {
            let by = one_line(&commented.by.name);
            format!("{} by {by}: {}", commented.approval, one_line(&commented.text))
        }
        Event::ApprovalVoted(voted) => {
            let (id, action, by) = (&voted.approval, one_line(&voted.action), one_line(&voted.by.name));
            let of = voted.instead_of.as_deref().map(|of| format!(" for {}", one_line(of)));
            let (of, data) = (of.unwrap_or_default(), payload(&voted.data));
            let comment = comment(&voted.comment).unwrap_or_default();
            format!("{id} {action} by {by}{of} via {} with {data}{comment}", voted.by.via)
        }
        Event::ApprovalEscalated(escalated) => {
            let to = one_line(&escalated.to.join(", "));
            format!("{} to {to}, level {}", escalated.approval, escalated.level)
        }
        _ => String::new(),
    }
}

/// What there is to know of an open approval beyond its question, as rows of a name and a text.
pub(crate) fn rows(open: &OpenApproval) -> Vec<(&'static str, String)> {
    let (terms, inbox) = (&open.terms, &open.inbox);
    let mut rows = Vec::new();
    if !inbox.escalated_to.is_empty() {
        let to = one_line(&inbox.escalated_to.join(", "));
        rows.push(("escalated", format!("to {to}, level {}", inbox.level)));
    }
    if let Some(next) = inbox.escalates {
        let to = terms.escalate.get(inbox.level as usize).map(|rung| one_line(&rung.to.join(", ")));
        rows.push(("escalates", format!("{next}, to {}", to.unwrap_or_default())));
    }
    if let Some(quorum) = terms.quorum {
        rows.push(("quorum", format!("{quorum} people must choose the same")));
    }
    for vote in &inbox.votes {
        let of = vote.instead_of.as_deref().map(|of| format!(" for {}", one_line(of))).unwrap_or_default();
        let comment = vote.comment.as_deref().map(|text| format!(": {}", one_line(text)));
        let edited = vote.executes.filter(|digest| shown_digest(open) != Some(digest.to_string()));
        let edited = edited.map(|digest| format!(", with other arguments, {digest}")).unwrap_or_default();
        let (action, by) = (one_line(&vote.action), one_line(&vote.by));
        rows.push(("answered", format!("{action}, by {by}{of}{edited}{}", comment.unwrap_or_default())));
    }
    if !terms.not_by.is_empty() {
        let names = one_line(&inbox.excluded.join(", "));
        let names = if names.is_empty() { String::new() } else { format!(": {names}") };
        rows.push(("not by", format!("{}{names}", one_line(&terms.not_by.join(", ")))));
    }
    if !terms.reason.is_empty() {
        rows.push(("reason", format!("needed for {}", one_line(&terms.reason.join(", ")))));
    }
    if let Some(claim) = &inbox.claim {
        rows.push(("claimed", format!("by {} until {}", one_line(&claim.by), claim.until)));
    }
    for delegation in &inbox.delegations {
        let (to, by) = (one_line(&delegation.to.join(", ")), one_line(&delegation.by));
        rows.push(("delegated", format!("to {to}, by {by}")));
    }
    if inbox.comments > 0 {
        rows.push(("comments", inbox.comments.to_string()));
    }
    rows
}

/// The digest of the guarded call that a question shows.
fn shown_digest(open: &OpenApproval) -> Option<String> {
    open.subject.as_ref()?.get("digest")?.as_str().map(str::to_owned)
}
