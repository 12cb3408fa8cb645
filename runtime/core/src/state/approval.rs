//! An approval as the run knows it.

use crate::call::Question;
use crate::event::{Actor, Asker};
use crate::{Digest, Timestamp, VisitId};

/// An approval, open or closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// The visit that asks.
    pub visit: VisitId,
    /// What it is about.
    pub asker: Asker,
    /// What is asked.
    pub question: Question,
    /// SHA-256 of the question.
    pub digest: Digest,
    /// When `on_timeout` is taken.
    pub due: Option<Timestamp>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What was chosen, and by whom; nothing while it is open.
    pub decision: Option<(String, String)>,
    /// The attempt of the visit that asks.
    pub attempt: u32,
    /// What was allowed of a guarded call, SHA-256 of tool and arguments, and by whom.
    pub allowed: Option<(Digest, Actor)>,
    /// Whether it can still be decided.
    pub open: bool,
}
