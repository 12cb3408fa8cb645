//! The way of spans to the collector: runs that have grown are read on, and what ended in them is sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pawl_core::event::{Event, Payload};
use pawl_core::journal::{self, Head};
use pawl_core::trace::{TraceContext, TraceId};
use pawl_core::travel::Ancestor;
use pawl_core::{RunId, Timestamp};
use pawl_engine::{Clock as _, Engine, Metrics, SystemClock};
use pawl_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cursor::{Cursor, Sent, begun_at};
use crate::export::Heard;
use crate::fold::{Known, Trace};
use crate::folds::{FOLDS_MAX, Folds};
use crate::http::post;
use crate::settings::Settings;
use crate::span::{Attribute, Span};
use crate::{otlp, scan};

/// How long spans are gathered before they are sent, in milliseconds.
pub const EXPORT_PAUSE_MS: u64 = 1_000;
/// The most spans of one request.
pub const SPANS_PER_REQUEST_MAX: usize = 512;
/// The most of what was said, in bytes of the texts of spans, in one request. One span alone may have more.
pub const REQUEST_CONTENT_MAX_BYTES: usize = 4 << 20;
/// The longest pause before a collector that cannot be reached is tried again, in milliseconds.
const RETRY_PAUSE_MAX_MS: u64 = 60_000;
/// How many runs above one are looked at to find the one that no step has started.
const PARENTS_MAX: usize = 64;
/// How long a run that was begun may take until it is heard of, in milliseconds.
const UNHEARD_MAX_MS: u64 = 60_000;

/// Spans that are sent together, and what is noted when they were.
#[derive(Debug, Default)]
struct Batch {
    spans: Vec<Span>,
    sent: HashMap<RunId, Sent>,
    since: Option<Timestamp>,
}

/// Nothing is sent at the moment, for the collector cannot be reached or the store cannot be read; for so many seconds,
/// where the collector says it.
#[derive(Debug)]
struct Passing(Option<u64>);

pub(crate) struct Exporter {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    settings: Arc<Settings>,
    /// What holds from now on, when it is said anew.
    newer: watch::Receiver<Arc<Settings>>,
    cursor: Cursor,
    heard: Arc<Heard>,
    folds: Folds,
    /// In which trace runs are that started others, and whether it is recorded.
    parents: HashMap<RunId, (TraceId, bool)>,
    batch: Batch,
    pause_ms: u64,
}

impl Exporter {
    pub(crate) fn new(
        engine: &Engine,
        mut newer: watch::Receiver<Arc<Settings>>,
        cursor: Cursor,
        heard: Arc<Heard>,
    ) -> Self {
        let settings = Arc::clone(&newer.borrow_and_update());
        Self {
            store: Arc::clone(engine.store()),
            metrics: Arc::clone(engine.metrics()),
            settings,
            newer,
            cursor,
            heard,
            folds: Folds::default(),
            parents: HashMap::new(),
            batch: Batch::default(),
            pause_ms: EXPORT_PAUSE_MS,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let closed = self.heard.look().closed;
            let outcome = self.send_all().await;
            if closed {
                // What is not sent now, the next process sends.
                return;
            }
            self.pause_ms = match &outcome {
                Ok(()) => EXPORT_PAUSE_MS,
                Err(Passing(wait_s)) => {
                    let asked_ms = wait_s.unwrap_or(0).saturating_mul(1_000);
                    self.pause_ms.saturating_mul(2).max(asked_ms).min(RETRY_PAUSE_MAX_MS)
                }
            };
            self.rest(outcome.is_err()).await;
        }
    }

