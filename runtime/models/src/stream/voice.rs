//! What a model says while it says it.

use std::fmt;
use std::sync::Arc;

use crate::key::Key;

/// So much is told at once, in bytes, or what stands before the end of a line, without that.
const TOLD_AT_ONCE_BYTES: usize = 60;

/// Who hears what a model says while it says it. Never waits; what was said before a request was made again is said
/// again.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(&str) + Send + Sync>);

impl Listener {
    /// Tells a function.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Tells a part of what is said.
    pub fn hear(&self, said: &str) {
        (self.0)(said);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Tells whole words: a key has no space in it, so it is never told in two parts.
pub(crate) struct Voice {
    listener: Listener,
    key: Option<Key>,
    held: String,
}

impl Voice {
    pub(crate) const fn new(listener: Listener, key: Option<Key>) -> Self {
        Self { listener, key, held: String::new() }
    }

    pub(crate) fn say(&mut self, said: &str) {
        self.held.push_str(said);
        while let Some(end) = self.held.find('\n') {
            let rest = self.held.split_off(end + 1);
            let told = std::mem::replace(&mut self.held, rest);
            self.tell(told);
        }
        if self.held.len() >= TOLD_AT_ONCE_BYTES
            && let Some(end) = self.held.rfind(char::is_whitespace)
        {
            let rest = self.held.split_off(end);
            let told = std::mem::replace(&mut self.held, rest.trim_start().to_owned());
            self.tell(told);
        }
    }

    pub(crate) fn end(&mut self) {
        let told = std::mem::take(&mut self.held);
        self.tell(told);
    }

    fn tell(&self, said: String) {
        let said = match &self.key {
            Some(key) => key.out_of(said),
            None => said,
        };
        if !said.trim().is_empty() {
            self.listener.hear(said.trim_end_matches(['\r', '\n']));
        }
    }
}
