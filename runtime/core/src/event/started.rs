//! What a run starts from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Actor, Payload};
use crate::budget::{Amounts, Prices};
use crate::guard::Policy;
use crate::plugin::{Permissions, PluginPins, WorkflowPins};
use crate::trace::TraceContext;
use crate::travel::Ancestor;
use crate::{Digest, Namespace, RunId, VisitId};

/// What a run starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The workflow's name.
    pub workflow: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of the definition's source.
    pub definition: Digest,
    /// Accepted inputs, defaults filled in.
    pub inputs: Payload,
    /// The plugins with their components' digests.
    pub plugins: Arc<PluginPins>,
    /// What the operator allows beyond what stays inside the run.
    pub allowed: Permissions,
    /// Who started it.
    pub by: Actor,
    /// 32 random bytes, from which the randomness of its agents comes.
    pub seed: Digest,
    /// The workflows that its steps start, and theirs.
    #[serde(default, skip_serializing_if = "WorkflowPins::is_empty")]
    pub workflows: WorkflowPins,
    /// The folder of its workflow's file, where that grants files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The run whose step started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The priority of the step that started it, which it has unless its workflow says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What the step that started it allows it to use, of the budgets there.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub allowance: Amounts,
    /// What models cost, as the operator said when the first run of the tree was started; where money is counted.
    #[serde(default, skip_serializing_if = "Prices::is_empty")]
    pub prices: Prices,
    /// The run that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ancestor: Option<Ancestor>,
    /// What its operator, and the runs around it, ask for beyond its workflow.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
    /// The trace that whoever started it was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// Whose run it is.
    #[serde(default, skip_serializing_if = "Namespace::is_default")]
    pub namespace: Namespace,
}

/// The step that started a run, and waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its run.
    pub run: RunId,
    /// Its visit.
    pub visit: VisitId,
}
