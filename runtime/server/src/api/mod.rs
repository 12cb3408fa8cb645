//! The verbs of the API, one file a noun.

pub(crate) mod approvals;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod runs;
