//! An approval as the run knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::RunState;
use crate::call::Question;
use crate::event::{Actor, ApprovalDecided, ApprovalOpened, ApprovalVoted, Asker, Event};
use crate::inbox::{Claim, Delegation, Inbox, Vote};
use crate::{ApprovalId, Digest, Duration, Timestamp, VisitId};

/// An approval, open or closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// The visit that asks.
    pub visit: VisitId,
    /// What it is about.
    pub asker: Asker,
    /// What is asked.
    pub question: Question,
    /// SHA-256 of the question.
    pub digest: Digest,
    /// When `on_timeout` is taken.
    pub due: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What was chosen, and by whom; nothing while it is open.
    pub decision: Option<(String, String)>,
    /// The attempt of the visit that asks.
    pub attempt: u32,
    /// What was allowed of a guarded call, SHA-256 of tool and arguments, and by whom.
    pub allowed: Option<(Digest, Actor)>,
    /// Whether it can still be decided.
    pub open: bool,
    /// How far it is.
    pub inbox: Inbox,
    /// What was filled in with each of the answers that stand.
    pub filled: Vec<Arc<Value>>,
    /// Everyone who ever answered, and in whose place.
    pub answered: BTreeSet<String>,
    /// How often it was claimed.
    pub claims: u32,
    /// How many answers did not decide it, those that stand no more counted.
    pub votes: u32,
    /// When the time of its escalation began: when it was opened, but for the time that the run stood still.
    pub asked_at: Timestamp,
}

impl Approval {
    pub(super) fn opened(time: Timestamp, opened: &ApprovalOpened, attempt: u32) -> Self {
        let inbox = Inbox {
            escalates: opened.question.terms.escalate.first().map(|rung| time.after(rung.after)),
            excluded: opened.excluded.clone(),
            ..Inbox::default()
        };
        Self {
            visit: opened.visit,
            asker: opened.asker,
            question: opened.question.clone(),
            digest: opened.digest,
            due: opened.due,
            opened_at: time,
            decision: None,
            attempt,
            allowed: None,
            open: true,
            inbox,
            filled: Vec::new(),
            answered: BTreeSet::new(),
            claims: 0,
            votes: 0,
            asked_at: time,
        }
    }

    /// The answers so far were given to another run, and so was the claim.
    pub(super) fn begin_anew(&mut self) {
        self.inbox.votes.clear();
        self.filled.clear();
        self.inbox.claim = None;
    }

    pub(super) const fn shut(&mut self) {
        self.open = false;
    }

    /// Everything that is due is due so much later.
    pub(super) fn move_due(&mut self, by: Duration) {
        self.due = self.due.map(|due| due.after(by));
        self.asked_at = self.asked_at.after(by);
        self.inbox.escalates = self.inbox.escalates.map(|at| at.after(by));
        if let Some(claim) = &mut self.inbox.claim {
            claim.until = claim.until.after(by);
        }
    }

    /// The answer that decides it is one of those that were given.
    pub(super) fn settle(&mut self, time: Timestamp, decided: &ApprovalDecided) {
        self.inbox.claim = None;
        if decided.by == Actor::timer() {
            return;
        }
        let ApprovalDecided { action, by, instead_of, comment, executes, data, .. } = decided;
        self.take_vote(
            Vote {
                action: action.clone(),
                by: by.name.clone(),
                instead_of: instead_of.clone(),
                comment: comment.clone(),
                at: time,
                executes: *executes,
            },
            data.share(),
        );
    }

    /// Answers that allow other arguments stand no more: nobody has allowed what is allowed now but who says so.
    fn take_vote(&mut self, vote: Vote, data: Arc<Value>) {
        if let Some(executes) = vote.executes {
            let differs = |vote: &Vote| vote.executes.is_some_and(|other| other != executes);
            let stands: Vec<bool> = self.inbox.votes.iter().map(|vote| !differs(vote)).collect();
            let mut kept = stands.iter();
            self.filled.retain(|_| kept.next().is_none_or(|stands| *stands));
            self.inbox.votes.retain(|vote| !differs(vote));
        }
        self.answered.insert(vote.by.clone());
        self.answered.extend(vote.instead_of.clone());
        self.inbox.votes.push(vote);
        self.filled.push(data);
    }

    fn vote(&mut self, time: Timestamp, voted: &ApprovalVoted) {
        let ApprovalVoted { action, by, instead_of, comment, executes, data, .. } = voted;
        let vote = Vote {
            action: action.clone(),
            by: by.name.clone(),
            instead_of: instead_of.clone(),
            comment: comment.clone(),
            at: time,
            executes: *executes,
        };
        self.inbox.claim = None;
        self.votes = self.votes.saturating_add(1);
        self.take_vote(vote, data.share());
    }
}

impl RunState {
    /// What happens to approvals while they are open.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are taken in elsewhere")]
    pub(super) fn apply_inbox(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::ApprovalClaimed(claimed) => self.change_approval(&claimed.approval, |approval| {
                let (by, until) = (claimed.by.name.clone(), claimed.until);
                approval.inbox.claim = Some(Claim { by, since: time, until });
                approval.claims = approval.claims.saturating_add(1);
            }),
            Event::ApprovalReleased(released) => {
                self.change_approval(&released.approval, |approval| approval.inbox.claim = None);
            }
            Event::ApprovalDelegated(delegated) => self.change_approval(&delegated.approval, |approval| {
                let by = delegated.by.name.clone();
                let voice = delegated.instead_of.clone().unwrap_or_else(|| by.clone());
                let delegation = Delegation { by, voice, to: delegated.to.clone(), at: time };
                approval.inbox.delegations.push(delegation);
                approval.inbox.claim = None;
            }),
            Event::ApprovalCommented(commented) => self.change_approval(&commented.approval, |approval| {
                approval.inbox.comments = approval.inbox.comments.saturating_add(1);
            }),
            Event::ApprovalVoted(voted) => {
                self.change_approval(&voted.approval, |approval| approval.vote(time, voted));
            }
            Event::ApprovalEscalated(escalated) => self.change_approval(&escalated.approval, |approval| {
                let asked_at = approval.asked_at;
                let next = approval.question.terms.escalate.get(escalated.level as usize);
                let inbox = &mut approval.inbox;
                inbox.level = escalated.level;
                inbox.claim = None;
                inbox.escalates = next.map(|rung| asked_at.after(rung.after));
                for who in &escalated.to {
                    if !inbox.escalated_to.contains(who) {
                        inbox.escalated_to.push(who.clone());
                    }
                }
            }),
            _ => {}
        }
    }

    fn change_approval(&mut self, id: &ApprovalId, change: impl FnOnce(&mut Approval)) {
        if let Some(approval) = self.approvals.get_mut(id) {
            change(approval);
        }
    }
}
