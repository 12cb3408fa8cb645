//! Scenarios that cross crates.

mod approvals;
mod crash;
mod divergence;
mod frozen;
mod hostile;
mod imports;
mod many;
mod once;
mod payloads;
mod restart;
mod stand_in;
mod time;
mod together;
mod trouble;
mod workflows;
