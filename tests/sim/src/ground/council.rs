//! Questions that several people must answer, followed beside pawl: who may answer, whose voices were used, who holds
//! it. A decision needs that many different voices, nobody answers whom `not_by` shuts out, and nobody past who holds it.

use std::collections::{BTreeMap, BTreeSet};

use pawl_core::Timestamp;
use pawl_core::call::Question;
use pawl_core::event::{Actor, Event};
use pawl_core::inbox::Inbox;
use pawl_core::terms::INITIATOR;

use super::{Followed, Truth};

/// One such question.
#[derive(Debug)]
pub(super) struct Council {
    /// What each voice chose.
    voices: BTreeMap<String, String>,
    /// Who has answered, with whosever voice.
    said: BTreeSet<String>,
    /// Whom a voice was given to.
    given: Vec<(String, Vec<String>)>,
    /// Who may answer as well since it was escalated.
    escalated: Vec<String>,
    /// Who holds it, and until when.
    held: Option<(String, Timestamp)>,
}

/// What was wrong, in words.
type Wrong = Vec<String>;

impl Truth {
    /// Takes in what an event says of such a question, against all that was said of it before.
    pub(super) fn note_council(&mut self, followed: &Followed, time: Timestamp, event: &Event) {
        let run = followed.state.id();
        if matches!(event, Event::RunResumed(_) | Event::RunSuspended(_)) {
            // Claims hold so much longer; how much is not followed here.
            let of_run = self.councils.iter_mut().filter(|((of, _), _)| *of == run);
            of_run.for_each(|(_, council)| council.held = None);
        }
        let Some(id) = event.approval() else { return };
        let Some((_, approval)) = followed.state.approvals().find(|(known, _)| *known == id) else { return };
        let question = &approval.question;
        if question.terms.quorum.is_none() {
            return;
        }
        // What was asked before a fork, others may answer still; answers and claims are those of the other run.
        let council = self.councils.entry((run, id.clone())).or_insert_with(|| Council::of(&approval.inbox));
        let wrong = council.take(&Asked { question, began: &followed.began, time }, event);
        match event {
            Event::ApprovalDecided(decided) => self.agreed += u64::from(decided.by != Actor::timer()),
            _ => self.handled += 1,
        }
        self.violations.extend(wrong.into_iter().map(|what| format!("approval {id} of run {run}: {what}")));
    }
}

/// What is asked, of a run that these began, and when somebody does something about it.
struct Asked<'a> {
    question: &'a Question,
    began: &'a [String],
    time: Timestamp,
}

fn named(names: &[String], who: &Actor) -> bool {
    names.iter().any(|name| *name == who.name || who.groups.contains(name))
}

impl Asked<'_> {
    fn shuts_out(&self, name: &str, groups: &[String]) -> bool {
        self.question.terms.not_by.iter().any(|entry| {
            let began = entry == INITIATOR && self.began.iter().any(|began| began == name);
            began || entry == name || groups.contains(entry)
        })
    }
}

impl Council {
    fn of(inbox: &Inbox) -> Self {
        let given = inbox.delegations.iter().map(|one| (one.voice.clone(), one.to.clone()));
        Self {
            voices: BTreeMap::new(),
            said: BTreeSet::new(),
            given: given.collect(),
            escalated: inbox.escalated_to.clone(),
            held: None,
        }
    }

    fn take(&mut self, asked: &Asked<'_>, event: &Event) -> Wrong {
        match event {
            Event::ApprovalClaimed(claimed) => {
                let mut wrong = self.may(asked, &claimed.by);
                if !claimed.by.operator {
                    wrong.extend(self.past_holder(asked, &claimed.by));
                }
                self.held = Some((claimed.by.name.clone(), claimed.until));
                wrong
            }
            Event::ApprovalDelegated(delegated) => {
                let mut wrong = self.may(asked, &delegated.by);
                wrong.extend(self.past_holder(asked, &delegated.by));
                let out = delegated.to.iter().filter(|name| asked.shuts_out(name, &[]));
                wrong.extend(out.map(|name| format!("{name} is asked, whom `not_by` shuts out")));
                let voice = delegated.instead_of.clone().unwrap_or_else(|| delegated.by.name.clone());
                self.given.push((voice, delegated.to.clone()));
                self.held = None;
                wrong
            }
            Event::ApprovalEscalated(escalated) => {
                self.escalated.extend(escalated.to.iter().cloned());
                self.held = None;
                Wrong::new()
            }
            Event::ApprovalReleased(_) => {
                self.held = None;
                Wrong::new()
            }
            Event::ApprovalVoted(voted) => {
                self.answered(asked, (&voted.by, voted.instead_of.as_deref()), &voted.action, false)
            }
            Event::ApprovalDecided(decided) if decided.by != Actor::timer() => {
                self.answered(asked, (&decided.by, decided.instead_of.as_deref()), &decided.action, true)
            }
            _ => Wrong::new(),
        }
    }

    fn answered(
        &mut self,
        asked: &Asked<'_>,
        (by, instead_of): (&Actor, Option<&str>),
        action: &str,
        decides: bool,
    ) -> Wrong {
        let mut wrong = self.may(asked, by);
        wrong.extend(self.past_holder(asked, by));
        self.held = None;
        let voice = instead_of.unwrap_or(&by.name);
        let is_given = |(of, to): &(String, Vec<String>)| of == voice && named(to, by);
        if instead_of.is_some() && !self.given.iter().any(is_given) {
            wrong.push(format!("{} answers for {voice}, who has not asked them", by.name));
        }
        if instead_of.is_none() && !self.is_asked(asked, by) {
            wrong.push(format!("{} answers, and was not asked", by.name));
        }
        if !self.said.insert(by.name.clone()) {
            wrong.push(format!("{} answers twice", by.name));
        }
        if self.voices.insert(voice.to_owned(), action.to_owned()).is_some() {
            wrong.push(format!("the voice of {voice} counts twice"));
        }
        let count = self.voices.values().filter(|chosen| *chosen == action).count();
        let needed = usize::try_from(asked.question.terms.needed(action)).unwrap_or(usize::MAX);
        if decides != (count >= needed) {
            let not = if decides { "" } else { "not " };
            wrong.push(format!("it is {not}decided ({action}) by {count} voices of {needed}"));
        }
        wrong
    }

    fn is_asked(&self, asked: &Asked<'_>, who: &Actor) -> bool {
        who.operator || named(&asked.question.to, who) || named(&self.escalated, who)
    }

    /// Whoever does something about it must be one who may answer, by themselves or for somebody.
    fn may(&self, asked: &Asked<'_>, who: &Actor) -> Wrong {
        let mut wrong = Wrong::new();
        if asked.shuts_out(&who.name, &who.groups) {
            wrong.push(format!("{} has a part in it, whom `not_by` shuts out", who.name));
        }
        if !self.is_asked(asked, who) && !self.given.iter().any(|(_, to)| named(to, who)) {
            wrong.push(format!("{} has a part in it, whom nobody asked", who.name));
        }
        wrong
    }

    fn past_holder(&self, asked: &Asked<'_>, who: &Actor) -> Option<String> {
        let (holder, until) = self.held.as_ref()?;
        let is_held = *until > asked.time && *holder != who.name;
        is_held.then(|| format!("{} comes past {holder}, who holds it", who.name))
    }
}
