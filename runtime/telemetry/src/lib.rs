//! Traces of pawl: spans that are made of journals and sent to a collector over OTLP.
//!
//! What is authoritative: the journals. A span is given when the event with which it ends is durable, its id follows
//! from that journal, and a file beside the store says how far each run was sent. So a trace goes on where it stopped
//! when the process dies, without a span that is missing; one can be sent again, under the same id, only if the
//! process dies between the collector's answer and the note of it.
//!
//! Runs never wait for any of this: it reads what they have committed, behind them.

#![warn(missing_docs)]

mod cursor;
mod export;
mod exporter;
mod fold;
mod folds;
mod http;
mod otlp;
mod scan;
mod settings;
mod span;

pub use cursor::CURSOR_LINES_MAX;
pub use export::{CLOSE_MAX_MS, RUNS_WAITING_MAX, Telemetry};
pub use exporter::{EXPORT_PAUSE_MS, REQUEST_CONTENT_MAX_BYTES, SPANS_PER_REQUEST_MAX};
pub use fold::{CONTENT_MAX_BYTES, NOTES_MAX, Trace};
pub use folds::FOLDS_MAX;
pub use http::COLLECTOR_RESPONSE_MAX_BYTES;
pub use settings::{Given, Settings, SettingsError};
pub use span::{Attribute, Kind, Link, Note, Span};
