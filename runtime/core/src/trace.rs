//! What a run is called in traces, and the context that goes with what is asked of others.
//!
//! Ids follow from what the journal says and from nothing else, so that whoever makes spans of a journal, in this
//! process or in the one after it, gives each the same name; and a call that is made again after a crash says the
//! same of itself as before.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, RunId, VisitId};

/// The longest `tracestate` that is taken along, in bytes; a longer one is left out, as the standard allows.
pub const TRACESTATE_MAX_BYTES: usize = 512;
/// What a `traceparent` of the version that pawl writes has.
const TRACEPARENT_BYTES: usize = 55;

/// A trace, 16 bytes of which not all are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The trace of a run that nobody else began one for: the run's id without its hyphens.
    pub const fn of(run: RunId) -> Self {
        Self(*run.as_bytes())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A span of a trace, 8 bytes of which not all are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a span is about. Each of a run has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanOf {
    /// The run.
    Run,
    /// The run from a retry on: the seq of that.
    Retry(u64),
    /// A visit.
    Visit(VisitId),
    /// An attempt of a visit.
    Attempt(VisitId, u32),
    /// A call of an agent's attempt.
    Call(VisitId, u32, u32),
}

impl SpanOf {
    /// The span's id in a run. `time` tells which time it is that what it is about goes on after it had ended: 0 is
    /// the first.
    pub fn id(self, run: RunId, time: u32) -> SpanId {
        let (kind, numbers): (u8, [u64; 3]) = match self {
            Self::Run => (0, [0; 3]),
            Self::Retry(seq) => (1, [seq, 0, 0]),
            Self::Visit(visit) => (2, [visit.0.into(), 0, 0]),
            Self::Attempt(visit, attempt) => (3, [visit.0.into(), attempt.into(), 0]),
            Self::Call(visit, attempt, call) => (4, [visit.0.into(), attempt.into(), call.into()]),
        };
        let numbers = numbers.map(u64::to_be_bytes).concat();
        let digest =
            Digest::of_parts(&[b"pawl.span", run.as_bytes(), &[kind], &numbers, &time.to_be_bytes()]);
        let mut id = [0; 8];
        id.copy_from_slice(&digest.as_bytes()[..8]);
        // Zero is no id. No run will ever come here.
        id[7] |= u8::from(id == [0; 8]);
        SpanId(id)
    }
}

/// A W3C trace context: where in which trace somebody stands who asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span within it.
    pub span: SpanId,
    /// Whether spans of it are recorded.
    pub sampled: bool,
    /// What the systems on the way want to be told, `tracestate`.
    pub state: Option<String>,
}

/// As it is recorded, and as headers have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Written {
    parent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

impl TryFrom<Written> for TraceContext {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Self::parse(&written.parent, written.state.as_deref()).ok_or("not a traceparent")
    }
}

impl From<TraceContext> for Written {
    fn from(context: TraceContext) -> Self {
        Self { parent: context.traceparent(), state: context.state }
    }
}

impl TraceContext {
    /// Reads the headers `traceparent` and `tracestate`. Nothing where the first cannot be used: then, says the
    /// standard, it is as if it had not come.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let text = traceparent.trim();
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let is_hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(is_lower);
        if !is_hex(version, 2) || version == "ff" || !is_hex(flags, 2) {
            return None;
        }
        // Later versions may say more behind what this one knows.
        if version == "00" && text.len() != TRACEPARENT_BYTES {
            return None;
        }
        if !is_hex(trace, 32) || !is_hex(span, 16) {
            return None;
        }
        let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
        hex::decode_to_slice(trace, &mut trace_id).ok()?;
        hex::decode_to_slice(span, &mut span_id).ok()?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let state = tracestate.map(str::trim).filter(|state| is_state(state)).map(str::to_owned);
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace: TraceId(trace_id),
            span: SpanId(span_id),
            sampled,
            state,
        })
    }

    /// The header `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }

    /// The same trace, where another span of it asks.
    #[must_use]
    pub fn at(&self, span: SpanId) -> Self {
        Self { span, ..self.clone() }
    }
}

fn is_state(text: &str) -> bool {
    (1..=TRACESTATE_MAX_BYTES).contains(&text.len()) && text.bytes().all(|c| (b' '..=b'~').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn headers_are_read_and_written_as_the_standard_has_them() {
        let context = TraceContext::parse(GIVEN, Some(" vendor=1 ")).unwrap();
        assert_eq!((context.traceparent().as_str(), context.state.as_deref()), (GIVEN, Some("vendor=1")));
        assert!(context.sampled);
        let written = rmp_serde::to_vec_named(&context).unwrap();
        assert_eq!(rmp_serde::from_slice::<TraceContext>(&written).unwrap(), context);
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02-more";
        let later = TraceContext::parse(later, Some(&"x".repeat(TRACESTATE_MAX_BYTES + 1))).unwrap();
        assert_eq!((later.sampled, later.state), (false, None));
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn spans_have_the_same_ids_at_all_times_and_no_two_the_same() {
        let run = RunId::from_bytes([7; 16]);
        assert_eq!(TraceId::of(run).to_string(), "07".repeat(16));
        let visit = VisitId(1);
        let all = [
            (SpanOf::Run, 0),
            (SpanOf::Retry(1), 0),
            (SpanOf::Visit(visit), 0),
            (SpanOf::Visit(visit), 1),
            (SpanOf::Attempt(visit, 1), 0),
            (SpanOf::Call(visit, 1, 1), 0),
        ];
        let mut ids: Vec<_> = all.iter().map(|(of, time)| of.id(run, *time)).collect();
        // Whoever stores traces knows spans by these: they must never be others.
        insta::assert_snapshot!(ids[0], @"a59d1607bcab1f8e");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }
}
