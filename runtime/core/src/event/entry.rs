//! Why a step is the next one, and why a list of steps is gone through.

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::Failure;

/// Why a step was the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// The first of the workflow.
    First,
    /// The step before it led on.
    Next,
    /// `then` of the step before names it.
    Then,
    /// The branch of `then` with this number, from 0, held.
    Branch(u32),
    /// The case of the `switch` with this number, from 0, held.
    Case(u32),
    /// What it needs is done.
    Needs,
    /// It failed, and a person wants it tried again.
    Retried,
}

/// Why a list of steps within a step is gone through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The branch of a `parallel` with this number, from 0.
    Branch(u32),
    /// The item of a `map` with this number, from 0.
    Item(u32),
    /// The turns of a `loop`.
    Loop,
    /// A `catch`: the step failed so.
    Catch {
        /// Why.
        failure: Failure,
    },
    /// An `undo`: the run failed so.
    Undo {
        /// Why.
        failure: Failure,
    },
    /// A `finally`: what came of the step, which holds when these steps are done.
    Finally {
        /// Its output, or why it failed.
        outcome: Result<Payload, Failure>,
    },
}
