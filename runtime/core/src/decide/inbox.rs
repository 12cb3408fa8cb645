//! What people do with an approval beside answering it, and what happens while nobody does.

use super::Draft;
use super::rights::{shut_out, voice};
use crate::ApprovalId;
use crate::event::{
    Actor, ApprovalClaimed, ApprovalCommented, ApprovalDelegated, ApprovalEscalated, ApprovalReleased, Event,
};
use crate::refusal::Refusal;
use crate::terms::{
    CLAIMS_MAX, COMMENT_MAX_BYTES, COMMENTS_MAX, DELEGATIONS_MAX, PEOPLE_MAX, PERSON_MAX_BYTES, is_person,
};

impl Draft<'_> {
    /// Whoever may answer holds it from now on. An operator takes it over from somebody else by this and by
    /// nothing else, so that nobody does it unawares.
    pub(super) fn claim(&mut self, id: &ApprovalId, by: Actor) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        voice(self.state, approval, &by, |_| true)?;
        if !by.operator {
            self.not_held(approval, &by)?;
        }
        self.in_time(approval)?;
        if approval.claims >= CLAIMS_MAX {
            return Err(Refusal::TooMany { what: "claims", limit: "claims_max", max: CLAIMS_MAX });
        }
        let until = self.now.after(approval.question.terms.claim_time());
        let held = approval.inbox.held(self.now).filter(|claim| claim.by != by.name);
        let from = held.map(|claim| claim.by.clone());
        let claimed = ApprovalClaimed { approval: id.clone(), by, until, from };
        self.push(Event::ApprovalClaimed(Box::new(claimed)));
        Ok(())
    }

    /// Lets go of what somebody holds; an operator lets go of what others hold.
    pub(super) fn release(&mut self, id: &ApprovalId, by: Actor) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        let holder = approval.inbox.held(self.now).map(|claim| claim.by.clone());
        let is_theirs = holder.as_ref().is_some_and(|holder| *holder == by.name || by.operator);
        if !is_theirs {
            return Err(Refusal::NotClaimed { who: by.name, holder });
        }
        self.push(Event::ApprovalReleased(Box::new(ApprovalReleased { approval: id.clone(), by })));
        Ok(())
    }

    /// Whoever may answer asks others to do it in their place.
    pub(super) fn delegate(
        &mut self,
        id: &ApprovalId,
        to: Vec<String>,
        by: Actor,
        comment: Option<String>,
    ) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        let instead_of = voice(self.state, approval, &by, |_| true)?;
        self.not_held(approval, &by)?;
        self.in_time(approval)?;
        if approval.inbox.delegations.len() >= DELEGATIONS_MAX {
            let max = u32::try_from(DELEGATIONS_MAX).unwrap_or(u32::MAX);
            return Err(Refusal::TooMany { what: "delegations", limit: "delegations_max", max });
        }
        check_length(comment.as_deref())?;
        self.check_people(id, &to, &by)?;
        let delegated = ApprovalDelegated { approval: id.clone(), to, by, instead_of, comment };
        self.push(Event::ApprovalDelegated(Box::new(delegated)));
        Ok(())
    }

    fn check_people(&self, id: &ApprovalId, to: &[String], by: &Actor) -> Result<(), Refusal> {
        let wrong = |problem: String| Err(Refusal::InvalidDelegate { problem });
        if to.is_empty() {
            return wrong("nobody is named; write user:ann or group:finance".into());
        }
        if to.len() > PEOPLE_MAX {
            return wrong(format!("{} people and groups are named, people_max is {PEOPLE_MAX}", to.len()));
        }
        if let Some(name) = to.iter().find(|name| !is_person(name)) {
            let name: String = name.chars().take(PERSON_MAX_BYTES).collect();
            return wrong(format!("'{name}' is neither a user nor a group; write user:ann or group:finance"));
        }
        if to.iter().all(|name| *name == by.name) {
            return wrong("whoever delegates answers themselves already; name somebody else".into());
        }
        let terms = self.state.approvals.get(id).map(|approval| &approval.question.terms);
        for name in to {
            let who = Actor { name: name.clone(), groups: Vec::new(), operator: false, via: String::new() };
            if let Some(why) = terms.and_then(|terms| shut_out(self.state, terms, &who)) {
                return Err(Refusal::Excluded { who: name.clone(), why });
            }
        }
        Ok(())
    }

    /// Somebody says something. Whoever reaches the approval may: those who may not answer have things to say, too.
    pub(super) fn comment(&mut self, id: &ApprovalId, text: String, by: Actor) -> Result<(), Refusal> {
        let approval = self.open_approval(id)?;
        if text.trim().is_empty() {
            return Err(Refusal::EmptyComment);
        }
        check_length(Some(&text))?;
        if approval.inbox.comments >= COMMENTS_MAX {
            return Err(Refusal::TooMany { what: "comments", limit: "comments_max", max: COMMENTS_MAX });
        }
        let commented = ApprovalCommented { approval: id.clone(), by, text };
        self.push(Event::ApprovalCommented(Box::new(commented)));
        Ok(())
    }

    /// Nobody has answered for so long that others are asked as well.
    pub(super) fn escalate(&mut self, id: &ApprovalId) {
        let Some(approval) = self.state.approvals.get(id) else { return };
        let level = approval.inbox.level;
        let Some(rung) = approval.question.terms.escalate.get(level as usize) else { return };
        let (to, level) = (rung.to.clone(), level.saturating_add(1));
        let escalated = ApprovalEscalated { approval: id.clone(), level, to };
        self.push(Event::ApprovalEscalated(Box::new(escalated)));
    }
}

/// Comments and reasons are kept in the journal for good.
pub(super) fn check_length(text: Option<&str>) -> Result<(), Refusal> {
    match text.map(str::len).filter(|bytes| *bytes > COMMENT_MAX_BYTES) {
        Some(bytes) => Err(Refusal::CommentTooLong { bytes, max: COMMENT_MAX_BYTES }),
        None => Ok(()),
    }
}
