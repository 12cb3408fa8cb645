//! Tests of workflows, as their authors write them.
//!
//! A test is one run on the real core, engine and sandbox. What is not real:
//! the store is in memory, time is simulated and moves only when nothing else
//! can happen, chance comes from a seed, and tools, agents and people do what
//! the test says. So a run of a month takes milliseconds, and the same test
//! with the same seed is the same run.
//!
//! A crash is a process that is gone: its engine is dropped, and another is
//! opened on what its store held. Nothing else of it is kept.

#![warn(missing_docs)]

mod answer;
mod chance;
mod check;
mod clock;
mod compare;
mod crash;
mod error;
mod files;
mod idle;
mod junit;
mod ledger;
mod memory;
mod model;
mod outside;
mod path;
mod play;
mod process;
mod report;
mod servers;
mod stand_in;
mod store;
mod suite;
mod value;

pub use chance::SeededChance;
pub use clock::SimulatedClock;
pub use crash::{CRASH_POSITIONS_MAX, CrashReport, Difference};
pub use error::TestingError;
pub use files::{find, is_test};
pub use idle::{Idle, Working};
pub use junit::to_junit;
pub use report::{EventLine, FileReport, Finding, TestReport};
pub use suite::{Options, Progress, Suite};
