//! A run that fails undoes what it did, the last first.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Draft;
use crate::definition::{OnCancel, UNDO_MAX_BYTES, UNDO_MAX_STEPS, Verb};
use crate::event::{Actor, Cancelled, Entry, Event};
use crate::expression::Layer;
use crate::state::{Kept, Undoing};
use crate::{Failure, FailureKind, StepId, VisitId};

/// How many failures of an undo the run's own failure names.
const NAMED_MAX: usize = 8;
/// How many it has in its details.
const DETAILED_MAX: usize = 100;

static NOTHING: BTreeMap<StepId, Arc<Value>> = BTreeMap::new();

impl Draft<'_> {
    /// A step with an `undo` was completed: what it takes to undo it is kept.
    ///
    /// Where that is more than may be kept, this one still is: the failure that follows undoes it.
    pub(super) fn keep_for_undo(&mut self, visit: VisitId) -> Result<(), Failure> {
        let definition = self.definition;
        let step = self.index_of(visit).and_then(|index| definition.step(index));
        let Some((step, undo)) = step.and_then(|step| Some((step, step.undo.as_ref()?))) else {
            return Ok(());
        };
        self.push(Event::UndoKept { visit, uses: undo.uses.iter().cloned().collect() });
        let message = if self.state.kept.len() > UNDO_MAX_STEPS {
            format!("the run did more steps with `undo` than undo_max_steps ({UNDO_MAX_STEPS}) allows")
        } else if self.state.kept_bytes > UNDO_MAX_BYTES {
            format!("what the run keeps for `undo` takes more than undo_max_bytes ({UNDO_MAX_BYTES}) allows")
        } else {
            return Ok(());
        };
        let message = format!("at step '{}': {message}; split the workflow", step.id);
        Err(Failure::new(FailureKind::Limit, message))
    }

    /// The run has failed: what was done is undone first.
    pub(super) fn fail_run(&mut self, failure: Failure, step: Option<StepId>) {
        if self.state.undoing.is_some() || self.state.kept.is_empty() {
            return self.push(Event::RunFailed { failure, step });
        }
        self.begin_undo(failure, step, None);
    }

    /// Ends the run; where it says so, it undoes what it did first. A second cancel stops that, too.
    pub(super) fn cancel(&mut self, by: Actor, reason: Option<String>) {
        let stops = self.definition.on_cancel == OnCancel::Stop;
        if stops || self.state.undoing.is_some() || self.state.kept.is_empty() {
            return self.push(Event::RunCancelled { by, reason });
        }
        let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let failure =
            Failure::new(FailureKind::Cancelled, format!("the run was cancelled by {}{why}", by.name));
        self.begin_undo(failure, None, Some(Cancelled { by, reason }));
    }

    fn begin_undo(&mut self, failure: Failure, step: Option<StepId>, cancelled: Option<Cancelled>) {
        // Nothing of what was to come does. What is done in return may take as much work as what was done.
        self.next.clear();
        self.bytes = 0;
        self.push(Event::UndoStarted { failure, step, cancelled });
        self.undo_next();
    }

    /// Undoes the step that was completed last of those that are left; ends the run when none is.
    pub(super) fn undo_next(&mut self) {
        let visit = self.state.kept.last().map(|kept| kept.visit);
        let failure = self.state.undoing().map(|undoing| undoing.failure.clone());
        let block = visit.and_then(|visit| self.step_of(visit)?.undo.as_ref().map(|undo| undo.block));
        match (visit, failure, block) {
            (Some(visit), Some(failure), Some(block)) => {
                // Each may take its own work; `run_max_visits` bounds them all.
                self.visits = 0;
                self.start_frame(visit, Entry::Undo { failure }, block);
            }
            _ => self.end_undo(),
        }
    }

    fn end_undo(&mut self) {
        let Some(undoing) = self.state.undoing().cloned() else { return };
        let told = told(&undoing);
        let Undoing { failure, step, cancelled, failed } = undoing;
        let Some(Cancelled { by, reason }) = cancelled else {
            return self.push(Event::RunFailed { failure: with_undo(failure, told, &failed), step });
        };
        let reason = match (reason, told) {
            (Some(reason), Some(told)) => Some(format!("{reason}; {told}")),
            (reason, told) => reason.or(told),
        };
        self.push(Event::RunCancelled { by, reason });
    }

    /// What an `undo` sees around its own steps: what was kept.
    pub(super) fn add_kept<'s>(&'s self, kept: &'s Kept, layers: &mut Vec<Layer<'s>>) {
        let mut outputs = &kept.outputs;
        for around in &kept.around {
            let step = self.step_named(&around.step);
            let name = step
                .and_then(|step| if let Verb::Map(map) = &step.verb { map.name.as_deref() } else { None });
            let (item, index) = (around.item.as_ref(), around.index);
            layers.push(Layer { outputs, item, name, index, error: None });
            outputs = &NOTHING;
        }
        layers.push(Layer { outputs, item: None, name: None, index: None, error: None });
    }
}

/// What could not be undone, in a sentence.
fn told(undoing: &Undoing) -> Option<String> {
    let named = undoing.failed.iter().take(NAMED_MAX);
    let mut named: Vec<String> = named.map(|(step, failure)| format!("'{step}' ({failure})")).collect();
    match undoing.failed.len().saturating_sub(NAMED_MAX) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    (!named.is_empty()).then(|| format!("could not undo {}", named.join(", ")))
}

/// The run's failure, with what could not be undone.
fn with_undo(failure: Failure, told: Option<String>, failed: &[(StepId, Failure)]) -> Failure {
    let Some(told) = told else { return failure };
    let not_undone: Value = failed
        .iter()
        .take(DETAILED_MAX)
        .map(|(step, failure)| json!({ "step": step.as_str(), "error": failure }))
        .collect();
    let details = match failure.details {
        None => Some(json!({ "not_undone": not_undone })),
        Some(Value::Object(mut details)) => {
            details.insert("not_undone".to_owned(), not_undone);
            Some(Value::Object(details))
        }
        Some(other) => Some(json!({ "details": other, "not_undone": not_undone })),
    };
    Failure { message: format!("{}; {told}", failure.message), details, ..failure }
}
