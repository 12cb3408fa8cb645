//! What happens next, and when.

use anyhow::Result;
use pawl_engine::Clock as _;
use pawl_store::{ApprovalFilter, Page, Store as _};

use super::{BEGIN, LASTS_MAX, Stage};
use crate::people::{Remedy, Reply, remedy, reply};
use crate::plan::Turn;

pub(super) enum Next {
    Turn(Turn),
    Reply(Box<Reply>),
    Remedy(Remedy),
    Time,
    Nothing,
}

impl Stage<'_> {
    /// Moves time to where something happens, and says what.
    pub(super) async fn next(&mut self) -> Result<Next> {
        self.disk.ground.truth().check_waits(self.clock.now());
        let timer = self.clock.next();
        let (reply, remedy) = (self.next_reply().await?, self.next_remedy());
        let turn = self.turns.last().map(|turn| turn.at);
        let own = [turn, reply.as_ref().map(|reply| reply.at), remedy.as_ref().map(|remedy| remedy.at)];
        let Some(first) = own.into_iter().chain([timer]).flatten().min() else { return Ok(Next::Nothing) };
        if first > BEGIN.after(LASTS_MAX) {
            return Ok(Next::Nothing);
        }
        self.clock.move_to(first);
        // What is due at the same instant happens first.
        if timer == Some(first) {
            return Ok(Next::Time);
        }
        if turn == Some(first) {
            return Ok(self.turns.pop().map_or(Next::Nothing, Next::Turn));
        }
        if let Some(reply) = reply.filter(|reply| reply.at == first) {
            return Ok(Next::Reply(Box::new(reply)));
        }
        Ok(remedy.map_or(Next::Nothing, Next::Remedy))
    }

    async fn next_reply(&self) -> Result<Option<Reply>> {
        let page = Page { after: None, limit: 1_000 };
        let open = self.disk.kept.approvals(&ApprovalFilter::default(), &page).await?.approvals;
        let truth = self.disk.ground.truth();
        let waiting = open.iter().filter(|open| !self.answering.contains(&open.id));
        let replies = waiting.filter_map(|open| {
            let tries = self.tries.get(&open.id).copied().unwrap_or_default();
            let found = reply(self.seed, open, tries, &truth)?;
            let at = self.again.get(&open.id).map_or(found.at, |again| found.at.max(*again));
            Some(Reply { at, ..found })
        });
        Ok(replies.min_by_key(|reply| (reply.at, reply.approval.clone())))
    }

    fn next_remedy(&self) -> Option<Remedy> {
        let truth = self.disk.ground.truth();
        let remedies = truth.runs.iter().filter_map(|(run, followed)| {
            let again = match self.remedied.get(&(*run, followed.head.seq)) {
                Some(None) => return None,
                Some(Some(again)) => *again,
                None => BEGIN,
            };
            let found = remedy(self.seed, *run, followed, truth.runs.len())?;
            Some(Remedy { at: found.at.max(again), ..found })
        });
        remedies.min_by_key(|remedy| (remedy.at, remedy.run))
    }
}
