//! What stops a call of a tool at a person: the rules of the operator, of a workflow and of its steps.
//!
//! A rule only ever adds. No rule takes another back, so whatever a workflow says, what its operator
//! asks for is asked for as well. What applies to a run from outside its workflow is part of its
//! first event: a later change of `pawl.yaml` is for later runs, and a replay never reads that file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Duration;
use crate::expression::{Expression, InvalidExpression, Layer, Scope};
use crate::plugin::{Ceiling, Folders, Permissions};
use crate::taint::Sources;
use crate::terms::Terms;

/// The most rules of one list.
pub const GUARD_RULES_MAX: usize = 100;
/// The action that lets a guarded call happen.
pub const APPROVE: &str = "approve";
/// The action that does not.
pub const REJECT: &str = "reject";
/// What a rule names to be about an agent's questions to people; no `*` stands for it.
pub const ASK: &str = "human.ask";
/// The field of a question's subject that names the tool.
pub(crate) const TOOL: &str = "tool";
/// What the expression of a rule may use; the field of a subject and of a form with the same in it.
pub const ARGUMENTS: &str = "arguments";

/// Calls of some tools stop at an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRule {
    /// Who says so: `the operator`, `workflow 'refund'`, `step 'pay'`.
    pub by: String,
    /// `payments.refund`, `payments.*` or `*`.
    pub tool: String,
    /// Only those whose arguments this holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Only those whose arguments are tainted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tainted: bool,
    /// Users and groups who may answer; empty means anyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// How long to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Duration>,
    /// What is chosen when time is up; stands with `due`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<String>,
    /// By how many it is answered, by whom not, and what happens while nobody does.
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
}

/// What holds for a run from outside its workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// The rules of the operator, and of the workflows whose steps led to the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<GuardRule>,
    /// The tools whose results are not to be trusted, as in [`GuardRule::tool`].
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub untrusted: BTreeSet<String>,
    /// The most that the operator lets its steps do.
    #[serde(skip_serializing_if = "Ceiling::is_empty")]
    pub grants: Ceiling,
    /// The most that the steps that led to the run are granted themselves.
    #[serde(skip_serializing_if = "Ceiling::is_empty")]
    pub around: Ceiling,
    /// The folders that the operator lets tools have, absolute.
    #[serde(skip_serializing_if = "Folders::is_empty")]
    pub files: Folders,
    /// What tainted the inputs.
    #[serde(skip_serializing_if = "Sources::is_empty")]
    pub tainted: Sources,
    /// Whether the run that started this one followed what is tainted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
}

impl Policy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same for a run that is made anew of one that others led to: what those asked of it, and bound it by, holds
    /// as well. `keeps_inputs`: its inputs are those of that run, and tainted as they were; `had_parent`: a step of
    /// another run had started that one.
    #[must_use]
    pub fn carried(self, before: &Self, keeps_inputs: bool, had_parent: bool) -> Self {
        let mut approvals = self.approvals;
        let missing = before.approvals.iter().filter(|rule| !approvals.contains(rule)).cloned();
        let missing: Vec<_> = missing.collect();
        approvals.extend(missing);
        let tainted = match keeps_inputs {
            // Nothing says any more where they come from.
            true if had_parent && !before.follows => Sources::of_a_parent(),
            true => before.tainted.clone(),
            false => Sources::default(),
        };
        Self {
            approvals,
            untrusted: self.untrusted.union(&before.untrusted).cloned().collect(),
            grants: self.grants.within(&before.grants),
            around: before.around.clone(),
            files: self.files,
            tainted,
            follows: before.follows,
        }
    }

    /// Whether something other than the operator had a say in it: a step that led to the run.
    pub fn is_led(&self) -> bool {
        !self.around.is_empty() || !self.tainted.is_empty() || self.follows
    }

    /// Whether a rule speaks of a plugin, or of one of its tools, by this name.
    pub fn speaks_of(&self, plugin: &str) -> bool {
        let all = format!("{plugin}.");
        let speaks = |pattern: &str| covers(pattern, &all) || pattern.starts_with(&all);
        let tools = self.grants.tools.iter().flatten();
        let guarded = self.approvals.iter().map(|rule| &rule.tool);
        tools.chain(guarded).chain(&self.untrusted).any(|pattern| speaks(pattern))
            || self.grants.agents.iter().flatten().any(|agent| agent == plugin)
    }

    /// What is withheld of what a step's workflow grants it, and by whom; for people. Folders aside: which they are
    /// is known where the folder of the workflow is.
    pub fn withheld(&self, granted: &Permissions) -> Option<String> {
        let by = [
            ("pawl.yaml does not have it under `grants`", &self.grants),
            ("a step of another workflow that led to the run does not have it", &self.around),
        ];
        let granted = Permissions { files: Folders::new(), ..granted.clone() };
        let said = by.into_iter().filter_map(|(who, ceiling)| {
            let beyond = ceiling.withholds(&granted);
            (!beyond.is_empty()).then(|| format!("{}: {who}", beyond.join(", ")))
        });
        let said: Vec<_> = said.collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// What a step has of what its workflow grants it.
    #[must_use]
    pub fn narrow(&self, granted: &Permissions) -> Permissions {
        self.around.narrow(&self.grants.narrow(granted))
    }
}

/// Whether a tool, `payments.refund`, is among those of a pattern.
pub fn covers(pattern: &str, tool: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => tool.starts_with(start),
        None => pattern == tool,
    }
}

impl GuardRule {
    /// Why a call stops at it; nothing where it does not.
    pub(crate) fn holds(&self, tool: &str, arguments: &Value, sources: &Sources) -> Option<String> {
        if !covers(&self.tool, tool) || (self.tainted && sources.is_empty()) {
            return None;
        }
        let mut reason = format!("{} asks for it", self.by);
        if let Some(when) = &self.when {
            match holds(when, arguments) {
                Ok(false) => return None,
                Ok(true) => reason = format!("{reason} where {when}"),
                // A rule that cannot be looked at is no way round it.
                Err(why) => reason = format!("{reason}, since its condition cannot be evaluated: {why}"),
            }
        }
        if self.tainted {
            reason = format!("{reason}, since the arguments may come from {sources}");
        }
        Some(reason)
    }
}

fn holds(when: &str, arguments: &Value) -> Result<bool, String> {
    let expression = compile(when).map_err(|error| error.to_string())?;
    let (nothing, arguments) = (Arc::default(), Arc::new(arguments.clone()));
    let outputs = BTreeMap::new();
    let layer =
        Layer { outputs: &outputs, item: Some(&arguments), name: Some(ARGUMENTS), index: None, error: None };
    let scope = Scope { inputs: &nothing, vars: &nothing, run: &nothing, layers: vec![layer] };
    expression.holds(&scope).map_err(|error| error.reason)
}

/// The condition of a rule, which sees the arguments and nothing else.
pub(crate) fn compile(when: &str) -> Result<Expression, InvalidExpression> {
    let (expression, mistakes) = Expression::compile_all(when, &[ARGUMENTS.into()])?;
    mistakes.into_iter().next().map_or(Ok(expression), Err)
}
