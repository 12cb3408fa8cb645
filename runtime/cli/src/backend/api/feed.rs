//! A run's events from a server, until the run rests.

use std::time::Duration;

use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status, Waiting};
use tokio::time::{Instant, sleep_until};

use super::http::{Api, Events};
use super::{path_of, read};
use crate::backend::Next;
use crate::fault::Fault;

/// How long after an event it is looked whether the run rests, in milliseconds: others follow at once as a rule.
const LOOK_AFTER_MS: u64 = 50;
/// How often a stream that broke off is opened again without an event between.
const REOPENS_MAX: u32 = 10;

/// Follows a run.
#[derive(Debug)]
pub(crate) struct ApiFeed {
    api: Api,
    run: RunId,
    events: Option<Events>,
    /// The seq of the last event.
    seen: u64,
    to_end: bool,
    /// Whether what models say is heard as well.
    aloud: bool,
    /// When it is looked whether the run rests.
    look_at: Option<Instant>,
    reopened: u32,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(LOOK_AFTER_MS)
}

impl ApiFeed {
    pub(super) fn new(api: Api, run: RunId, from_seq: u64, to_end: bool, aloud: bool) -> Self {
        let seen = from_seq.saturating_sub(1);
        Self { api, run, events: None, seen, to_end, aloud, look_at: Some(soon()), reopened: 0 }
    }

    /// What comes next; waits for it. May be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Result<Next, Fault> {
        loop {
            if self.events.is_none() {
                if self.reopened > REOPENS_MAX {
                    return Err(Fault::unusable("the server ends the stream of events again and again")
                        .hint("the run goes on; look at it with `pawl show`"));
                }
                let (run, seen, aloud) = (path_of(self.run), self.seen, self.aloud);
                let path = format!("{run}/events?after={seen}&progress=true&tokens={aloud}");
                self.events = Some(self.api.stream(&path).await?);
                self.reopened += 1;
            }
            let Some(events) = &mut self.events else { continue };
            let look_at = self.look_at;
            let look = async {
                match look_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some((name, data)) if name == "event" => {
                        let envelope = read::event(&data)?;
                        self.seen = envelope.seq;
                        self.look_at = Some(soon());
                        self.reopened = 0;
                        return Ok(Next::Event(Box::new(envelope)));
                    }
                    Some((name, data)) if name == "progress" => {
                        return Ok(Next::Progress(Box::new(read::read(data)?)));
                    }
                    Some((name, data)) if name == "said" => return Ok(Next::Said(Box::new(read::read(data)?))),
                    Some((name, _)) if name == "end" => {
                        return Ok(Next::Settled(Box::new(self.api.run(self.run).await?)));
                    }
                    Some(_) => {}
                    None => self.events = None,
                },
                () = look => {
                    self.look_at = None;
                    let header = self.api.run(self.run).await?;
                    if header.head.seq <= self.seen && self.rests(&header) {
                        return Ok(Next::Settled(Box::new(header)));
                    }
                }
            }
        }
    }

    /// Whether the run goes on only when something comes from outside.
    fn rests(&self, header: &RunHeader) -> bool {
        let waits = header.waiting.as_ref().is_some_and(Waiting::is_from_outside);
        header.status.is_final() || (!self.to_end && (waits || header.status == Status::Suspended))
    }
}
