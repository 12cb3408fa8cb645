//! What the step may do. For agents; always there.
//!
//! An agent that looks here before it calls also starts where [`tools`](crate::tools),
//! [`agents`](crate::agents), [`signals`](crate::signals), [`human`](crate::human) or [`memory`](crate::memory) are not.

use crate::bindings::grants;

/// Whether a capability is granted, by its name: `tools`, `human`.
pub fn has(capability: &str) -> bool {
    grants::has(capability)
}
