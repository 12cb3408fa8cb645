//! How much room text takes. The drawing uses a font whose characters are all of one width.

/// The width of a character, in pixels.
pub(super) const CHAR_PX: i32 = 7;
/// The height of a line, in pixels.
pub(super) const LINE_PX: i32 = 16;
/// The most characters of a line; what is longer is cut.
const LINE_MAX_CHARS: usize = 40;

/// One line, cut where it is long.
pub(super) fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= LINE_MAX_CHARS {
        return plain;
    }
    plain.chars().take(LINE_MAX_CHARS - 1).chain(['…']).collect()
}

/// How wide a line is, in pixels. Scripts beyond the European ones take two places a character.
pub(super) fn width(text: &str) -> i32 {
    const WIDE_FROM: char = '\u{1100}';
    const SIGNS: std::ops::RangeInclusive<char> = '\u{2000}'..='\u{2bff}';
    let places = text.chars().map(|c| if c >= WIDE_FROM && !SIGNS.contains(&c) { 2 } else { 1 });
    places.sum::<i32>() * CHAR_PX
}

/// The next even number of pixels, so that a half of it is whole.
pub(super) const fn even(px: i32) -> i32 {
    px + px % 2
}
