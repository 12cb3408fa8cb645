//! What the scenarios share: the `pawl` binary as a user runs it, the engine
//! as a library, a tool server outside of pawl that counts what reached it, a web server, and what
//! benchmarks measure with.

mod binary;
mod collector;
mod hook;
mod measure;
mod scene;
mod serving;
mod tally;
mod web;

pub mod power;
pub mod torture;

pub use binary::{Outcome, Pawl, binary, root, workflow};
pub use collector::{Collector, Received};
pub use hook::{Hook, HookAnswer, HookRequest};
pub use measure::{Pattern, at_ms, cores, cpu_time, memory_mib, memory_of, timed};
pub use scene::{BEGIN, Disk, Scene, cache_dir, patiently, person, plugins_under_test, waits_until};
pub use serving::{EventStream, Serving, StreamEvent, ask, exchange};
pub(crate) use tally::calls_of;
pub use tally::{Call, TALLY_HOST, TallyServer, TimedCall};
pub use web::Web;
