//! Parts of listings.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Problem;

/// Rows of a page where nothing else is asked for.
pub(crate) const PAGE_ROWS: usize = 50;
/// The most rows of a page.
pub(crate) const PAGE_MAX_ROWS: usize = 500;

/// Which part of a listing.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// How many rows, at most 500; 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
}

impl PageQuery {
    /// How many rows are asked for.
    pub(crate) fn rows(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(PAGE_ROWS) {
            rows @ 1..=PAGE_MAX_ROWS => Ok(rows),
            rows => Err(Problem::bad_request(format!(
                "a page has 1 to {PAGE_MAX_ROWS} rows, and limit is {rows}"
            ))),
        }
    }
}

/// A part of a listing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Listing {
    /// The rows.
    pub(crate) items: Vec<Value>,
    /// The cursor of the next page; null when this is the last.
    pub(crate) next: Option<String>,
}
