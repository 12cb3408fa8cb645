//! Progress notes: what a guest says of how far it is, to whoever watches right now.
//!
//! They are not recorded, and the guest gets nothing back: whether anyone hears them changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Notes of one attempt in one second; more are dropped.
const PROGRESS_PER_SECOND_MAX: u32 = 10;
/// One note; a longer one is cut.
const PROGRESS_NOTE_MAX_BYTES: usize = 1 << 10;

/// How far a guest is, in its own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What it does.
    pub note: String,
    /// How much of it is done, from 0 to 1.
    pub fraction: Option<f64>,
}

/// Who is told. Never waits.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(Progress) + Send + Sync>);

impl ProgressSink {
    /// Tells a function.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressSink").finish_non_exhaustive()
    }
}

/// The notes of one attempt.
pub(crate) struct Notes {
    sink: Option<ProgressSink>,
    second: Instant,
    /// How many were told since then.
    told: u32,
}

impl Notes {
    pub(crate) fn new(sink: Option<ProgressSink>) -> Self {
        Self { sink, second: Instant::now(), told: 0 }
    }

    pub(crate) fn tell(&mut self, mut note: String, fraction: Option<f64>) {
        let Some(ProgressSink(tell)) = &self.sink else { return };
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.told) = (Instant::now(), 0);
        }
        if self.told >= PROGRESS_PER_SECOND_MAX {
            return;
        }
        self.told += 1;
        note.truncate(note.floor_char_boundary(PROGRESS_NOTE_MAX_BYTES));
        let fraction = fraction.filter(|fraction| fraction.is_finite()).map(|value| value.clamp(0.0, 1.0));
        tell(Progress { note, fraction });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_flood_of_notes_and_a_long_one_are_cut() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&heard);
        let mut notes = Notes::new(Some(ProgressSink::new(move |note| theirs.lock().unwrap().push(note))));
        for _ in 0..100 {
            notes.tell("é".repeat(1_000), Some(7.0));
        }
        let heard = heard.lock().unwrap();
        // A hundred notes take no second; should the machine stop in between, another ten are heard.
        assert!((10..=20).contains(&heard.len()), "{}", heard.len());
        assert_eq!((heard[0].note.len(), heard[0].fraction), (PROGRESS_NOTE_MAX_BYTES, Some(1.0)));
        notes.tell(String::new(), Some(f64::NAN));
    }
}
