//! Whether a run can go on with another definition, and what is recorded when it does.
//!
//! A run is moved only where it rests: nothing of it is under way, so whatever
//! comes next is decided by the new definition alone. The check is conservative.
//! It compares where the run stands, and what it has recorded, with what the new
//! definition would make of both; wherever the two do not fit for certain, there
//! is an obstacle, and the run stays on the definition that it has. Nothing that
//! is recorded is done again or changed by a move.

mod event;
mod frames;
mod obstacle;
mod references;
mod values;
mod visits;

use std::sync::Arc;

pub use event::DefinitionChanged;
pub(crate) use frames::ready;
pub use obstacle::{Obstacle, ObstacleKind, UPGRADE_OBSTACLES_MAX, Verdict};
pub(crate) use values::{accepted, new_vars};

use crate::StepId;
use crate::budget::Prices;
use crate::definition::{Definition, Step};
use crate::event::Actor;
use crate::plugin::{PluginPins, WorkflowPins};
use crate::state::{Phase, RunState};

/// What a run is to go on with.
#[derive(Debug, Clone)]
pub struct Target {
    /// The definition.
    pub definition: Arc<Definition>,
    /// Its plugins.
    pub plugins: Arc<PluginPins>,
    /// The workflows that it starts.
    pub workflows: WorkflowPins,
    /// What models cost, where money is counted.
    pub prices: Prices,
}

/// An operator moves a run.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// To what.
    pub to: Target,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
}

/// Whether a run that is on one definition can go on with another.
pub fn check(state: &RunState, from: &Definition, target: &Target) -> Verdict {
    let to = &*target.definition;
    let mut check = Check { state, from, to, target, verdict: Verdict::default() };
    if check.begins() {
        check.inputs_and_vars();
        check.run_wide();
        check.frames();
        check.visits();
        check.kept();
        check.signals();
        check.references();
    }
    check.verdict
}

/// A check in the making.
struct Check<'a> {
    state: &'a RunState,
    from: &'a Definition,
    to: &'a Definition,
    target: &'a Target,
    verdict: Verdict,
}

impl Check<'_> {
    /// Whether there is anything to compare at all.
    fn begins(&mut self) -> bool {
        let state = self.state;
        if !matches!(state.phase(), Phase::Open) {
            let what = format!("it has ended ({})", state.status().name());
            self.add(ObstacleKind::Ended, None, what, "only runs that go on are moved");
            return false;
        }
        if self.from.name != self.to.name {
            let what = format!("it is a run of '{}', and this is '{}'", self.from.name, self.to.name);
            self.add(ObstacleKind::OtherWorkflow, None, what, "name a version of its own workflow");
            return false;
        }
        if self.is_on_target() {
            self.verdict.already = true;
            return false;
        }
        if state.undoing().is_some() {
            let next = "wait for its end; `pawl rerun RUN --file FILE` starts it anew with the new version";
            self.add(ObstacleKind::Undoing, None, "it undoes what it did".to_owned(), next);
            return false;
        }
        if state.rehearsal().is_some() {
            let next = "make another fork of the run that it rehearses, when that one was moved";
            self.add(ObstacleKind::Rehearsal, None, "it is a rehearsal".to_owned(), next);
            return false;
        }
        true
    }

    /// Whether it would be moved to what it has.
    fn is_on_target(&self) -> bool {
        let (state, target) = (self.state, self.target);
        let same = |(name, pin): (&String, &crate::plugin::PluginPin)| {
            state.plugins.get(name).is_some_and(|own| own.component == pin.component)
        };
        state.definition == self.to.digest
            && target.plugins.iter().all(same)
            && *state.workflows == target.workflows
    }

    fn add(&mut self, kind: ObstacleKind, step: Option<&StepId>, what: String, next: &str) {
        self.verdict.add(Obstacle { kind, step: step.cloned(), what, next: next.to_owned() });
    }

    fn note(&mut self, note: String) {
        self.verdict.note(note);
    }
}

/// The step with an id.
fn named<'d>(definition: &'d Definition, id: &StepId) -> Option<&'d Step> {
    definition.index_of(id).and_then(|index| definition.step(index))
}

/// Whether two parts of definitions say the same. Their debug form has all of it, expressions as they are written,
/// and no places.
fn same<T: std::fmt::Debug>(one: &T, other: &T) -> bool {
    format!("{one:?}") == format!("{other:?}")
}
