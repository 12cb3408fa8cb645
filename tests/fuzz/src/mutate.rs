//! How a case is made of a known input.
//!
//! A case follows from the seed and its number alone, so that any of millions can be made again
//! without the ones before it. `docs/decisions/0018-fuzzing.md` says why this is not a library's.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::words::WORDS;
use crate::{Corpus, Form, Target, sections};

/// No case is longer, however it was made.
const CASE_MAX_BYTES: usize = 300_000;
/// The most changes to one input.
const CHANGES_MAX: usize = 8;
/// How often a part is repeated, at most: what is nested or aliased that often is beyond every limit.
const REPEATS_MAX: usize = 600;

/// Makes cases of a corpus.
#[derive(Debug)]
pub struct Mutator<'c> {
    corpus: &'c Corpus,
    form: Form,
    seed: u64,
}

impl<'c> Mutator<'c> {
    /// Of a target's corpus and a seed.
    pub fn new(target: &Target, corpus: &'c Corpus, seed: u64) -> Self {
        Self { corpus, form: target.form, seed }
    }

    /// The case of a number.
    pub fn case(&self, number: u64) -> Vec<u8> {
        // Two odd constants keep seeds and numbers that are close to each other apart.
        let mixed =
            self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let mut rng = StdRng::seed_from_u64(mixed);
        let mut case = self.any(&mut rng).to_vec();
        // What is checked as a whole is hardly ever right after many changes.
        let is_gentle = self.form == Form::Component && rng.random_bool(0.6);
        for _ in 0..if is_gentle { 1 } else { rng.random_range(1..=CHANGES_MAX) } {
            self.change(&mut case, &mut rng);
            case.truncate(CASE_MAX_BYTES);
        }
        case
    }

    fn any(&self, rng: &mut StdRng) -> &'c [u8] {
        self.corpus.inputs.choose(rng).map_or(&[], |(_, bytes)| bytes)
    }

    fn change(&self, case: &mut Vec<u8>, rng: &mut StdRng) {
        if self.form == Form::Component && rng.random_bool(0.4) {
            return sections::change(case, self.any(rng), rng);
        }
        match rng.random_range(0..if self.form == Form::Text { 14 } else { 7 }) {
            0 => flip(case, rng),
            1 => replace(case, part(case, rng), &[rng.random()]),
            2 => replace(case, part(case, rng), b""),
            3 => {
                let copied = case[part(case, rng)].to_vec();
                let at = place(case, rng);
                replace(case, at..at, &copied);
            }
            4 => repeat(case, part(case, rng), rng),
            5 => {
                let other = self.any(rng);
                let taken = &other[part(other, rng)];
                replace(case, part(case, rng), taken);
            }
            6 => edge(case, rng),
            7 => replace(case, word(case, rng), pick(WORDS, rng).as_bytes()),
            8 => {
                let at = place(case, rng);
                replace(case, at..at, pick(WORDS, rng).as_bytes());
            }
            9 => {
                let other = self.any(rng);
                let taken = &other[word(other, rng)];
                replace(case, word(case, rng), taken);
            }
            10 => {
                let other = self.any(rng);
                let taken = other[lines(other, rng)].to_vec();
                let at = lines(case, rng).start;
                replace(case, at..at, &taken);
            }
            11 => replace(case, lines(case, rng), b""),
            12 => repeat(case, lines(case, rng), rng),
            _ => indent(case, rng),
        }
    }
}

fn pick<'w>(words: &[&'w str], rng: &mut StdRng) -> &'w str {
    words.choose(rng).copied().unwrap_or_default()
}

fn place(case: &[u8], rng: &mut StdRng) -> usize {
    rng.random_range(0..=case.len())
}

/// Some bytes, rather few than many.
fn part(case: &[u8], rng: &mut StdRng) -> Range<usize> {
    let start = place(case, rng);
    let most = if rng.random_bool(0.8) { 16 } else { 4_096 };
    start..(start + rng.random_range(0..=most)).min(case.len())
}

/// A word or a number, where there is one.
fn word(case: &[u8], rng: &mut StdRng) -> Range<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let at = place(case, rng);
    let start = case[..at].iter().rposition(|byte| !is_part(byte)).map_or(0, |before| before + 1);
    let end = case[at..].iter().position(|byte| !is_part(byte)).map_or(case.len(), |behind| at + behind);
    start..end
}

/// Whole lines, one or some.
fn lines(case: &[u8], rng: &mut StdRng) -> Range<usize> {
    let at = place(case, rng);
    let start = case[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let mut end = start;
    for _ in 0..rng.random_range(1..=4) {
        end = case[end..]
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(case.len(), |newline| end + newline + 1);
    }
    start..end
}

fn replace(case: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    case.splice(range, with.iter().copied());
}

fn flip(case: &mut [u8], rng: &mut StdRng) {
    if !case.is_empty() {
        let at = rng.random_range(0..case.len());
        case[at] ^= 1 << rng.random_range(0..8);
    }
}

fn repeat(case: &mut Vec<u8>, range: Range<usize>, rng: &mut StdRng) {
    let times =
        if rng.random_bool(0.7) { rng.random_range(1..=4) } else { rng.random_range(1..=REPEATS_MAX) };
    let times = times.min(CASE_MAX_BYTES / range.len().max(1));
    let more = case[range.clone()].repeat(times);
    replace(case, range.end..range.end, &more);
}

/// A number at the edge of its type over the bytes that are there.
fn edge(case: &mut [u8], rng: &mut StdRng) {
    const EDGES: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    let value = EDGES.choose(rng).copied().unwrap_or_default().to_be_bytes();
    let width = 1 << rng.random_range(0..4);
    if case.len() >= width {
        let at = rng.random_range(0..=case.len() - width);
        case[at..at + width].copy_from_slice(&value[value.len() - width..]);
    }
}

fn indent(case: &mut Vec<u8>, rng: &mut StdRng) {
    let line = lines(case, rng);
    if rng.random_bool(0.5) {
        replace(case, line.start..line.start, b"  ");
    } else {
        let spaces = case[line.clone()].iter().take_while(|byte| **byte == b' ').count().min(2);
        replace(case, line.start..line.start + spaces, b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target;

    #[test]
    fn a_case_follows_from_its_seed_and_number_and_others_differ() {
        let target = target("workflow").unwrap();
        let corpus = Corpus::of(target).unwrap();
        let cases = |seed| {
            let mutator = Mutator::new(target, &corpus, seed);
            (0..300).map(|number| mutator.case(number)).collect::<Vec<_>>()
        };
        let first = cases(1);
        assert_eq!(first, cases(1));
        assert_ne!(first, cases(2));
        let mut apart = first.clone();
        apart.sort();
        apart.dedup();
        assert!(apart.len() > 290, "{} of 300 differ", apart.len());
        assert!(first.iter().all(|case| case.len() <= CASE_MAX_BYTES));
    }
}
