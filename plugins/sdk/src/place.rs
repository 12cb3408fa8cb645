//! Where in a text something is wrong, as people count.

use std::fmt;

/// A line and a column, both from 1; shown as `line 2, column 7`.
///
/// ```
/// use pawl_plugin::Place;
///
/// let text = "total =\n  price *";
/// assert_eq!(Place::of(text, text.len()).to_string(), "line 2, column 10");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`; what lies beyond its end is its end.
    pub fn of(text: &str, byte: usize) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "äb\nc";
        let cases = [(0, 1, 1), (1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 1), (5, 2, 2), (99, 2, 2)];
        for (byte, line, column) in cases {
            assert_eq!(Place::of(text, byte), Place { line, column }, "{byte}");
        }
    }
}
