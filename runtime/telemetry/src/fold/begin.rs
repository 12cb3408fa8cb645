//! A run begins: for the first time, as another than the one whose events it has, or again.

use pawl_core::Timestamp;
use pawl_core::event::RunStarted;
use pawl_core::trace::{SpanOf, TraceContext, TraceId};
use pawl_core::travel::{Ancestor, RunForked, RunRetried};

use super::{Known, Open, Trace};
use crate::span::Link;

impl Trace {
    pub(super) fn start(&mut self, known: Known<'_>, at: Timestamp, started: &RunStarted) {
        self.workflow.clone_from(&started.workflow);
        self.version.clone_from(&started.version);
        self.root.start = at;
        if let Some(TraceContext { trace, span, sampled, state }) = &started.trace {
            (self.of, self.sampled) = (*trace, *sampled);
            self.root.parent = Some(*span);
            self.state.clone_from(state);
        }
        if let Some(parent) = &started.parent {
            let (trace, sampled) = known.parent.unwrap_or((TraceId::of(parent.run), true));
            self.sampled &= sampled;
            let span = SpanOf::Visit(parent.visit).id(parent.run, 0);
            self.root.links.push(Link { trace, span, relation: "parent" });
        }
        // What a fork has of another run is told with that one.
        if let Some(Ancestor::Forked { seq, .. }) = started.ancestor {
            self.from = self.from.max(seq);
        }
        match started.ancestor {
            Some(Ancestor::Rerun { run } | Ancestor::Forked { run, .. }) => {
                let trace = known.ancestor.unwrap_or_else(|| TraceId::of(run));
                self.ancestor_known = known.ancestor.is_some();
                self.root.links.push(Link { trace, span: SpanOf::Run.id(run, 0), relation: "ancestor" });
            }
            None => {}
        }
    }

    /// What came before is the other run's, and its spans are.
    pub(super) fn fork(&mut self, at: Timestamp, seq: u64, forked: &RunForked) {
        let other = self.of;
        let is_first = self.forks == 0;
        self.forks += 1;
        // Where the other run is not there any more: a fork of a run with a trace from outside shows where that is; of
        // a fork, which had its own, its id says it.
        let is_shown = is_first && !self.ancestor_known && self.root.parent.is_some();
        let links = &mut self.root.links;
        links.retain(|link| link.relation == "ancestor");
        if let (true, Some(link)) = (is_shown, links.last_mut()) {
            link.trace = other;
        }
        self.from = self.from.max(seq);
        (self.of, self.state, self.sampled) = (TraceId::of(self.run), None, true);
        (self.root.parent, self.root.start) = (None, at);
        if let Some(TraceContext { trace, span, sampled, state }) = &forked.trace {
            (self.of, self.sampled) = (*trace, *sampled);
            self.root.parent = Some(*span);
            self.state.clone_from(state);
        }
        (self.root.notes, self.root.notes_dropped) = (Vec::new(), 0);
        for visit in self.visits.values_mut() {
            visit.open.start = at;
            if let Some(attempt) = &mut visit.attempt {
                (attempt.open.start, attempt.free) = (at, at);
                attempt.calls.values_mut().for_each(|call| call.open.start = at);
            }
        }
    }

    /// The run goes on after its end: what it does from here on is a span of its own, and so is what was cut off.
    pub(super) fn retry(&mut self, at: Timestamp, seq: u64, retried: &RunRetried) {
        self.time += 1;
        let (first, id) = (SpanOf::Run.id(self.run, 0), SpanOf::Retry(seq).id(self.run, 0));
        self.root = Open::new(id, Some(first), at);
        self.ended = false;
        let cut = std::mem::take(&mut self.cut);
        self.frames.append(&mut self.cut_frames);
        for (id, mut visit) in cut {
            if id == retried.visit && !retried.again {
                continue;
            }
            visit.open = Open::new(SpanOf::Visit(id).id(self.run, self.time), None, at);
            if let Some(attempt) = &mut visit.attempt {
                attempt.open.start = at;
                attempt.open.id = SpanOf::Attempt(id, attempt.number).id(self.run, self.time);
                attempt.open.parent = Some(visit.open.id);
                for (call, begun) in &mut attempt.calls {
                    begun.open.start = at;
                    begun.open.id = SpanOf::Call(id, attempt.number, *call).id(self.run, self.time);
                    begun.open.parent = Some(attempt.open.id);
                }
            }
            self.visits.insert(id, visit);
        }
        let around: Vec<_> = self.visits.iter().map(|(id, v)| (*id, v.frame, v.caller)).collect();
        for (id, frame, caller) in around {
            let parent = self.parent_of(frame, caller);
            if let Some(visit) = self.visits.get_mut(&id) {
                visit.open.parent = Some(parent);
            }
        }
    }
}