    /// Waits until there is something to send, and a while more, so that more is sent together.
    async fn rest(&mut self, is_trouble: bool) {
        let wake = Instant::now() + Duration::from_millis(self.pause_ms);
        loop {
            let (is_empty, closed) = {
                let waiting = self.heard.look();
                (waiting.runs.is_empty() && !waiting.missed, waiting.closed)
            };
            if closed {
                return;
            }
            let news = self.heard.news.notified();
            if is_empty && !is_trouble {
                news.await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep_until(wake) => return,
                    () = news => {}
                    // Whoever sees that nothing arrives may have changed where it goes.
                    Ok(()) = self.newer.changed() => {
                        self.newer.mark_changed();
                        return;
                    }
                }
            }
        }
    }

    async fn send_all(&mut self) -> Result<(), Passing> {
        if self.newer.has_changed().unwrap_or(false) {
            self.settings = Arc::clone(&self.newer.borrow_and_update());
            self.pause_ms = EXPORT_PAUSE_MS;
        }
        // What could not be sent before.
        self.send().await?;
        let begun = SystemClock.now();
        let (mut runs, missed) = {
            let mut waiting = self.heard.look();
            (std::mem::take(&mut waiting.runs), std::mem::take(&mut waiting.missed))
        };
        if missed {
            match scan::grown(self.store.as_ref(), &self.cursor).await {
                Ok(grown) => runs.extend(grown),
                Err(error) => {
                    self.heard.with(|waiting| {
                        waiting.missed = true;
                        waiting.runs.append(&mut runs);
                    });
                    return Err(not_read(&error));
                }
            }
        }
        while let Some(run) = runs.pop_first() {
            if let Err(passing) = self.read_on(run).await {
                runs.insert(run);
                self.heard.with(|waiting| waiting.runs.append(&mut runs));
                return Err(passing);
            }
        }
        // All that was begun a while ago has been heard of by now.
        self.batch.since = begun.0.checked_sub(UNHEARD_MAX_MS).map(Timestamp);
        self.send().await
    }

    /// Reads what is new of a run, and sends full batches of it.
    async fn read_on(&mut self, run: RunId) -> Result<(), Passing> {
        let mut fold = self.folds.take(run);
        let records = match self.store.journal(run, fold.head.seq + 1).await {
            Ok(records) => records,
            Err(StoreError::Damaged(reason)) => {
                tracing::warn!(%run, "its spans end here: {reason}");
                return Ok(());
            }
            Err(error) => {
                self.folds.keep(run, fold);
                return Err(not_read(&error));
            }
        };
        if records.is_empty() && fold.head.seq == 0 {
            self.cursor.remove(run);
            return Ok(());
        }
        let envelopes = journal::decode(run, &mut fold.head, records.iter().map(Vec::as_slice));
        let mut envelopes = match envelopes {
            Ok(envelopes) => envelopes,
            Err(error) => {
                tracing::warn!(%run, "its spans end here: {error}");
                return Ok(());
            }
        };
        if envelopes.first().is_some_and(|first| first.seq == 1) {
            fold.trace = Trace::new(run, self.sent_up_to(run, &envelopes));
        }
        for envelope in &mut envelopes {
            if let Some(digest) = fold.trace.wants(&envelope.event) {
                // Without it, the span says only that it was asked.
                let bytes = self.store.blob(&digest).await.ok().flatten();
                let value = bytes.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
                if let (Some(value), Some(payload)) = (value, envelope.event.payload_mut()) {
                    *payload = Payload::from(value);
                }
            }
            let (parent, ancestor) = self.around(&envelope.event).await;
            let Settings { providers, content, .. } = &*self.settings;
            let known = Known { providers, content: *content, parent, ancestor };
            self.batch.spans.extend(fold.trace.take(known, envelope));
            let sent =
                if fold.trace.has_ended() { Sent::End(envelope.seq) } else { Sent::UpTo(envelope.seq) };
            self.batch.sent.insert(run, sent);
            if self.batch.spans.len() >= SPANS_PER_REQUEST_MAX
                && let Err(passing) = self.send().await
            {
                // It is read again from its beginning, and goes on behind what is in the batch.
                return Err(passing);
            }
        }
        if !fold.trace.has_ended() {
            self.folds.keep(run, fold);
        }
        Ok(())
    }

    /// Up to which event the spans of a run were sent, or are in the batch.
    fn sent_up_to(&self, run: RunId, envelopes: &[journal::Envelope]) -> u64 {
        let ends = |envelope: &&journal::Envelope| {
            matches!(
                envelope.event,
                Event::RunCompleted { .. } | Event::RunFailed { .. } | Event::RunCancelled { .. }
            )
        };
        match self.batch.sent.get(&run).copied().or_else(|| self.cursor.sent(run)) {
            Some(Sent::UpTo(seq) | Sent::End(seq)) => seq,
            // A run that was over long ago and was retried: all up to its end was sent then.
            None if begun_at(run) < self.cursor.since() => {
                let retried = envelopes.iter().rposition(|at| matches!(at.event, Event::RunRetried(_)));
                let before = retried.and_then(|place| envelopes.get(..place)).unwrap_or_default();
                before.iter().rfind(ends).map_or(0, |end| end.seq)
            }
            None => 0,
        }
    }

    /// The traces of the run whose step started one, and of the one that it is a fork or a rerun of, when it begins.
    async fn around(&mut self, event: &Event) -> (Option<(TraceId, bool)>, Option<TraceId>) {
        let Event::RunStarted(started) = event else { return (None, None) };
        let parent = match &started.parent {
            Some(parent) => self.trace_of(parent.run).await,
            None => None,
        };
        let ancestor = match started.ancestor {
            Some(Ancestor::Rerun { run } | Ancestor::Forked { run, .. }) => self.trace_of(run).await,
            None => None,
        };
        (parent, ancestor.map(|(trace, _)| trace))
    }

    /// In which trace a run is, and whether that is recorded: for a run that a step started, its parent's says it.
    async fn trace_of(&mut self, run: RunId) -> Option<(TraceId, bool)> {
        let (mut at, mut trace) = (run, None);
        for _ in 0..PARENTS_MAX {
            if let Some(within) = self.folds.get(at).map(|fold| fold.trace.within()) {
                return Some((trace.unwrap_or(within.0), within.1));
            }
            if let Some(within) = self.parents.get(&at) {
                return Some((trace.unwrap_or(within.0), within.1));
            }
            let records = self.store.journal(at, 1).await.ok()?;
            let first = journal::decode_next(at, &mut Head::empty(at), records.first()?).ok()?;
            let Event::RunStarted(started) = first.event else { return None };
            let is_fork = matches!(started.ancestor, Some(Ancestor::Forked { .. }));
            let given = match started.ancestor {
                Some(Ancestor::Forked { seq, .. }) => self.forked_in(at, seq).await,
                Some(Ancestor::Rerun { .. }) | None => started.trace,
            };
            let own = given.as_ref().map_or_else(|| TraceId::of(at), |given| given.trace);
            let trace = *trace.get_or_insert(own);
            match started.parent.filter(|_| !is_fork) {
                Some(parent) => at = parent.run,
                None => return Some(self.remember(run, (trace, given.is_none_or(|given| given.sampled)))),
            }
        }
        trace.map(|trace| (trace, true))
    }

    /// The trace that a fork was made in, which stands behind what it has of the other run.
    async fn forked_in(&self, run: RunId, seq: u64) -> Option<TraceContext> {
        let (mut head, mut from) = (Head::empty(run), 1);
        loop {
            let records = self.store.journal(run, from).await.ok()?;
            // A journal that ends here is one that is damaged, and shows nothing.
            records.first()?;
            for record in &records {
                let envelope = journal::decode_next(run, &mut head, record).ok()?;
                from = envelope.seq + 1;
                if envelope.seq > seq {
                    let Event::RunForked(forked) = envelope.event else { return None };
                    return forked.trace;
                }
            }
        }
    }

    fn remember(&mut self, run: RunId, within: (TraceId, bool)) -> (TraceId, bool) {
        if self.parents.len() >= FOLDS_MAX {
            self.parents.clear();
        }
        self.parents.insert(run, within);
        within
    }

    /// Sends what is in the batch, and notes that it was. Where it is to be sent again, it stays.
    async fn send(&mut self) -> Result<(), Passing> {
        while !self.batch.spans.is_empty() {
            let some = fitting(&self.batch.spans);
            let body = otlp::body(&self.settings.resource, &self.batch.spans[..some]).to_string();
            let answer = match post(&self.settings, body.into_bytes()).await {
                Ok(answer) => answer,
                Err(reason) => return Err(self.not_sent(&reason, None)),
            };
            let (count, status) = (some as u64, answer.status);
            match status.as_u16() {
                200..=299 => {
                    let refused = refused(&answer.body).min(count);
                    self.metrics.spans().exported(count - refused);
                    self.metrics.spans().refused(refused);
                    if refused > 0 {
                        tracing::warn!("the collector refused {refused} of {count} spans");
                    }
                }
                // Of a wrong key or path, what waits in the journals need not be lost.
                401 | 403 | 404 | 408 | 429 | 502..=504 => {
                    return Err(self.not_sent(&format!("it answers {status}"), answer.retry_after_s));
                }
                _ => {
                    self.metrics.spans().refused(count);
                    tracing::warn!("the collector refused {count} spans: it answers {status}");
                }
            }
            self.batch.spans.drain(..some);
        }
        let Batch { sent, since, .. } = std::mem::take(&mut self.batch);
        if let Err(error) = self.cursor.mark(sent.into_iter(), since) {
            tracing::warn!("what was sent to the collector cannot be noted, and may be sent again: {error}");
        }
        Ok(())
    }

    fn not_sent(&self, reason: &str, retry_after_s: Option<u64>) -> Passing {
        self.metrics.spans().failed();
        let authority = &self.settings.address.authority;
        tracing::warn!("the collector {authority} takes no spans, which are sent later: {reason}");
        Passing(retry_after_s)
    }
}

