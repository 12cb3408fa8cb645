//! Where a text may be cut: after each word, sentence and paragraph, as Unicode has them.

use unicode_segmentation::UnicodeSegmentation as _;

/// What ends at a border. The later ones are the better places to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// A letter with all its marks.
    Letter,
    Word,
    Sentence,
    Paragraph,
}

/// A place between two letters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Border {
    pub(crate) byte: usize,
    pub(crate) level: Level,
    /// Characters before it.
    pub(crate) characters: usize,
    /// Words before it.
    pub(crate) words: usize,
}

/// All borders of a text, its beginning and its end among them. A word that is longer than
/// `longest` characters can be cut between its letters.
pub(crate) fn borders(text: &str, longest: usize) -> Vec<Border> {
    let mut at = Border { byte: 0, level: Level::Paragraph, characters: 0, words: 0 };
    let mut borders = vec![at];
    for sentence in text.split_sentence_bounds() {
        for word in sentence.split_word_bounds() {
            if word.chars().count() > longest {
                for letter in word.graphemes(true) {
                    at.byte += letter.len();
                    at.characters += letter.chars().count();
                    at.level = Level::Letter;
                    borders.push(at);
                }
            } else {
                at.byte += word.len();
                at.characters += word.chars().count();
                borders.push(at);
            }
            at.words += usize::from(word.chars().any(char::is_alphanumeric));
            at.level = Level::Word;
            if let Some(last) = borders.last_mut() {
                *last = at;
            }
        }
        if let Some(last) = borders.last_mut() {
            last.level = if ends_paragraph(sentence) { Level::Paragraph } else { Level::Sentence };
        }
    }
    if let Some(last) = borders.last_mut() {
        last.level = Level::Paragraph;
    }
    borders
}

/// The rules of sentences end one at each line end, so an empty line is one of its own.
fn ends_paragraph(sentence: &str) -> bool {
    let blank = sentence.len() - sentence.trim_end().len();
    sentence.trim().is_empty() && sentence.contains('\n')
        || sentence[sentence.len() - blank..].matches('\n').count() > 1
}
