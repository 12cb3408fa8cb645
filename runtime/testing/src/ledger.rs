//! What was done outside, as somebody outside would know it: every call, in every process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pawl_core::call::CallResponse;
use pawl_core::plugin::EffectClass;
use pawl_core::{RunId, VisitId};
use serde_json::Value;

/// What tells one piece of work from any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkId {
    pub(crate) run: RunId,
    pub(crate) visit: VisitId,
    pub(crate) attempt: u32,
    /// The number of an agent's call; nothing for a step's own work.
    pub(crate) call: Option<u32>,
}

/// One call of a tool, or one run of a mocked agent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `plugin.tool`, or the agent's plugin.
    pub(crate) name: String,
    pub(crate) step: String,
    pub(crate) id: WorkId,
    /// Absent for an agent.
    pub(crate) effect: Option<EffectClass>,
    pub(crate) arguments: Value,
    /// Where the run's journal ended when it began.
    pub(crate) seq: u64,
    /// What it came to, as far as anybody outside knows.
    pub(crate) result: Option<CallResponse>,
}

/// Every call, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Call>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a call down; gives its number.
    pub(crate) fn begin(&self, call: Call) -> usize {
        let mut calls = self.lock();
        calls.push(call);
        calls.len() - 1
    }

    /// Writes down what a call came to.
    pub(crate) fn end(&self, number: usize, result: &CallResponse) {
        if let Some(call) = self.lock().get_mut(number) {
            call.result = Some(result.clone());
        }
    }

    /// All of them.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// What the latest call of a visit came to, or of an agent's call in it.
    pub(crate) fn latest(&self, run: RunId, visit: VisitId, call: Option<u32>) -> Option<CallResponse> {
        let calls = self.lock();
        let of = |done: &&Call| done.id.run == run && done.id.visit == visit && done.id.call == call;
        calls.iter().rev().find(of).and_then(|call| call.result.clone())
    }
}
