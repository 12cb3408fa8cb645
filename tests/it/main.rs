//! Scenarios that cross crates.

mod approvals;
mod between;
mod crash;
mod divergence;
mod dropped;
mod frozen;
mod hostile;
mod http;
mod imports;
mod languages;
mod many;
mod once;
mod outside;
mod payloads;
mod publish;
mod restart;
mod slots;
mod stand_in;
mod testing;
mod time;
mod together;
mod tools;
mod travel;
mod trouble;
mod workflows;
