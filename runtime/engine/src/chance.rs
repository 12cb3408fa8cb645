//! Where chance comes from: the system, or a test.

use std::fmt::Debug;

use pawl_core::RunId;
use uuid::Uuid;

/// Where chance comes from: ids of runs, of approvals, jitter, what agents draw.
pub trait Chance: Debug + Send + Sync + 'static {
    /// The id of a new run.
    fn run_id(&self) -> RunId;

    /// 32 bytes for what is decided of a run behind its event `seq`. Who wants the same run again
    /// after a crash gives the same bytes for the same place.
    fn bytes(&self, run: RunId, seq: u64) -> [u8; 32];
}

/// The system's randomness: unpredictable, and never twice the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn run_id(&self) -> RunId {
        RunId::new(Uuid::now_v7())
    }

    fn bytes(&self, _: RunId, _: u64) -> [u8; 32] {
        rand::random()
    }
}
