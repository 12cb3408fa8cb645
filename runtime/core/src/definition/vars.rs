//! Variables of a run: values that steps change as it goes on.

use crate::expression::Template;

/// The most bytes that the variables of a run may take together, as JSON.
pub const VARS_MAX_BYTES: usize = 1_024 * 1_024;

/// Names and what each becomes, in the order of the source; each sees those before it.
pub type Assignments = Vec<(String, Template)>;
