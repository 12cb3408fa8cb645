//! What the scenarios share: the `pawl` binary as a user runs it, the engine
//! as a library, and a tool server outside of pawl that counts what reached it.

mod binary;
mod scene;
mod tally;

pub use binary::{Outcome, Pawl, workflow};
pub use scene::{BEGIN, Disk, Scene, cache_dir, patiently, person, plugins_under_test, waits_until};
pub use tally::{Call, TALLY_HOST, TallyServer};