/// How many of these spans one request has.
fn fitting(spans: &[Span]) -> usize {
    let mut bytes = 0;
    let texts = |span: &Span| -> usize {
        let values = span.attributes.iter().map(|(_, value)| value);
        values.map(|value| if let Attribute::Text(text) = value { text.len() } else { 0 }).sum()
    };
    let fit = spans.iter().take(SPANS_PER_REQUEST_MAX).take_while(|span| {
        bytes += texts(span);
        bytes <= REQUEST_CONTENT_MAX_BYTES
    });
    fit.count().max(1)
}

fn not_read(error: &StoreError) -> Passing {
    tracing::warn!("spans are sent later, for the store cannot be read: {error}");
    Passing(None)
}

/// How many spans the collector says that it did not take.
fn refused(body: &[u8]) -> u64 {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else { return 0 };
    let refused = &answer["partialSuccess"]["rejectedSpans"];
    refused.as_u64().or_else(|| refused.as_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Kind;
    use pawl_core::trace::SpanOf;

    #[test]
    fn a_request_has_only_so_much_of_what_was_said() {
        let run = RunId::from_bytes([7; 16]);
        let span = |bytes: usize| Span {
            trace: TraceId::of(run),
            state: None,
            id: SpanOf::Run.id(run, 0),
            parent: None,
            name: String::new(),
            kind: Kind::Internal,
            start: Timestamp(0),
            end: Timestamp(0),
            attributes: vec![("a", "x".repeat(bytes).into())],
            notes: Vec::new(),
            notes_dropped: 0,
            links: Vec::new(),
            error: None,
        };
        let half = REQUEST_CONTENT_MAX_BYTES / 2;
        assert_eq!(fitting(&[span(half), span(half), span(1)]), 2);
        assert_eq!(fitting(&[span(3 * half), span(1)]), 1);
        let many: Vec<_> = (0..=SPANS_PER_REQUEST_MAX).map(|_| span(1)).collect();
        assert_eq!(fitting(&many), SPANS_PER_REQUEST_MAX);
    }
}
