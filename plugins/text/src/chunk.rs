//! Cuts a text into pieces that are no longer than asked for.

use pawl_plugin::prelude::*;

use crate::border::{Border, Level, borders};
use crate::check_size;

/// Pieces of one text.
const CHUNKS_MAX: usize = 10_000;

/// A piece ends at the last paragraph that leaves it more than half full, otherwise at the last
/// sentence that does, otherwise at the last word; only a word that is longer than a piece is cut, and
/// never within a letter and its marks. With an overlap, a piece begins with the last sentences or
/// words of the one before. Spaces around pieces are left out. At most 1 MiB of text and 10,000
/// pieces.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({ "text": "One two three. Four five six.\n\nSeven eight.", "size": 30 }))]
#[schemars(example = json!({ "text": "One two three four five.", "by": "words", "size": 3, "overlap": 1 }))]
pub(crate) struct Chunk {
    /// The text.
    pub(crate) text: String,
    /// How long a piece may be.
    #[serde(default = "size")]
    #[schemars(range(min = 1))]
    pub(crate) size: usize,
    /// How much of the piece before is repeated at most; at most half of `size`.
    #[serde(default)]
    pub(crate) overlap: usize,
    /// What is counted.
    #[serde(default)]
    pub(crate) by: Unit,
}

fn size() -> usize {
    2_000
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Characters, as Unicode counts them.
    #[default]
    Characters,
    /// Words; neither spaces nor punctuation.
    Words,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chunks {
    pub(crate) chunks: Vec<Piece>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Characters of the whole text before it.
    pub(crate) start: usize,
    /// Characters of the whole text up to its end.
    pub(crate) end: usize,
}

pub(crate) fn chunk(_: &Context, input: Chunk) -> Result<Chunks, Failure> {
    check_size("the text", input.text.len())?;
    if input.size == 0 {
        return Err(Failure::invalid_input("`size` is at least 1"));
    }
    if input.overlap > input.size / 2 {
        return Err(Failure::invalid_input(format!(
            "`overlap` is {}, at most half of `size`, {}, can be repeated",
            input.overlap,
            input.size / 2
        )));
    }
    let (longest, measure): (_, fn(&Border) -> usize) = match input.by {
        Unit::Characters => (input.size, |border| border.characters),
        Unit::Words => (usize::MAX, |border| border.words),
    };
    let cutter =
        Cutter { borders: borders(&input.text, longest), measure, size: input.size, overlap: input.overlap };
    let mut chunks: Vec<Piece> = Vec::new();
    let mut from = 0;
    while from + 1 < cutter.borders.len() {
        let to = cutter.end(from);
        let (start, end) = (cutter.borders[from], cutter.borders[to]);
        let part = &input.text[start.byte..end.byte];
        let trimmed = part.trim();
        let before = part[..part.len() - part.trim_start().len()].chars().count();
        let start = start.characters + before;
        let end = start + trimmed.chars().count();
        // Where only spaces follow what is repeated, there is no new piece.
        if !trimmed.is_empty() && chunks.last().is_none_or(|last| end > last.end) {
            if chunks.len() == CHUNKS_MAX {
                return Err(Failure::invalid_input(format!(
                    "the text has more than {CHUNKS_MAX} pieces; choose a larger `size`, or give it in parts"
                )));
            }
            chunks.push(Piece { text: trimmed.to_owned(), start, end });
        }
        from = cutter.next(from, to);
    }
    Ok(Chunks { chunks })
}

struct Cutter {
    borders: Vec<Border>,
    measure: fn(&Border) -> usize,
    size: usize,
    overlap: usize,
}

impl Cutter {
    fn between(&self, from: usize, to: usize) -> usize {
        (self.measure)(&self.borders[to]) - (self.measure)(&self.borders[from])
    }

    /// The border at which the piece from `from` ends.
    fn end(&self, from: usize) -> usize {
        let start = (self.measure)(&self.borders[from]);
        let fits = |border: &Border| (self.measure)(border) - start <= self.size;
        // Measures only grow. A single letter is longer than no piece, but for one with many marks.
        let furthest = self.borders[from..].partition_point(fits) + from - 1;
        if furthest + 1 == self.borders.len() {
            return furthest;
        }
        let furthest = furthest.max(from + 1);
        let last = |level: Level, least: usize| {
            let mut long = (from + 1..=furthest).rev().take_while(|at| self.between(from, *at) > least);
            long.find(|at| self.borders[*at].level >= level)
        };
        let half = self.size / 2;
        last(Level::Paragraph, half)
            .or_else(|| last(Level::Sentence, half))
            .or_else(|| last(Level::Word, 0))
            .unwrap_or(furthest)
    }

    /// Where the piece after the one from `from` to `to` begins.
    fn next(&self, from: usize, to: usize) -> usize {
        if self.overlap == 0 || to + 1 == self.borders.len() {
            return to;
        }
        let first = (from + 1..to).rev().take_while(|at| self.between(*at, to) <= self.overlap).last();
        let Some(first) = first else { return to };
        let begins = |level: Level| (first..to).find(|at| self.borders[*at].level >= level);
        // Not where nothing but spaces would be repeated, nor where the next piece would end here again.
        let next = begins(Level::Sentence).or_else(|| begins(Level::Word)).unwrap_or(to);
        if self.end(next) > to { next } else { to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: Value) -> Vec<String> {
        let chunks = chunk(&Context::default(), serde_json::from_value(input).unwrap()).unwrap();
        chunks.chunks.into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn pieces_end_where_paragraphs_sentences_and_words_do() {
        let text = "One two three. Four five six.\n\nSeven eight nine. Ten.";
        let cases = [
            (100, vec![text]),
            (40, vec!["One two three. Four five six.", "Seven eight nine. Ten."]),
            (25, vec!["One two three.", "Four five six.", "Seven eight nine. Ten."]),
            (9, vec!["One two", "three.", "Four five", "six.", "Seven", "eight", "nine.", "Ten."]),
        ];
        for (size, expected) in cases {
            assert_eq!(texts(json!({ "text": text, "size": size })), expected, "{size}");
        }
        assert_eq!(texts(json!({ "text": "abcdefgh ij", "size": 3 })), ["abc", "def", "gh", "ij"]);
        assert_eq!(texts(json!({ "text": " \n ", "size": 3 })), [""; 0]);
    }

    #[test]
    fn words_can_be_counted_and_repeated() {
        let text = "One, two - three four five. Six!";
        assert_eq!(
            texts(json!({ "text": text, "by": "words", "size": 3 })),
            ["One, two - three", "four five. Six!"]
        );
        assert_eq!(
            texts(json!({ "text": "a b c d e", "by": "words", "size": 3, "overlap": 1 })),
            ["a b c", "c d e"]
        );
        let sentences = "Alpha one. Beta two. Gamma three. Delta four.";
        assert_eq!(
            texts(json!({ "text": sentences, "size": 24, "overlap": 12 })),
            ["Alpha one. Beta two.", "Beta two. Gamma three.", "three. Delta four."]
        );
    }

    #[test]
    fn letters_keep_their_marks_and_places_are_characters() {
        let text = "e\u{301}e\u{301}e\u{301} 👩‍👩‍👧";
        let input = serde_json::from_value(json!({ "text": text, "size": 4 })).unwrap();
        let chunks = chunk(&Context::default(), input).unwrap().chunks;
        let shown: Vec<_> =
            chunks.iter().map(|piece| (piece.text.as_str(), piece.start, piece.end)).collect();
        // A family of five characters is one letter, longer than a piece, and stays whole.
        assert_eq!(shown, [("e\u{301}e\u{301}", 0, 4), ("e\u{301}", 4, 6), ("👩‍👩‍👧", 7, 12)]);
    }

    #[test]
    fn each_limit_has_its_failure() {
        let fails = |input: Value| {
            let failure = chunk(&Context::default(), serde_json::from_value(input).unwrap()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        };
        assert!(fails(json!({ "text": "x".repeat(crate::TEXT_MAX_BYTES + 1) })).contains("at most 1048576"));
        assert!(
            fails(json!({ "text": "x ".repeat(CHUNKS_MAX + 1), "size": 1 }))
                .contains("more than 10000 pieces")
        );
        assert_eq!(fails(json!({ "text": "x", "size": 0 })), "`size` is at least 1");
        assert!(fails(json!({ "text": "x", "size": 4, "overlap": 3 })).contains("at most half of `size`, 2"));
    }

    #[test]
    fn every_word_is_in_a_piece_and_no_piece_is_too_long() {
        let pieces =
            ["word", " ", ". ", "\n\n", "\n", "é", "longerword", "👍", "! ", ",", "e\u{301}", "日本語"];
        let mut seed = 9_u64;
        for round in 0..2_000 {
            let mut text = String::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            let (size, overlap) = (2 + round % 30, (round % 7).min((2 + round % 30) / 2));
            let input = Chunk { text: text.clone(), size, overlap, by: Unit::Characters };
            let chunks = chunk(&Context::default(), input).unwrap().chunks;
            let characters: Vec<char> = text.chars().collect();
            let (mut covered, mut last) = (0, 0);
            for piece in &chunks {
                assert_eq!(characters[piece.start..piece.end].iter().collect::<String>(), piece.text);
                assert!(piece.end - piece.start <= size, "{text:?} {piece:?}");
                assert!(piece.end > last, "{text:?} {piece:?}");
                assert!(last <= piece.start + overlap, "{text:?} {piece:?}");
                let skipped = &characters[covered.min(piece.start)..piece.start];
                assert!(skipped.iter().all(|c| c.is_whitespace()), "{text:?} {piece:?}");
                (covered, last) = (piece.end, piece.end);
            }
            assert!(characters[covered..].iter().all(|c| c.is_whitespace()), "{text:?}");
        }
    }
}
