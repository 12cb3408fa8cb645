//! Variables of the run get their values.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Draft;
use super::advance::evaluation_failure;
use crate::definition::{Assignments, VARS_MAX_BYTES};
use crate::event::Event;
use crate::{Failure, FailureKind, FrameId, VisitId, value_bytes};

impl Draft<'_> {
    /// Evaluates assignments in their order and records them as one fact.
    pub(super) fn assign(
        &mut self,
        frame: FrameId,
        visit: Option<VisitId>,
        assignments: &Assignments,
    ) -> Result<(), Failure> {
        if assignments.is_empty() {
            return Ok(());
        }
        let mut vars = Arc::clone(&self.state.vars);
        let mut new = Map::new();
        for (name, template) in assignments {
            let mut scope = self.scope(frame);
            scope.vars = &vars;
            let value = template.evaluate(&scope).map_err(|error| evaluation_failure(&error))?;
            if let Value::Object(vars) = Arc::make_mut(&mut vars) {
                vars.insert(name.clone(), value.clone());
            }
            new.insert(name.clone(), value);
        }
        let bytes = value_bytes(&vars);
        if bytes > VARS_MAX_BYTES {
            let message = format!(
                "the variables of the run take {bytes} bytes, and vars_max_bytes is {VARS_MAX_BYTES}; \
                 keep what is large in the outputs of steps"
            );
            return Err(Failure::new(FailureKind::Limit, message));
        }
        let tainted = self.sources_of_vars(frame, assignments);
        self.push(Event::VarsSet { visit, vars: Value::Object(new).into() });
        self.taint_vars(tainted);
        Ok(())
    }
}
