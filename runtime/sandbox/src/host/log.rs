//! `log`: the plugin's own lines, and what it writes to stdout and stderr.
//!
//! A book holds the lines of one attempt, within `log_max_bytes`. A tool's lines are given back
//! with its result; an agent's go to the engine, in their order, before its next call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use pawl_core::call::LogLevel;

use crate::bindings::host::log::{Host, Level};
use crate::state::HostState;

/// What a line costs beside its text, so that empty lines cost something too.
const LINE_COST_BYTES: u64 = 16;
/// How many error lines a trap's message repeats: the hook of Rust's WASI panics writes several.
const LAST_WORDS_LINES: usize = 3;
/// How much of one such line.
const LAST_WORDS_CHARS: usize = 500;

pub(crate) type SharedLog = Arc<Mutex<LogBook>>;

/// The log lines of one attempt.
#[derive(Debug)]
pub(crate) struct LogBook {
    lines: Vec<(LogLevel, String)>,
    limit_bytes: u64,
    used_bytes: u64,
    is_full: bool,
    last_words: VecDeque<String>,
    /// What an SDK wrote of a panic, which a language's own runtime may say more about.
    panic: Option<String>,
}

impl LogBook {
    pub(crate) fn shared(limit_bytes: u64) -> SharedLog {
        Arc::new(Mutex::new(Self {
            lines: Vec::new(),
            limit_bytes,
            used_bytes: 0,
            is_full: false,
            last_words: VecDeque::new(),
            panic: None,
        }))
    }

    /// Adds one line, or notes once that lines are dropped.
    pub(crate) fn add(&mut self, level: LogLevel, message: String) {
        if level == LogLevel::Error {
            if self.last_words.len() == LAST_WORDS_LINES {
                self.last_words.pop_front();
            }
            let words: String = message.chars().take(LAST_WORDS_CHARS).collect();
            if words.starts_with("panicked at ") {
                self.panic = Some(words.clone());
            }
            self.last_words.push_back(words);
        }
        let cost = LINE_COST_BYTES + message.len() as u64;
        if !self.is_full && self.used_bytes + cost <= self.limit_bytes {
            self.used_bytes += cost;
            self.lines.push((level, message));
        } else if !self.is_full {
            self.is_full = true;
            let note =
                format!("further log lines are dropped: log_max_bytes ({}) is used up", self.limit_bytes);
            self.lines.push((LogLevel::Warn, note));
        }
    }

    /// Whether there is no line that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines since the last time.
    pub(crate) fn take_lines(&mut self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.lines)
    }

    /// What the guest said last about its errors.
    pub(crate) fn last_words(&self) -> String {
        if let Some(panic) = &self.panic {
            return panic.clone();
        }
        self.last_words.iter().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

impl Host for HostState {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log().add(level, message);
        Ok(self.send_log().await?)
    }

    async fn progress(&mut self, note: String, fraction: Option<f64>) -> wasmtime::Result<()> {
        self.notes.tell(note, fraction);
        Ok(())
    }
}
