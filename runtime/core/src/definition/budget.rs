//! How much a run or a step may use.

use crate::budget::Amounts;

/// The most tokens that a budget can name.
pub const BUDGET_TOKENS_MAX: u32 = 1_000_000_000;
/// The most calls that a budget can name.
pub const BUDGET_CALLS_MAX: u32 = 1_000_000;
/// The most money that a budget can name.
pub const BUDGET_MONEY_MAX: u32 = 1_000_000;
/// From which part of a limit on somebody is warned, in percent, where nothing is said of it.
pub const BUDGET_WARN_AT_DEFAULT_PERCENT: u8 = 80;

/// How much a run or a step may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// The most of each thing that is limited.
    pub limits: Amounts,
    /// From which part of a limit on it is told, in percent.
    pub warn_at: u8,
}
