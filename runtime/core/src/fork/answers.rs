//! The answers of people that a fork goes on with.
//!
//! An answer lets one run go on. A fork behind it would let another one go on, so whoever forks must be somebody who
//! could have given it, and alone. Only the operator of the machine forks anywhere: they may answer anything.

use crate::definition::{Definition, Verb};
use crate::event::{Actor, ApprovalDecided, Asker, Event};
use crate::journal::Envelope;
use crate::refusal::Refusal;
use crate::state::RunState;
use crate::terms::{INITIATOR, STEPS, Terms};
use crate::{RunId, decide};

/// Who forks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forker {
    /// Who, as journals have it.
    pub actor: Actor,
    /// Whether they may answer approvals at all, where those ask for them.
    pub decides: bool,
}

impl From<Actor> for Forker {
    fn from(actor: Actor) -> Self {
        Self { actor, decides: true }
    }
}

/// Refuses to go on with answers that whoever forks may not give, in the run itself or in one that it started.
pub fn refuse_answers(by: &Forker, run: RunId, taken: &[Envelope]) -> Result<(), Refusal> {
    if by.actor.operator {
        return Ok(());
    }
    let mut state = RunState::new(run);
    for envelope in taken {
        if let Event::ApprovalDecided(decided) = &envelope.event
            && let Some((step, why)) = not_theirs(&state, by, decided)
        {
            return Err(Refusal::AnswerOfOthers(format!(
                "event {} of run {run} is the answer '{}' of {} at step '{step}', the fork would go on with it, and {} \
                 may not give it: {why}; fork before the question, and it is asked anew, or make a dry rehearsal",
                envelope.seq, decided.action, decided.by.name, by.actor.name
            )));
        }
        state.apply(envelope.time, &envelope.event);
    }
    Ok(())
}

/// The step that asked, and why somebody may not give an answer of it alone.
fn not_theirs(state: &RunState, by: &Forker, decided: &ApprovalDecided) -> Option<(String, String)> {
    let approval = state.approvals.get(&decided.approval)?;
    // What time decided nobody did.
    if !leads_on(approval.asker) || decided.by == Actor::timer() {
        return None;
    }
    let terms = &approval.question.terms;
    let why = if !by.decides {
        "it takes the right to decide".to_owned()
    } else if terms.needed(&decided.action) > 1 {
        "several people had to agree".to_owned()
    } else if compares(terms) {
        "its `not_by` compares people, and who forks would stand for all of them".to_owned()
    } else {
        decide::voice(state, approval, &by.actor, |_| false).err()?.to_string()
    };
    let step = state.visits.get(&approval.visit).map(|visit| visit.step.to_string());
    Some((step.unwrap_or_default(), why))
}

/// Whether what comes behind an answer goes on by it. An allowed call was made once and is recorded, and what became
/// of a call is a fact.
const fn leads_on(asker: Asker) -> bool {
    match asker {
        Asker::Step | Asker::Call(_) | Asker::BudgetStep | Asker::BudgetCall(_) => true,
        Asker::UnknownStep
        | Asker::UnknownCall(_)
        | Asker::GuardedStep
        | Asker::GuardedCall(_)
        | Asker::ToolStep
        | Asker::ToolCall(_) => false,
    }
}

/// Whether a question must be answered by somebody else than another person of the run. Whoever forks is an initiator.
fn compares(terms: &Terms) -> bool {
    terms.not_by.iter().any(|entry| entry == INITIATOR || entry.starts_with(STEPS))
}

/// Refuses values that are changed behind the start, by whom may not decide, where they may lead past a question.
pub(super) fn refuse_changes(by: &Forker, definition: &Definition) -> Result<(), Refusal> {
    let asks = |verb: &Verb| matches!(verb, Verb::Human(_) | Verb::Workflow(_));
    if by.decides || by.actor.operator || !definition.steps.iter().any(|step| asks(&step.verb)) {
        return Ok(());
    }
    let text = "other values behind the start may lead past a question that the workflow asks, and that takes the right \
                to decide; change inputs at event 1, or make a dry rehearsal";
    Err(Refusal::AnswerOfOthers(text.to_owned()))
}

/// Whether a dry rehearsal, in which nothing was at stake, has changed a value that a run of it goes on with.
pub(super) fn changed_while_dry(taken: &[Envelope]) -> bool {
    let mut dry = false;
    taken.iter().any(|envelope| {
        if let Event::RunForked(forked) = &envelope.event {
            dry = forked.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.dry);
        }
        dry && matches!(envelope.event, Event::InputsChanged(_) | Event::OutputChanged(_))
    })
}
