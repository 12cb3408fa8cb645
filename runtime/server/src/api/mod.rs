//! The verbs of the API, one file a noun.

mod answers;
mod extract;

pub(crate) mod approvals;
pub(crate) mod health;
pub(crate) mod idempotency;
pub(crate) mod inbox;
pub(crate) mod metrics;
pub(crate) mod pages;
pub(crate) mod plugins;
pub(crate) mod runs;
pub(crate) mod system;
pub(crate) mod topics;
pub(crate) mod upgrades;
pub(crate) mod workflows;

pub(crate) use answers::{Answers, Refusals, Rejections, misdirected, refused_at_the_door};
pub(crate) use extract::{Body, OptionalBody, Path, Query, form};

use crate::Problem;

/// Rows of a page where nothing else is asked for.
pub(crate) const PAGE_ROWS: usize = 50;
/// The most rows of a page.
pub(crate) const PAGE_MAX_ROWS: usize = 500;

/// How many rows are asked for.
pub(crate) fn rows(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(PAGE_ROWS) {
        rows @ 1..=PAGE_MAX_ROWS => Ok(rows),
        rows => {
            Err(Problem::bad_request(format!("a page has 1 to {PAGE_MAX_ROWS} rows, and limit is {rows}")))
        }
    }
}
