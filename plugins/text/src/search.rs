//! Keyword search over texts that come with the call, ranked by BM25.

use std::collections::{BTreeMap, BTreeSet};

use pawl_plugin::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::check_size;

/// Texts of one search.
const TEXTS_MAX: usize = 10_000;
/// Different words of a query.
const TERMS_MAX: usize = 50;
/// Results of one search.
const RESULTS_MAX: usize = 1_000;
/// A snippet's length.
const SNIPPET_MAX_CHARS: usize = 2_000;

/// How soon a word's further occurrences stop to count.
const K1: f64 = 1.2;
/// How much the length of a text counts.
const B: f64 = 0.75;

/// Texts are compared word by word, whatever the case; words are taken as they are written (`lamp`
/// does not find `lamps`). A text ranks higher the rarer the words are that it has, and the more often
/// it has them for its length (BM25, k1 1.2, b 0.75). At most 1 MiB in 10,000 texts, and 50 words in a
/// query.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "query": "broken lamp",
    "texts": ["The lamp arrived broken.", "Where is my chair?", { "id": "T-3", "text": "A lamp, please." }]
}))]
pub(crate) struct Search {
    /// The words.
    query: String,
    /// The texts, each alone or with an id.
    texts: Vec<Document>,
    /// How many results there are at most.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 1000))]
    limit: usize,
    /// Which texts are found.
    #[serde(default, rename = "match")]
    matching: Matching,
    /// About how many characters a snippet has.
    #[serde(default = "snippet_chars")]
    #[schemars(range(min = 1, max = 2000))]
    snippet_chars: usize,
}

fn limit() -> usize {
    10
}

