//! "Did you mean": the known name nearest to what was written.

/// The candidate that is near enough to be what was meant.
pub(crate) fn closest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    const COMPARED_MAX_CHARS: usize = 64;
    if written.chars().count() > COMPARED_MAX_CHARS {
        return None;
    }
    let allowed = written.chars().count().div_ceil(3);
    let lower = written.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *candidate != written)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean 'x'?`, or else the whole list when it is short enough to read.
pub fn among<'c>(written: &str, what: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    const LISTED_MAX: usize = 24;
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(name) = closest(written, candidates.iter().copied()) {
        return Some(format!("did you mean '{name}'?"));
    }
    match candidates.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("{what}: {}", candidates.join(", "))),
        _ => Some(format!("{what}: {}, …", candidates[..LISTED_MAX].join(", "))),
    }
}

/// Optimal string alignment: insertions, deletions, changes, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let names = ["tool", "timeout", "then", "retry"];
        let cases = [
            ("tols", Some("tool")),
            ("timeuot", Some("timeout")),
            ("Retry", Some("retry")),
            ("thn", Some("then")),
            ("parallel", None),
            ("", None),
        ];
        for (written, expected) in cases {
            assert_eq!(closest(written, names), expected, "{written}");
        }
    }
}
