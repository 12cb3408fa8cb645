//! A span as it is made of a journal.

use pawl_core::Timestamp;
use pawl_core::trace::{SpanId, TraceId};

/// What a span says about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(u64),
    /// Texts.
    List(Vec<String>),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

/// What a span says, by name.
pub(crate) type Attributes = Vec<(&'static str, Attribute)>;

/// On which side of a request a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within pawl.
    Internal,
    /// Somebody else is asked.
    Client,
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// Another span that this one has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// What it is to this one: `parent`, `child`, `ancestor`.
    pub relation: &'static str,
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// What the systems on the way want to be told, `tracestate`.
    pub state: Option<String>,
    /// Its id, which is the same whoever makes it, and when.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// What it is called.
    pub name: String,
    /// On which side of a request it is.
    pub kind: Kind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What it says.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What happened meanwhile.
    pub notes: Vec<Note>,
    /// How many more things happened.
    pub notes_dropped: u32,
    /// Spans of other runs.
    pub links: Vec<Link>,
    /// The kind of failure with which it ended.
    pub error: Option<&'static str>,
}
