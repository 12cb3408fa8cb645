//! One problem, and all problems of a file.

use std::fmt;
use std::ops::Range;

use serde_json::{Value, json};

use super::Code;

/// Whether a definition can be used in spite of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but something is odd.
    Warning,
}

impl Severity {
    /// The name as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of problem; has a page.
    pub code: Code,
    /// Whether the definition can be used in spite of it.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// A few words beside the place; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// The place in bytes.
    pub span: Range<usize>,
    /// The line of the place's start, from 1.
    pub line: usize,
    /// The column of the place's start in characters, from 1.
    pub column: usize,
}

/// Every problem of one file, sorted by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file's name, as it was given.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// The problems.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No problem yet.
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Self { file: file.into(), text: text.into(), list: Vec::new() }
    }

    /// Whether there is nothing to report, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the definition cannot be used.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Adds one problem at a place, which is cut down to whole characters of the text.
    pub fn push(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) {
        let start = floor_char_boundary(&self.text, span.start);
        let end = floor_char_boundary(&self.text, span.end).max(start);
        let before = &self.text[..start];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let diagnostic = Diagnostic {
            code,
            severity: code.severity(),
            message: message.into(),
            label: label.into(),
            help,
            span: start..end,
            line,
            column: before[line_start..].chars().count() + 1,
        };
        let at = self.list.partition_point(|d| (d.span.start, d.code) <= (start, code));
        if self.list.get(at.wrapping_sub(1)) != Some(&diagnostic) {
            self.list.insert(at, diagnostic);
        }
    }

    /// Covers a part of the text, so that no problem shows it.
    pub(crate) fn hide(&mut self, span: &Range<usize>) {
        let (start, end) =
            (floor_char_boundary(&self.text, span.start), floor_char_boundary(&self.text, span.end));
        if start < end {
            // As many bytes as before: places stay where they are.
            self.text.replace_range(start..end, &"*".repeat(end - start));
        }
    }

    /// As JSON: a list of `{code, severity, message, line, column, help}`.
    pub fn to_json(&self) -> Value {
        self.list
            .iter()
            .map(|d| {
                json!({
                    "code": d.code.id(),
                    "severity": d.severity.name(),
                    "message": d.message,
                    "file": self.file,
                    "line": d.line,
                    "column": d.column,
                    "help": d.help,
                })
            })
            .collect()
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One line a problem, as compilers print them: `file:line:column: code: message`.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, d) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}:{}: {}: {}", self.file, d.line, d.column, d.code.id(), d.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
