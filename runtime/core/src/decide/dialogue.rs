//! A tool asks a person before it goes on.

use super::Draft;
use crate::VisitId;
use crate::budget::{Amounts, Dimension};
use crate::command::AskedByTool;
use crate::event::{Asker, Event, ToolAsked};
use crate::refusal::Refusal;
use crate::state::CallProgress;

impl Draft<'_> {
    /// Records what a call asks, and asks the first of it. The call did not complete, and is made again with the
    /// answers: also one that must happen at most once, since a tool that asks says that it waits.
    pub(super) fn tool_asks(&mut self, asked: AskedByTool) -> Result<(), Refusal> {
        let AskedByTool { visit, attempt, call, asks, silent } = asked;
        let calls = &self.under_way(visit, attempt)?.calls;
        if asks.questions.is_empty() {
            return Err(Refusal::Stale { visit, attempt });
        }
        let (place, request) = match call {
            None => (None, None),
            Some((at, request)) => {
                let known = calls.get(at.call);
                let is_running =
                    known.is_some_and(|known| matches!(known.progress, CallProgress::Running(_)));
                if !is_running {
                    self.expect(at, &silent)?;
                    self.record_silent(visit, silent)?;
                }
                (Some(at.call), (!is_running).then_some(request))
            }
        };
        // It counts once, when it is done; until then only the time that it took.
        if let Some(open) = self.state.budgets.open((visit, place)) {
            let took = self.now.since(open.since);
            self.settle_budget(visit, place, Amounts::default().with(Dimension::Duration, took.0));
        }
        let (questions, state) = (asks.questions, asks.state);
        let asked = ToolAsked { visit, call: place, request, questions, state };
        self.push(Event::ToolAsked(Box::new(asked)));
        self.ask_for_tool(visit, place);
        Ok(())
    }

    /// Asks the next question of a tool; false where all are answered.
    fn ask_for_tool(&mut self, visit: VisitId, call: Option<u32>) -> bool {
        let dialogue = self.state.visit(visit).and_then(|at| at.dialogues.get(&call));
        let Some(next) = dialogue.and_then(|dialogue| dialogue.waiting.front()) else { return false };
        let question = next.question.clone();
        self.ask(visit, call.map_or(Asker::ToolStep, Asker::ToolCall), question);
        true
    }

    /// A question of a tool is answered: the next is asked, or the call goes on. An agent makes it in its next run,
    /// and in a suspended run nothing begins before it is resumed.
    pub(super) fn go_on_with_tool(&mut self, visit: VisitId, call: Option<u32>) {
        if !self.ask_for_tool(visit, call) && call.is_none() {
            self.attempt_afresh(visit);
        }
    }
}
