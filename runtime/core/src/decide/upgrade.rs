//! A run is moved to another definition, if it can be.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Draft, Next};
use crate::FrameId;
use crate::command::Moment;
use crate::definition::{Definition, Target};
use crate::event::{Because, Event, Payload};
use crate::refusal::Refusal;
use crate::state::RunState;
use crate::upgrade::{
    DefinitionChanged, Obstacle, ObstacleKind, Upgrade, Verdict, accepted, check, new_vars,
};

/// Checks the move on the state as it is now, and records it with what follows from it.
pub(super) fn carry_out(
    state: &mut RunState,
    from: &Definition,
    upgrade: Upgrade,
    moment: Moment,
) -> Result<Vec<Event>, Refusal> {
    let verdict = check(state, from, &upgrade.to);
    if !verdict.can_move() {
        return Err(Refusal::CannotMove(Box::new(verdict)));
    }
    let Upgrade { to, by, reason } = upgrade;
    let definition = &*to.definition;
    let inputs = accepted(state, definition).map_err(|problems| no_longer(problems.join("; ")))?;
    let inputs = Arc::new(inputs);
    let made = new_vars(state, &inputs, definition).map_err(no_longer)?;
    let changed = (inputs != *state.inputs()).then_some(inputs);
    let mut draft = Draft::new(state, definition, moment);
    draft.push(Event::DefinitionChanged(Box::new(DefinitionChanged {
        from: draft.state.definition(),
        to: definition.digest,
        from_version: draft.state.version.clone(),
        version: definition.version.clone(),
        plugins: to.plugins,
        workflows: to.workflows,
        prices: to.prices,
        inputs: changed.map(Payload::Inline),
        by,
        reason,
    })));
    draft.set_new_vars(made);
    for (frame, step) in crate::upgrade::ready(draft.state, definition) {
        draft.next.push_back(Next::Go(frame, Target::Step(step), Because::Needs));
    }
    draft.settle_all();
    Ok(draft.events)
}

impl Draft<'_> {
    /// Variables that the run does not have begin as they would have at its start.
    fn set_new_vars(&mut self, made: Map<String, Value>) {
        if made.is_empty() {
            return;
        }
        let tainted = self.sources_of_vars(FrameId::ROOT, &self.definition.vars);
        let tainted = tainted.into_iter().filter(|(name, _)| made.contains_key(name)).collect();
        self.push(Event::VarsSet { visit: None, vars: Value::Object(made).into() });
        self.taint_vars(tainted);
    }
}

/// What the check had found to be well; nothing changes between the two.
fn no_longer(what: String) -> Refusal {
    let (kind, next) = (ObstacleKind::Variable, "try again".to_owned());
    let obstacles = vec![Obstacle { kind, step: None, what, next }];
    Refusal::CannotMove(Box::new(Verdict { obstacles, ..Verdict::default() }))
}
