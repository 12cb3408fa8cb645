//! A rehearsal: what a forked run asks is answered from the journal of the run that it was made of.
//!
//! The journals of both runs are authoritative: the n-th time that the fork asks something, it gets what the other
//! run got the n-th time. Nothing is kept but in memory, and made again from the journals when it is needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::event::{Entry, Event, Work};
use pawl_core::journal::Envelope;
use pawl_core::plugin::PluginPins;
use pawl_core::state::{Activity, CallProgress};
use pawl_core::travel::Rehearsal;
use pawl_core::{Digest, Failure, FailureKind, RunId, RunState, VisitId};
use pawl_store::Store;
use tokio::sync::OnceCell;

use crate::{EngineError, journal};

/// One call, or one attempt of a tool's step: where it is.
pub(crate) type Place = (VisitId, u32, Option<u32>);

/// A run that is a rehearsal, as its attempts share it.
#[derive(Debug)]
pub(crate) struct Rehearsing {
    run: RunId,
    pub(crate) what: Arc<Rehearsal>,
    answers: OnceCell<Mutex<Answers>>,
}

/// What the other run was answered and this one was not yet.
#[derive(Debug, Default)]
struct Answers {
    recorded: HashMap<Digest, Vec<CallResponse>>,
    taken: HashMap<Digest, usize>,
    /// What was given and may not be in the journal yet: who asks again at the same place gets the same.
    given: HashMap<Place, Option<CallResponse>>,
}

impl Rehearsing {
    pub(crate) fn new(run: RunId, what: Arc<Rehearsal>) -> Self {
        Self { run, what, answers: OnceCell::new() }
    }

    /// What was answered to the same request, if it was asked so often.
    pub(super) async fn answer(
        &self,
        store: &dyn Store,
        place: Place,
        request: &CallRequest,
    ) -> Result<Option<CallResponse>, Failure> {
        let answers = self.answers.get_or_try_init(|| self.read(store)).await;
        let answers = answers.map_err(|error| {
            let message =
                format!("the journal of run {}, which answers, cannot be read: {error}", self.what.run);
            Failure::new(FailureKind::Transient, message)
        })?;
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(answers.give(place, request.digest()))
    }

    /// Why something is not done that has no recorded answer.
    pub(super) fn refusal(&self, what: &str) -> Failure {
        let message = format!(
            "this is a dry rehearsal: {what} was not called, since run {} did not ask the same of it so often",
            self.what.run
        );
        Failure::new(FailureKind::Denied, message)
    }

    async fn read(&self, store: &dyn Store) -> Result<Mutex<Answers>, EngineError> {
        let mut answers = Answers::default();
        let other = journal::read(store, self.what.run).await?;
        for (digest, response) in answered(&other.envelopes) {
            answers.recorded.entry(digest).or_default().push(response);
        }
        let own = journal::read(store, self.run).await?;
        for (digest, _) in answered(&own.envelopes) {
            *answers.taken.entry(digest).or_default() += 1;
        }
        for digest in begun_anew(self.run, &own.envelopes) {
            if let Some(taken) = answers.taken.get_mut(&digest) {
                *taken = taken.saturating_sub(1);
            }
        }
        Ok(Mutex::new(answers))
    }
}

impl Answers {
    fn give(&mut self, place: Place, digest: Digest) -> Option<CallResponse> {
        if let Some(given) = self.given.get(&place) {
            return given.clone();
        }
        let taken = self.taken.entry(digest).or_default();
        let given = self.recorded.get(&digest).and_then(|all| all.get(*taken)).cloned();
        *taken += 1;
        self.given.insert(place, given.clone());
        given
    }
}

