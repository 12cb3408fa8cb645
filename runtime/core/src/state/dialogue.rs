//! What a tool has asked during one call, and what it was answered.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::{Activity, CallProgress, CallState, RunState};
use crate::event::{ApprovalDecided, ToolAsked, ToolQuestion};
use crate::{Digest, VisitId};

/// What a tool has asked during one call of one attempt, and what it was answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dialogue {
    /// The answers, in their order.
    pub answers: Vec<ToolAnswer>,
    /// How often it has asked; the newest answers are of this round.
    pub round: u32,
    /// What the server wants back with the answers of the newest round.
    pub state: Option<String>,
    /// What is not answered yet; the first is being asked.
    pub(crate) waiting: VecDeque<ToolQuestion>,
}

/// What a person has answered a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// The server's name for the question.
    pub key: String,
    /// SHA-256 of the question.
    pub digest: Digest,
    /// In which round it was asked, from 1.
    pub round: u32,
    /// What was chosen.
    pub action: String,
    /// What was filled in.
    pub data: Arc<Value>,
}

impl RunState {
    /// A call has asked. It is made again when all is answered, and the time that a person takes is not its own.
    pub(super) fn take_tool_questions(&mut self, asked: &ToolAsked) {
        let ToolAsked { visit: id, call, request, questions, state } = asked;
        self.with_callers(*id, |visit| visit.deadline = None);
        let Some(visit) = self.visits.get_mut(id) else { return };
        let dialogue = visit.dialogues.entry(*call).or_default();
        dialogue.round = dialogue.round.saturating_add(1);
        dialogue.state.clone_from(state);
        dialogue.waiting = questions.iter().cloned().collect();
        let Some(call) = *call else {
            // The approval follows.
            visit.activity = Activity::Arrived;
            return;
        };
        let known = visit.calls.get(call);
        let running = known.and_then(|known| match &known.progress {
            CallProgress::Running(request) | CallProgress::Cleared(request) => Some(request.clone()),
            CallProgress::Asking(_)
            | CallProgress::Sleeping(_)
            | CallProgress::Guarded(_)
            | CallProgress::Calling(_)
            | CallProgress::Listening(..)
            | CallProgress::Unknown(..)
            | CallProgress::Paused(..)
            | CallProgress::Answered { .. } => None,
        });
        let Some(request) = request.clone().or(running) else { return };
        // What a person changed of a guarded call is not what the agent asked, whose digest the call keeps.
        let digest = known.map_or_else(|| request.digest(), |known| known.digest);
        visit.calls.set(call, CallState { digest, progress: CallProgress::Paused(request, None) });
    }

    /// A person has answered the question that is being asked.
    pub(super) fn take_tool_answer(&mut self, id: VisitId, call: Option<u32>, decided: &ApprovalDecided) {
        let dialogue = self.visits.get_mut(&id).and_then(|visit| visit.dialogues.get_mut(&call));
        let Some(dialogue) = dialogue else { return };
        let Some(ToolQuestion { key, digest, .. }) = dialogue.waiting.pop_front() else { return };
        let (round, action) = (dialogue.round, decided.action.clone());
        dialogue.answers.push(ToolAnswer { key, digest, round, action, data: decided.data.share() });
    }
}
