//! What a run keeps to undo what it did, and how far it got with that.
//!
//! A frame that is over is gone, and a turn of a `loop` writes over the one
//! before. So what an `undo` uses is taken when its step is completed, and
//! shared, not copied: no more than its expressions name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Activity, Approval, Frame, RunState};
use crate::event::{Cancelled, Entry};
use crate::{Failure, FrameId, StepId, Timestamp, VisitId, value_bytes};

/// A completed visit that is undone when the run fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The visit.
    pub visit: VisitId,
    /// The outputs that its `undo` uses, as they were.
    pub(crate) outputs: BTreeMap<StepId, Arc<Value>>,
    /// The items and turns around it, the innermost first.
    pub(crate) around: Vec<Around>,
}

/// The item or turn of a frame that may be over.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// The step whose item or turn it is.
    pub(crate) step: StepId,
    /// The item of a `map`.
    pub(crate) item: Option<Arc<Value>>,
    /// `index`.
    pub(crate) index: Option<u32>,
}

/// A run that undoes what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Undoing {
    /// Why.
    pub failure: Failure,
    /// The step that failed, where it was one.
    pub step: Option<StepId>,
    /// Who cancelled the run, where that is why.
    pub cancelled: Option<Cancelled>,
    /// The steps that could not be undone, in the order in which that was tried.
    pub failed: Vec<(StepId, Failure)>,
}

impl Kept {
    /// What it holds, shared.
    fn values(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.outputs.values().chain(self.around.iter().filter_map(|around| around.item.as_ref()))
    }
}

impl RunState {
    /// What is undone after the run failed or was cancelled, while it is.
    pub fn undoing(&self) -> Option<&Undoing> {
        self.undoing.as_deref()
    }

    /// The completed visits that would be undone, in the order of their completion.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Whether it has begun to undo what it did; then no step of it can be tried again.
    pub(crate) const fn has_undone(&self) -> bool {
        self.has_undone
    }

    /// What another run did is that run's to undo.
    pub(super) fn keep_nothing(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    pub(super) fn keep(&mut self, visit: VisitId, uses: &[StepId]) {
        let mut outputs = BTreeMap::new();
        let mut around = Vec::new();
        let mut at = self.visits.get(&visit).map(|visit| visit.frame);
        while let Some(frame) = at.and_then(|id| self.frames.get(&id)) {
            for id in uses {
                if let Some(output) = frame.outputs.get(id) {
                    outputs.entry(id.clone()).or_insert_with(|| Arc::clone(output));
                }
            }
            let within = frame.within.as_ref().and_then(|(visit, _)| self.visits.get(visit));
            if let (Some(visit), Some(_)) = (within, frame.index()) {
                let (step, item, index) = (visit.step.clone(), frame.item.clone(), frame.index());
                around.push(Around { step, item, index });
            }
            at = within.map(|visit| visit.frame);
        }
        let kept = Kept { visit, outputs, around };
        // What the one before holds too is there once: an item's `undo` often uses a step before the `map`.
        let last = self.kept.last();
        let held = |value: &Arc<Value>| last.is_some_and(|last| last.values().any(|v| Arc::ptr_eq(v, value)));
        let new = kept.values().filter(|value| !held(value)).map(|value| value_bytes(value));
        self.kept_bytes = new.fold(self.kept_bytes, usize::saturating_add);
        self.kept.push(kept);
    }

    pub(super) fn start_undo(&mut self, time: Timestamp, undoing: Undoing) {
        for id in std::mem::take(&mut self.active) {
            self.finish(time, id, Activity::Cancelled);
        }
        self.approvals.values_mut().for_each(Approval::shut);
        self.held.clear();
        self.frames.retain(|id, _| id.is_root());
        // What is undone takes the time it takes.
        self.deadline = None;
        self.undoing = Some(Box::new(undoing));
        self.has_undone = true;
    }

    /// The frame in which a visit is undone; what was kept for it goes there.
    pub(super) fn start_undo_frame(&mut self, id: FrameId, visit: VisitId, entry: &Entry) {
        let kept = self.kept.iter().rposition(|kept| kept.visit == visit).map(|at| self.kept.remove(at));
        let within = Some((visit, entry.clone()));
        self.frames.insert(id, Frame { within, kept: kept.map(Box::new), ..Frame::default() });
    }

    pub(super) fn end_undo_frame(&mut self, visit: VisitId, failure: Failure) {
        let step = self.visits.get(&visit).map(|visit| visit.step.clone());
        if let (Some(step), Some(undoing)) = (step, &mut self.undoing) {
            undoing.failed.push((step, failure));
        }
    }
}
