//! The pure core of pawl.
//!
//! What is authoritative here: the journal's events and the fold over them. A
//! command goes through [`decide`], which gives events; [`RunState::apply`]
//! folds them; [`effects`] reads from a state what must happen next.
//!
//! Nothing in this crate reads a clock, draws a random number, does IO, awaits
//! or runs Wasm: time, randomness and ids come in with the command, so that a
//! fold gives the same state anywhere, at any time.

#![warn(missing_docs)]
#![warn(clippy::wildcard_enum_match_arm)]

mod canonical;
mod command;
mod decide;
mod digest;
mod effect;
mod failure;
mod id;
mod memory;
mod namespace;
mod refusal;
mod signer;
mod ticket;
mod time;

pub mod budget;
pub mod call;
pub mod chat;
pub mod definition;
pub mod diagnostic;
pub mod elicit;
pub mod event;
pub mod expression;
pub mod fork;
pub mod graph;
pub mod guard;
pub mod inbox;
pub mod journal;
pub mod language;
pub mod letter;
pub mod oci;
pub mod operator;
pub mod plugin;
pub mod route;
pub mod source;
pub mod state;
pub mod taint;
pub mod terms;
pub mod topic;
pub mod trace;
pub mod travel;
pub mod upgrade;
pub mod view;

pub use canonical::{canonical_json, json_bytes, value_bytes, within_depth};
pub use command::{AnsweredCall, AskedByTool, CallPlace, Command, Entropy, Moment, RouteFound, RouteOutcome};
pub use decide::{
    AGENTS_MAX_DEPTH, HANDOVERS_MAX, MAP_MAX_ITEMS, RUN_MAX_VISITS, SIGNAL_KEY_MAX_BYTES, SIGNALS_KEPT_MAX,
    SlotNews, TRANSITION_MAX_BYTES, TRANSITION_MAX_VISITS, decide,
};
pub use digest::Digest;
pub use effect::{Effect, effects};
pub use failure::{Failure, FailureKind};
pub use id::{ApprovalId, FrameId, InvalidId, RunId, StepId, VisitId};
pub use memory::{MEMORY_KEY_MAX_BYTES, MemoryScope, Remembered};
pub use namespace::{InvalidNamespace, NAMESPACE_MAX_BYTES, Namespace};
pub use refusal::Refusal;
pub use signer::{InvalidPublicKey, PublicKey};
pub use state::RunState;
pub use ticket::{PRIORITY_WORTH_MS, Rank, Ticket};
pub use time::{Duration, InvalidDuration, InvalidTimestamp, Timestamp};
