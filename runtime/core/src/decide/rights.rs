//! Who may answer an approval, and in whose place.

use super::Draft;
use crate::ApprovalId;
use crate::event::Actor;
use crate::refusal::Refusal;
use crate::state::{Approval, RunState};
use crate::terms::{INITIATOR, STEPS, Terms};

impl Draft<'_> {
    /// An approval that can still be answered.
    pub(super) fn open_approval(&self, id: &ApprovalId) -> Result<&Approval, Refusal> {
        let approval = self.state.approvals.get(id).ok_or_else(|| Refusal::UnknownApproval(id.clone()))?;
        if let Some((action, by)) = approval.decision.clone() {
            return Err(Refusal::AlreadyDecided { action, by });
        }
        if !approval.open {
            let (action, by) = ("closed".into(), "the end of its step".into());
            return Err(Refusal::AlreadyDecided { action, by });
        }
        Ok(approval)
    }

    /// What the question says of its end happens now, and nothing else.
    pub(super) fn in_time(&self, approval: &Approval) -> Result<(), Refusal> {
        let stands_still = self.state.is_suspended();
        match approval.due.filter(|due| *due <= self.now && !stands_still) {
            Some(due) => Err(Refusal::TooLate { due }),
            None => Ok(()),
        }
    }

    /// Nobody else holds it.
    pub(super) fn not_held(&self, approval: &Approval, by: &Actor) -> Result<(), Refusal> {
        match approval.inbox.held(self.now).filter(|claim| claim.by != by.name) {
            Some(claim) => Err(Refusal::Claimed { by: claim.by.clone(), until: claim.until }),
            None => Ok(()),
        }
    }

    /// Who may not answer by `not_by`, by name, as far as is known now.
    pub(super) fn excluded(&self, terms: &Terms) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entry in &terms.not_by {
            let found = self.state.named(entry);
            names.extend(found.filter(|name| *name != "timer").map(str::to_owned));
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// In whose place somebody answers: nothing when it is their own voice. `stands` says of an answer whether it stands
/// beside the one that is given.
pub(crate) fn voice(
    state: &RunState,
    approval: &Approval,
    by: &Actor,
    stands: impl Fn(&crate::inbox::Vote) -> bool,
) -> Result<Option<String>, Refusal> {
    if let Some(why) = shut_out(state, &approval.question.terms, by) {
        return Err(Refusal::Excluded { who: by.name.clone(), why });
    }
    let mut votes = approval.inbox.votes.iter().filter(|vote| stands(vote));
    if let Some(vote) = votes.clone().find(|vote| vote.by == by.name) {
        return Err(Refusal::AnsweredBefore { who: by.name.clone(), action: vote.action.clone() });
    }
    let used = |voice: &str| votes.clone().find(|vote| vote.voice() == voice);
    let named = |names: &[String]| names.iter().any(|who| *who == by.name || by.groups.contains(who));
    let (to, inbox) = (&approval.question.to, &approval.inbox);
    if to.is_empty() || by.operator || named(to) || named(&inbox.escalated_to) {
        return match used(&by.name) {
            Some(vote) => Err(Refusal::VoiceUsed { of: by.name.clone(), by: vote.by.clone() }),
            None => Ok(None),
        };
    }
    let mine = || inbox.delegations.iter().filter(|delegation| named(&delegation.to));
    if let Some(delegation) = mine().find(|delegation| used(&delegation.voice).is_none()) {
        return Ok(Some(delegation.voice.clone()));
    }
    if let Some(delegation) = mine().next()
        && let Some(vote) = votes.find(|vote| vote.voice() == delegation.voice)
    {
        return Err(Refusal::VoiceUsed { of: delegation.voice.clone(), by: vote.by.clone() });
    }
    let asked = to.iter().chain(&inbox.escalated_to).cloned().collect();
    Err(Refusal::NotAsked { who: by.name.clone(), asked })
}

/// Why `not_by` shuts somebody out. It does so for operators as well: four eyes that one person can close are two.
pub(super) fn shut_out(state: &RunState, terms: &Terms, by: &Actor) -> Option<String> {
    terms.not_by.iter().find_map(|entry| {
        let is_named = *entry == by.name || by.groups.contains(entry);
        if !is_named && !state.named(entry).any(|name| name == by.name) {
            return None;
        }
        Some(match entry.strip_prefix(STEPS) {
            Some(step) => format!("they answered step '{step}'"),
            None if entry == INITIATOR => "they started the run".to_owned(),
            None => format!("'{entry}' stands in `not_by`"),
        })
    })
}

impl RunState {
    /// The people that an entry of `not_by` means, by name.
    fn named<'s>(&'s self, entry: &'s str) -> Box<dyn Iterator<Item = &'s str> + 's> {
        if entry == INITIATOR {
            return Box::new(self.initiators.iter().map(String::as_str));
        }
        let Some(step) = entry.strip_prefix(STEPS) else {
            return Box::new(entry.starts_with("user:").then_some(entry).into_iter());
        };
        let of_step = self.approvals.values().filter(move |approval| {
            self.visits.get(&approval.visit).is_some_and(|visit| visit.step.as_str() == step)
        });
        Box::new(of_step.flat_map(|approval| approval.answered.iter().map(String::as_str)))
    }
}
