//! What takes back what was done.

use std::collections::BTreeSet;

use super::BlockIndex;
use crate::StepId;

/// The most completed steps that a run keeps to undo them.
pub const UNDO_MAX_STEPS: usize = 10_000;
/// The most bytes of outputs and items that a run keeps for them, as JSON.
pub const UNDO_MAX_BYTES: usize = 32 * 1_024 * 1_024;

/// The steps that undo a step.
#[derive(Debug)]
pub struct Undo {
    /// The steps.
    pub block: BlockIndex,
    /// The steps around them whose outputs they use: all that is kept when the step is completed.
    pub uses: BTreeSet<StepId>,
}

/// What a cancelled run does with what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnCancel {
    /// Leaves it.
    #[default]
    Stop,
    /// Undoes it, and is cancelled then.
    Undo,
}
