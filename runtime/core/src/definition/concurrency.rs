//! How many may go on at once, and who goes first.

use crate::event::Overflow;
use crate::expression::Template;

/// How many runs of a workflow, or visits of a step, may go on at once.
#[derive(Debug)]
pub struct Concurrency {
    /// Among which they are counted; nothing for the workflow's name, or `WORKFLOW/STEP`.
    pub key: Option<Template>,
    /// How many.
    pub limit: u32,
    /// What happens to one more.
    pub overflow: Overflow,
}

/// How many slots of one key there may be.
pub const CONCURRENCY_MAX: u32 = 100_000;
/// How long the key of slots may be, in bytes.
pub const CONCURRENCY_KEY_MAX_BYTES: usize = 256;
/// The highest priority; 0 is the lowest.
pub const PRIORITY_MAX: u8 = 100;
/// The priority of what says nothing of it.
pub const PRIORITY_DEFAULT: u8 = 50;
