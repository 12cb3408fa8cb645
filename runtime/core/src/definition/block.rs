//! A list of steps: gone through one after the other, or as a graph of what each needs.

use super::StepIndex;

/// The position of a list in [`super::Definition::blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockIndex(pub usize);

impl BlockIndex {
    /// The workflow's own list.
    pub const ROOT: Self = Self(0);
}

/// What a list of steps is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The workflow's own.
    Workflow,
    /// A branch of a `parallel`.
    Branch,
    /// What a `map` does with each item.
    Item,
    /// A turn of a `loop`.
    Turn,
    /// A `catch`.
    Catch,
    /// A `finally`.
    Finally,
    /// An `undo`.
    Undo,
}

/// A list of steps: the workflow's own, or one within a step.
#[derive(Debug)]
pub struct Block {
    /// What it is for.
    pub role: Role,
    /// The step that it stands in; none for the workflow's own.
    pub parent: Option<StepIndex>,
    /// The steps in their order.
    pub steps: Vec<StepIndex>,
    /// Whether its steps start when what they need is done, rather than one after the other.
    pub is_graph: bool,
}
