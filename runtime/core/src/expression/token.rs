//! The words of an expression, as far as names must be found in it; minijinja does the parsing.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Text,
    Number,
    Mark,
}

/// One token and its place.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// An expression with its tokens.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    pub(super) text: &'t str,
    pub(super) list: Vec<Token>,
}

/// Words of the language itself, which name no value.
pub(super) const KEYWORDS: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

impl<'t> Tokens<'t> {
    /// Splits a text; never fails, since minijinja has the last word on what is right.
    pub(super) fn of(text: &'t str) -> Self {
        let mut list = Vec::new();
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            let (kind, length) = match first {
                c if c.is_whitespace() => {
                    at += c.len_utf8();
                    continue;
                }
                c if c.is_alphabetic() || c == '_' => (Kind::Word, word_length(rest)),
                c if c.is_ascii_digit() => (Kind::Number, number_length(rest)),
                '"' | '\'' => (Kind::Text, quoted_length(rest)),
                c => (Kind::Mark, mark_length(rest, c)),
            };
            list.push(Token { kind, range: at..at + length });
            at += length;
        }
        Self { text, list }
    }

    /// The text of a token, empty beyond the last.
    pub(super) fn at(&self, index: usize) -> &'t str {
        self.list.get(index).map_or("", |token| &self.text[token.range.clone()])
    }

    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.list.get(index).map(|token| token.kind)
    }

    /// The token before, empty before the first.
    pub(super) fn before(&self, index: usize) -> &'t str {
        index.checked_sub(1).map_or("", |index| self.at(index))
    }

    /// Whether the word here names a test: after `is` or `is not`.
    pub(super) fn is_test(&self, index: usize) -> bool {
        let word = |back: usize| index.checked_sub(back).map_or("", |at| self.at(at));
        let keyword = |back: usize| word(back + 1) != ".";
        (word(1) == "is" && keyword(1)) || (word(1) == "not" && word(2) == "is" && keyword(2))
    }

    /// The index after the bracket that closes the one at `open`.
    pub(super) fn after_bracket(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in open..self.list.len() {
            match self.at(index) {
                "[" | "(" | "{" => depth += 1,
                "]" | ")" | "}" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(index + 1);
            }
        }
        None
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn number_length(text: &str) -> usize {
    let digits =
        |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let whole = digits(text);
    match text[whole..].strip_prefix('.') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => whole + 1 + digits(rest),
        _ => whole,
    }
}

/// The length of a quoted text with both quotes; to the end, when it is never closed.
pub(super) fn quoted_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else { return 0 };
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

fn mark_length(text: &str, first: char) -> usize {
    const DOUBLE: [&str; 6] = ["==", "!=", "<=", ">=", "//", "**"];
    let double = DOUBLE.iter().any(|mark| text.starts_with(mark));
    if double { 2 } else { first.len_utf8() }
}
