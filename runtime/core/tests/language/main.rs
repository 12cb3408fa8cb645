//! What the language promises of a run, one feature a file, on simulated time.

mod bench;
mod needs;
mod routes;
mod slots;
mod timeouts;
mod undo;
mod vars;