/// What tools and models were asked and answered, by steps and by agents, in the order of the answers.
fn answered(envelopes: &[Envelope]) -> Vec<(Digest, CallResponse)> {
    let mut found = Vec::new();
    let mut begun: HashMap<(VisitId, u32), &CallRequest> = HashMap::new();
    let mut steps: HashMap<VisitId, Digest> = HashMap::new();
    for Envelope { event, .. } in envelopes {
        match event {
            Event::AttemptStarted { visit, work: Some(work), .. } => match &**work {
                Work::Tool { plugin, tool, arguments, .. } => {
                    let arguments = arguments.clone().into_value();
                    let request = CallRequest::Tool { name: format!("{plugin}.{tool}"), arguments };
                    steps.insert(*visit, request.digest());
                }
                Work::Agent { .. } => {
                    steps.remove(visit);
                }
            },
            Event::StepCompleted { visit, output }
            | Event::FrameStarted { visit, entry: Entry::Finally { outcome: Ok(output) }, .. } => {
                let step = steps.remove(visit);
                found.extend(step.map(|digest| (digest, Ok(output.clone().into_value()))));
            }
            Event::AttemptFailed { visit, failure, .. } => {
                // Somebody else ended it; the tool said nothing.
                let ended = [FailureKind::Cancelled, FailureKind::Budget, FailureKind::Rejected]
                    .contains(&failure.kind);
                let step = steps.get(visit).filter(|_| !ended);
                found.extend(step.map(|digest| (*digest, Err(failure.clone()))));
            }
            Event::CallStarted { visit, call, request, .. } => {
                begun.insert((*visit, *call), request);
            }
            Event::CallCompleted { visit, call, request, response, .. } => {
                // What was made, which a person may have changed, and not what the agent had asked.
                let request = request.as_ref().or(begun.remove(&(*visit, *call)));
                if let Some(made @ (CallRequest::Tool { .. } | CallRequest::Model { .. })) = request {
                    let response = response.clone().map(pawl_core::event::Payload::into_value);
                    found.push((made.digest(), response));
                }
            }
            _ => {}
        }
    }
    found
}

/// The calls of attempts that began anew at the fork, since their agents are others: these are asked again.
fn begun_anew(run: RunId, envelopes: &[Envelope]) -> Vec<Digest> {
    let mut state = RunState::new(run);
    let own = envelopes.iter().rposition(|envelope| matches!(envelope.event, Event::RunForked(_)));
    let Some((own, Event::RunForked(forked))) = own.map(|own| (own, &envelopes[own].event)) else {
        return Vec::new();
    };
    let mut made: HashMap<(VisitId, u32), Digest> = HashMap::new();
    for Envelope { time, event, .. } in &envelopes[..own] {
        match event {
            Event::AttemptStarted { visit, .. } => made.retain(|(of, _), _| of != visit),
            Event::CallStarted { visit, call, request, .. }
            | Event::CallCompleted { visit, call, request: Some(request), .. } => {
                made.insert((*visit, *call), request.digest());
            }
            _ => {}
        }
        state.apply(*time, event);
    }
    let is_asked_again = |(id, call): (VisitId, u32)| {
        let visit = state.visit(id)?;
        let answered = matches!(visit.calls.get(call)?.progress, CallProgress::Answered { .. });
        let attempting = matches!(visit.activity, Activity::Attempting);
        (answered && attempting && is_replaced(&state, id, &forked.agents)).then_some(())
    };
    made.iter().filter_map(|(place, digest)| is_asked_again(*place).map(|()| *digest)).collect()
}

/// Whether an agent is another now, or one of those by which it was called.
fn is_replaced(state: &RunState, id: VisitId, agents: &PluginPins) -> bool {
    let mut next = Some(id);
    while let Some(visit) = next.and_then(|id| state.visit(id)) {
        if let Some(Work::Agent { agent, .. }) = visit.work.as_deref()
            && agents.contains_key(agent)
        {
            return true;
        }
        // A caller came before whom it called, so this has an end whatever a journal says.
        next = visit.caller.map(|(caller, _)| caller).filter(|caller| next.is_some_and(|id| *caller < id));
    }
    false
}
