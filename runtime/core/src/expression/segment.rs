//! Where the expressions are in a text.

use std::ops::Range;

use super::token::quoted_length;

/// What opens an expression within a text.
pub(super) const OPEN: &str = "${{";
/// What closes it.
pub(super) const CLOSE: &str = "}}";

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text(Range<usize>),
    /// What stands between `${{` and `}}`.
    Expression(Range<usize>),
}

/// Splits a text; an expression that is never closed is an error at its opening.
///
/// Quotes are respected, and so are the braces of a map: `${{ {"a": {"b": 1}} }}`.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, Range<usize>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(OPEN) {
        let open = at + found;
        let start = open + OPEN.len();
        let end = closing(text, start).ok_or(open..start)?;
        if open > at {
            pieces.push(Piece::Text(at..open));
        }
        pieces.push(Piece::Expression(start..end));
        at = end + CLOSE.len();
    }
    if at < text.len() {
        pieces.push(Piece::Text(at..text.len()));
    }
    Ok(pieces)
}

fn closing(text: &str, start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => {
                at += quoted_length(&text[at..]);
                continue;
            }
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' if text[at..].starts_with(CLOSE) => return Some(at),
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_found_between_quotes_and_braces() {
        let cases: [(&str, Option<&[&str]>); 9] = [
            ("plain", Some(&["plain"])),
            ("", Some(&[])),
            ("${{ a }}", Some(&["= a "])),
            ("x ${{ a }} y ${{b}}", Some(&["x ", "= a ", " y ", "=b"])),
            (r#"${{ "}}" }}"#, Some(&[r#"= "}}" "#])),
            (r#"${{ "\"}}" ~ '}}' }}z"#, Some(&[r#"= "\"}}" ~ '}}' "#, "z"])),
            (r#"${{ {"a": {"b": 1}}}}"#, Some(&[r#"= {"a": {"b": 1}}"#])),
            ("$ {{ a }} $${{ b }}", Some(&["$ {{ a }} $", "= b "])),
            ("x ${{ a }", None),
        ];
        for (text, expected) in cases {
            let pieces = split(text).ok().map(|pieces| {
                let texts = pieces.into_iter().map(|piece| match piece {
                    Piece::Text(range) => text[range].to_owned(),
                    Piece::Expression(range) => format!("={}", &text[range]),
                });
                texts.collect::<Vec<_>>()
            });
            assert_eq!(
                pieces.as_deref(),
                expected.map(|e| e.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }
}
