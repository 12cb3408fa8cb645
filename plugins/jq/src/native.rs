//! Filters that are written in Rust: regular expressions, formats and a little mathematics.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jaq_core::native::{Filter, Fun, bome, run, v};
use jaq_core::{Error, RunPtr, ValR};
use jaq_json::{Map, Val};
use jaq_std::ValT as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex_lite::{Captures, Regex, RegexBuilder};

use crate::language::Data;

/// What `@uri` leaves as it is, beside letters and digits.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
    let all: [Filter<RunPtr<Data>>; 12] = [
        ("matches", v(2), |mut cv| {
            let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
            bome(apply(&cv.1, &pattern, &flags, false, true))
        }),
        ("split_matches", v(2), |mut cv| {
            let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
            bome(apply(&cv.1, &pattern, &flags, true, true))
        }),
        ("split_", v(2), |mut cv| {
            let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
            bome(apply(&cv.1, &pattern, &flags, true, false))
        }),
        ("escape_html", v(0), |cv| bome(map_text(&cv.1, escape_html))),
        ("encode_uri", v(0), |cv| {
            bome(map_text(&cv.1, |text| utf8_percent_encode(text, RESERVED).to_string()))
        }),
        ("encode_base64", v(0), |cv| bome(map_text(&cv.1, |text| STANDARD.encode(text)))),
        ("decode_base64", v(0), |cv| bome(decode_base64(&cv.1))),
        ("pow", v(2), |mut cv| {
            let (exponent, base) = (cv.0.pop_var(), cv.0.pop_var());
            bome(number(&base).and_then(|base| Ok(Val::from(base.powf(number(&exponent)?)))))
        }),
        ("sqrt", v(0), |cv| bome(number(&cv.1).map(|x| Val::from(x.sqrt())))),
        ("exp", v(0), |cv| bome(number(&cv.1).map(|x| Val::from(x.exp())))),
        ("log", v(0), |cv| bome(number(&cv.1).map(|x| Val::from(x.ln())))),
        ("log10", v(0), |cv| bome(number(&cv.1).map(|x| Val::from(x.log10())))),
    ];
    all.into_iter().map(|(name, arguments, filter)| run::<Data>((name, arguments, filter)))
}

fn text(value: &Val) -> Result<&str, Error<Val>> {
    let text = value.as_utf8_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.ok_or_else(|| Error::typ(value.clone(), "text"))
}

fn map_text(value: &Val, map: impl Fn(&str) -> String) -> ValR<Val> {
    Ok(Val::from(map(text(value)?)))
}

fn number(value: &Val) -> Result<f64, Error<Val>> {
    value.as_f64().ok_or_else(|| Error::typ(value.clone(), "number"))
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn decode_base64(value: &Val) -> ValR<Val> {
    let bytes = STANDARD.decode(text(value)?.trim_end()).map_err(Error::str)?;
    String::from_utf8(bytes).map(Val::from).map_err(|_| Error::str("what stands in base64 is no text"))
}

/// What the flags of a regular expression ask for.
struct Flags {
    is_global: bool,
    skips_empty: bool,
    pattern: Regex,
}

impl Flags {
    fn new(pattern: &str, flags: &str) -> Result<Self, Error<Val>> {
        let mut builder = RegexBuilder::new(pattern);
        let (mut is_global, mut skips_empty) = (false, false);
        for flag in flags.chars() {
            match flag {
                'g' => is_global = true,
                'n' => skips_empty = true,
                'i' => {
                    builder.case_insensitive(true);
                }
                'x' => {
                    builder.ignore_whitespace(true);
                }
                's' => {
                    builder.dot_matches_new_line(true);
                }
                'p' => {
                    builder.dot_matches_new_line(true).multi_line(true);
                }
                'l' => {
                    builder.swap_greed(true);
                }
                other => {
                    return Err(Error::str(format!(
                        "there is no flag `{other}`; there are g, i, l, n, p, s, x"
                    )));
                }
            }
        }
        let pattern =
            builder.build().map_err(|error| Error::str(format!("the pattern {pattern:?}: {error}")))?;
        Ok(Self { is_global, skips_empty, pattern })
    }
}

/// What stands between matches (as text), and the matches (each a list of its groups).
fn apply(input: &Val, pattern: &Val, flags: &Val, between: bool, matches: bool) -> ValR<Val> {
    let haystack = text(input)?;
    let flags = Flags::new(text(pattern)?, text(flags)?)?;
    let (mut found, mut end) = (Vec::new(), 0);
    let mut count = Characters { text: haystack, byte: 0, character: 0 };
    for captures in flags.pattern.captures_iter(haystack) {
        let Some(whole) = captures.get(0) else { continue };
        if flags.skips_empty && whole.is_empty() {
            continue;
        }
        if between {
            found.push(Val::from(haystack[end..whole.start()].to_owned()));
            end = whole.end();
        }
        if matches {
            found.push(groups(&flags.pattern, &captures, &mut count));
        }
        if !flags.is_global {
            break;
        }
    }
    if between {
        found.push(Val::from(haystack[end..].to_owned()));
    }
    Ok(found.into_iter().collect())
}

/// Each group that took part, the whole match first.
fn groups(pattern: &Regex, captures: &Captures<'_>, count: &mut Characters<'_>) -> Val {
    let start = captures.get(0).map_or(0, |whole| whole.start());
    let base = count.up_to(start);
    let group = |(group, name): (Option<regex_lite::Match<'_>>, Option<&str>)| {
        let group = group?;
        // A group within look-ahead could begin before the match; there is none in this dialect.
        let offset = base + count.text.get(start..group.start())?.chars().count();
        let mut fields = Map::default();
        let mut field = |key: &str, value: Val| fields.insert(Val::from(key.to_owned()), value);
        field("offset", Val::from(offset));
        field("length", Val::from(group.as_str().chars().count()));
        field("string", Val::from(group.as_str().to_owned()));
        if let Some(name) = name {
            field("name", Val::from(name.to_owned()));
        }
        Some(Val::obj(fields))
    };
    captures.iter().zip(pattern.capture_names()).filter_map(group).collect()
}

/// Counts characters forward, each once.
struct Characters<'a> {
    text: &'a str,
    byte: usize,
    character: usize,
}

impl Characters<'_> {
    fn up_to(&mut self, byte: usize) -> usize {
        self.character += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.character
    }
}
