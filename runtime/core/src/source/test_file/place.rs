//! Where something stands in a test file, for reports.

use std::ops::Range;

use super::Lower;

/// A place in a test file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// In bytes.
    pub span: Range<usize>,
    /// The line of its start, from 1.
    pub line: usize,
    /// The column of its start in characters, from 1.
    pub column: usize,
}

/// Something and its place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed<T> {
    /// The thing itself.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl Place {
    pub(super) fn of(lower: &Lower, span: &Range<usize>) -> Self {
        let before = lower.problems.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            span: span.clone(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
