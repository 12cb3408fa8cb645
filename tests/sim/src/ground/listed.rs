//! What the store lists of a run, kept here as its commits change it, against what the journal gives.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::event::Awaited;
use pawl_core::state::Activity;
use pawl_core::view::OpenApproval;
use pawl_core::{ApprovalId, Ticket, VisitId};
use pawl_store::{RunCommit, Subscription};

use super::Followed;

/// What the store lists of a run.
#[derive(Debug, Default)]
pub(super) struct Listed {
    approvals: BTreeMap<ApprovalId, OpenApproval>,
    tickets: BTreeMap<Option<VisitId>, Ticket>,
    subscriptions: BTreeSet<Subscription>,
}

impl Listed {
    /// The key of a slot that is held or waited for.
    pub(super) fn slot(&self) -> Option<&str> {
        self.tickets.values().next().map(|ticket| ticket.key.as_str())
    }

    /// The topics that are waited for.
    pub(super) fn patterns(&self) -> impl Iterator<Item = (&str, VisitId)> {
        self.subscriptions.iter().map(|one| (one.pattern.as_str(), one.visit))
    }
}

impl Followed {
    /// Takes in what a commit changes of the lists; says what is not as the journal gives it then.
    pub(super) fn list(&mut self, commit: &RunCommit) -> Vec<String> {
        let Listed { approvals, tickets, subscriptions } = &mut self.listed;
        approvals.extend(commit.opened.iter().map(|open| (open.id.clone(), open.clone())));
        approvals.retain(|id, _| !commit.closed.contains(id));
        tickets.retain(|visit, _| !commit.returned.contains(visit));
        tickets.extend(commit.tickets.iter().map(|ticket| (ticket.visit, ticket.clone())));
        subscriptions.retain(|one| !commit.unsubscribed.contains(one));
        subscriptions.extend(commit.subscribed.iter().cloned());

        let state = &self.state;
        let open = state.approvals().filter_map(|(id, _)| Some((id.clone(), state.open_approval(id)?)));
        let waits = state.active().filter_map(|(visit, at)| match &at.activity {
            Activity::Listening(Awaited::Topic(pattern), _) => {
                Some(Subscription { pattern: pattern.clone(), visit })
            }
            _ => None,
        });
        let as_given = [
            ("open approvals", *approvals == open.collect()),
            ("slots", *tickets == state.tickets().map(|ticket| (ticket.visit, ticket)).collect()),
            ("waits for topics", *subscriptions == waits.collect()),
        ];
        let wrong = as_given.into_iter().filter(|(_, is_right)| !is_right);
        let run = state.id();
        wrong
            .map(|(what, _)| format!("the {what} of run {run} are not listed as its journal gives them"))
            .collect()
    }
}
