//! One going-through of a list of steps, and what a step with lists in it keeps of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Kept;
use crate::event::Entry;
use crate::taint::Sources;
use crate::{Failure, FrameId, StepId, VisitId};

/// One going-through of a list of steps. Gone from the state when it is over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// The visit within which it is, and why; nothing for the workflow's own list.
    pub within: Option<(VisitId, Entry)>,
    /// The item of a `map`.
    pub item: Option<Arc<Value>>,
    /// The turn of a `loop`, from 0.
    pub turn: u32,
    /// What was kept of the visit that is undone in it.
    pub(crate) kept: Option<Box<Kept>>,
    /// How often each step was reached, in this turn.
    pub(crate) arrivals: BTreeMap<StepId, u32>,
    /// The steps that were completed or skipped, in this turn.
    pub(crate) done: BTreeSet<StepId>,
    /// The last output of each step.
    pub(crate) outputs: BTreeMap<StepId, Arc<Value>>,
    /// The output of the step that was completed last.
    pub(crate) last: Option<Arc<Value>>,
    /// What tainted the outputs that are tainted.
    pub(crate) tainted: BTreeMap<StepId, Sources>,
    /// What tainted anything that was done in it.
    pub(crate) taint: Sources,
}

impl Frame {
    /// `index` in expressions: the number of the item or turn, from 0.
    pub const fn index(&self) -> Option<u32> {
        match &self.within {
            Some((_, Entry::Item(index))) => Some(*index),
            Some((_, Entry::Loop)) => Some(self.turn),
            Some((
                _,
                Entry::Branch(_) | Entry::Catch { .. } | Entry::Finally { .. } | Entry::Undo { .. },
            ))
            | None => None,
        }
    }

    /// `error` in expressions: why the step failed whose `catch` or `finally` this is, or the run, in an `undo`.
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.within {
            Some((
                _,
                Entry::Catch { failure } | Entry::Undo { failure } | Entry::Finally { outcome: Err(failure) },
            )) => Some(failure),
            Some((_, Entry::Branch(_) | Entry::Item(_) | Entry::Loop | Entry::Finally { .. })) | None => None,
        }
    }
}

/// What a visit keeps of the lists of steps within it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inside {
    /// The items of a `map`.
    pub items: Arc<Vec<Arc<Value>>>,
    /// The frames that are under way.
    pub open: BTreeSet<FrameId>,
    /// What came of each branch or item that is over and was not cancelled.
    pub results: BTreeMap<u32, Result<Arc<Value>, Failure>>,
    /// How many branches or items were begun.
    pub begun: u32,
    /// Whether its `catch` was begun.
    pub catching: bool,
    /// What came of it, while its `finally` is under way or over.
    pub outcome: Option<Result<Arc<Value>, Failure>>,
}
