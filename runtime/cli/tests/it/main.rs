//! The binary as people use it: exit code, stdout and stderr of every command, run on the real
//! workflows. `INSTA_UPDATE=always cargo test -p pawl` writes the snapshots anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod answers;
mod checks;
mod faces;
mod failures;
mod grants;
mod guards;
mod home;
mod inbox;
mod lock;
mod memory;
mod models;
mod plugins;
mod private;
mod routes;
mod runs;
mod serve;
mod settings;
mod shared;
mod signals;
mod signatures;
mod slots;
mod store;
mod stores;
mod terminal;
mod tests;
mod tokens;
mod travel;
mod unreadable;
mod upgrades;
