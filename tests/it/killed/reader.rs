//! One who follows a stream through all kills, going on behind what it heard last.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use pawl_tests::{EventStream, StreamEvent};

/// A stream, and what was heard of it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) kind: Kind,
    path: String,
    heard: Mutex<Vec<StreamEvent>>,
}

/// Which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Run(String),
    Changes,
    Inbox,
}

impl Reader {
    pub(super) fn of_run(run: &str) -> Self {
        Self::new(Kind::Run(run.to_owned()), format!("/v1/runs/{run}/events"))
    }

    pub(super) fn of_changes() -> Self {
        Self::new(Kind::Changes, "/v1/events".into())
    }

    pub(super) fn of_inbox() -> Self {
        Self::new(Kind::Inbox, "/v1/approvals/events".into())
    }

    fn new(kind: Kind, path: String) -> Self {
        Self { kind, path, heard: Mutex::default() }
    }

    /// Listens as long as the server lives.
    pub(super) fn listen(&self, address: &str) {
        // A server that was killed before it answered is one that was killed.
        if let Ok(stream) = self.open(address, "") {
            self.take(stream);
        }
    }

    /// Hears what there is.
    pub(super) fn listen_to_the_end(&self, address: &str) -> Result<()> {
        self.take(self.open(address, "?follow=false")?);
        Ok(())
    }

    fn open(&self, address: &str, more: &str) -> Result<EventStream> {
        // Position 0 is before the first change.
        let last = self.heard().last().and_then(|event| event.id.clone()).unwrap_or_else(|| "0".into());
        EventStream::open(address, &format!("{}{more}", self.path), Some(&last))
    }

    fn take(&self, stream: EventStream) {
        // `end` says that nothing is followed any more, and has no place.
        for event in stream.filter(|event| event.name != "end") {
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
    }

    pub(super) fn heard(&self) -> Vec<StreamEvent> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