fn snippet_chars() -> usize {
    200
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, or an object with `id` and `text`")]
enum Document {
    Plain(String),
    Named(Named),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// Comes back with the result.
    id: String,
    text: String,
}

impl Document {
    fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Named(Named { text, .. }) => text,
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Matching {
    /// Those that have any of the words.
    #[default]
    Any,
    /// Those that have all of them.
    All,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    /// The best first.
    results: Vec<Hit>,
    /// How many texts were found, also beyond `limit`.
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hit {
    /// The text's place in `texts`, from 0.
    index: usize,
    /// Its id, if it has one.
    id: Option<String>,
    /// Above 0; only to be compared within one search.
    score: f64,
    /// The words of the query that it has.
    words: Vec<String>,
    /// The part of it that has most of them.
    snippet: String,
}

/// Where a word of the query stands in a text: its number in the query, and the byte.
type Occurrence = (usize, usize);

/// A text as far as the query sees it.
struct Seen {
    length: usize,
    occurrences: Vec<Occurrence>,
}

pub(crate) fn search(_: &Context, input: Search) -> Result<Found, Failure> {
    check(&input)?;
    let terms = terms(&input.query)?;
    let seen: Vec<_> = input.texts.iter().map(|document| look(document.text(), &terms)).collect();
    let weights = weights(&seen, terms.len());
    let words: usize = seen.iter().map(|text| text.length).sum();
    let average = (number(words) / number(seen.len().max(1))).max(1.0);

    let mut hits = Vec::new();
    for (index, text) in seen.iter().enumerate() {
        let mut counts = vec![0_usize; terms.len()];
        for (term, _) in &text.occurrences {
            counts[*term] += 1;
        }
        let found = counts.iter().filter(|count| **count > 0).count();
        let is_found = if input.matching == Matching::All { found == terms.len() } else { found > 0 };
        if is_found {
            let score: f64 = counts
                .iter()
                .zip(&weights)
                .map(|(count, weight)| {
                    let count = number(*count);
                    let length = 1.0 - B + B * number(text.length) / average;
                    weight * count * (K1 + 1.0) / (count + K1 * length)
                })
                .sum();
            hits.push((score, index, counts));
        }
    }
    // Equal scores stay in the order of the texts.
    hits.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let total = hits.len();
    let hit = |(score, index, counts): (f64, usize, Vec<usize>)| {
        let document = &input.texts[index];
        Hit {
            index,
            id: if let Document::Named(named) = document { Some(named.id.clone()) } else { None },
            score: (score * 10_000.0).round() / 10_000.0,
            words: terms
                .iter()
                .zip(counts)
                .filter(|(_, count)| *count > 0)
                .map(|(term, _)| term.clone())
                .collect(),
            snippet: snippet(document.text(), &seen[index].occurrences, input.snippet_chars),
        }
    };
    Ok(Found { results: hits.into_iter().take(input.limit).map(hit).collect(), total })
}

fn check(input: &Search) -> Result<(), Failure> {
    check_size("the texts", input.texts.iter().map(|document| document.text().len()).sum())?;
    let beyond = [
        ("texts", input.texts.len(), 0, TEXTS_MAX, "search in parts"),
        ("limit", input.limit, 1, RESULTS_MAX, "choose another"),
        ("snippet_chars", input.snippet_chars, 1, SNIPPET_MAX_CHARS, "choose another"),
    ];
    for (name, value, least, most, advice) in beyond {
        if !(least..=most).contains(&value) {
            return Err(Failure::invalid_input(format!(
                "`{name}`: {value} is not from {least} to {most}; {advice}"
            )));
        }
    }
    Ok(())
}

/// The words of the query, each once, in order.
fn terms(query: &str) -> Result<Vec<String>, Failure> {
    let mut known = BTreeSet::new();
    let mut terms = Vec::new();
    for word in query.unicode_words() {
        let term = word.to_lowercase();
        if known.insert(term.clone()) {
            if terms.len() == TERMS_MAX {
                return Err(Failure::invalid_input(format!(
                    "`query` has more than {TERMS_MAX} words; search with those that matter"
                )));
            }
            terms.push(term);
        }
    }
    if terms.is_empty() {
        return Err(Failure::invalid_input("`query` has no word to search for"));
    }
    Ok(terms)
}

fn look(text: &str, terms: &[String]) -> Seen {
    let numbers: BTreeMap<&str, usize> =
        terms.iter().enumerate().map(|(number, term)| (term.as_str(), number)).collect();
    let mut seen = Seen { length: 0, occurrences: Vec::new() };
    for (byte, word) in text.unicode_word_indices() {
        seen.length += 1;
        if let Some(number) = numbers.get(word.to_lowercase().as_str()) {
            seen.occurrences.push((*number, byte));
        }
    }
    seen
}

/// How much each word counts: the rarer, the more.
fn weights(seen: &[Seen], terms: usize) -> Vec<f64> {
    let mut having = vec![0_usize; terms];
    for text in seen {
        let distinct: BTreeSet<_> = text.occurrences.iter().map(|(term, _)| *term).collect();
        for term in distinct {
            having[term] += 1;
        }
    }
    let all = number(seen.len());
    let weight = |having: usize| {
        let having = number(having);
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    };
    having.into_iter().map(weight).collect()
}

/// The window that has the most different words of the query, then the most words; the first of equals.
fn snippet(text: &str, occurrences: &[Occurrence], characters: usize) -> String {
    let (mut best, mut best_score) = (0, (0, 0));
    for (first, (_, byte)) in occurrences.iter().enumerate() {
        let within = occurrences[first..].iter().take_while(|(_, at)| at - byte < characters);
        let terms: Vec<_> = within.map(|(term, _)| *term).take(TERMS_MAX).collect();
        let score = (terms.iter().collect::<BTreeSet<_>>().len(), terms.len());
        if score > best_score {
            (best, best_score) = (*byte, score);
        }
    }
    // A little of what stands before, from the beginning of a word on.
    let before = text[..best].char_indices().rev().take(characters / 4).last().map_or(0, |(at, _)| at);
    let start = if before == 0 {
        0
    } else {
        text[before..best].find(char::is_whitespace).map_or(best, |space| before + space)
    };
    let rest = &text[start..];
    let whole = rest.char_indices().nth(characters).map_or(rest.len(), |(at, _)| at);
    let part = if whole == rest.len() {
        rest
    } else {
        let end = rest[..whole].rfind(char::is_whitespace).filter(|end| start + end > best).unwrap_or(whole);
        &rest[..end]
    };
    let (head, tail) = (if start > 0 { "… " } else { "" }, if part.len() < rest.len() { " …" } else { "" });
    format!("{head}{}{tail}", part.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Counts are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "no text has 2^53 words")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(input: Value) -> Found {
        search(&Context::default(), serde_json::from_value(input).unwrap()).unwrap()
    }

    fn order(input: Value) -> Vec<usize> {
        found(input).results.iter().map(|hit| hit.index).collect()
    }

    #[test]
    fn rare_words_often_in_short_texts_come_first() {
        let texts = json!([
            "the lamp is on the desk and the desk is near the window of the room",
            "the lamp is broken",
            "the chair is red",
            "broken lamp, broken lamp",
            "nothing of it"
        ]);
        assert_eq!(order(json!({ "query": "broken LAMP", "texts": texts })), [3, 1, 0]);
        assert_eq!(order(json!({ "query": "broken lamp", "texts": texts, "match": "all" })), [3, 1]);
        assert_eq!(order(json!({ "query": "broken lamp", "texts": texts, "limit": 1 })), [3]);
        assert_eq!(found(json!({ "query": "broken lamp", "texts": texts, "limit": 1 })).total, 3);
        assert_eq!(order(json!({ "query": "table", "texts": texts })), [0; 0]);
        assert_eq!(order(json!({ "query": "x", "texts": [] })), [0; 0]);
    }

    #[test]
    fn a_hit_says_which_words_it_has_and_shows_them() {
        let long = format!("{}the größe of the lamp{}", "word ".repeat(100), " more".repeat(100));
        let hits = found(json!({
            "query": "GRÖSSE größe lamp", "texts": [{ "id": "a", "text": long }], "snippet_chars": 40
        }));
        let hit = &hits.results[0];
        assert_eq!(
            (hit.id.as_deref(), hit.words.as_slice()),
            (Some("a"), &["größe".to_owned(), "lamp".to_owned()][..])
        );
        assert!(hit.snippet.starts_with("… ") && hit.snippet.ends_with(" …"), "{}", hit.snippet);
        assert!(hit.snippet.contains("the größe of the lamp"), "{}", hit.snippet);
        assert_eq!(found(json!({ "query": "a", "texts": ["a\n b"] })).results[0].snippet, "a b");
    }

    #[test]
    fn each_limit_has_its_failure() {
        let fails = |input: Value| {
            let failure = search(&Context::default(), serde_json::from_value(input).unwrap()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        };
        let words: Vec<_> = (0..=TERMS_MAX).map(|number| format!("w{number}")).collect();
        assert!(fails(json!({ "query": words.join(" "), "texts": [] })).contains("more than 50 words"));
        assert_eq!(fails(json!({ "query": " - ", "texts": ["a"] })), "`query` has no word to search for");
        assert!(
            fails(json!({ "query": "a", "texts": vec![""; TEXTS_MAX + 1] }))
                .contains("`texts`: 10001 is not")
        );
        assert!(
            fails(json!({ "query": "a", "texts": [], "limit": 0 }))
                .contains("`limit`: 0 is not from 1 to 1000")
        );
        assert!(
            fails(json!({ "query": "a", "texts": [], "snippet_chars": 9_999 })).contains("`snippet_chars`")
        );
        let large = "x".repeat(crate::TEXT_MAX_BYTES + 1);
        assert!(fails(json!({ "query": "a", "texts": [large] })).contains("at most 1048576"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = ["lamp", " ", "é", "👩‍👩‍👧", "\n", "Lamp", "-", "日本", "desk", "x".repeat(50).leak()];
        let mut seed = 13_u64;
        for round in 1..3_000 {
            let mut text = String::new();
            for _ in 0..20 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            found(json!({ "query": "lamp desk é", "texts": [text], "snippet_chars": 1 + round % 60 }));
        }
    }
}
