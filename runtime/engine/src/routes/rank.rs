//! Who goes first.

use std::cmp::{Ordering, Reverse};

use pawl_core::event::Candidate;
use pawl_core::route::Preference;

/// Puts the best first: by priority, then by what is preferred, then by name.
pub(crate) fn rank(candidates: &mut [Candidate], prefer: &[Preference]) {
    candidates.sort_by(|one, other| {
        let by_priority = Reverse(one.priority).cmp(&Reverse(other.priority));
        let preferred = prefer.iter().map(|preference| by(*preference, one, other));
        preferred.fold(by_priority, Ordering::then).then_with(|| name(one).cmp(&name(other)))
    });
}

fn by(preference: Preference, one: &Candidate, other: &Candidate) -> Ordering {
    match preference {
        // What names no cost comes last.
        Preference::Cost => (one.cost.is_none(), one.cost).cmp(&(other.cost.is_none(), other.cost)),
        // What was never used comes first, so that it is known how quick it is.
        Preference::Latency => one.latency_ms.cmp(&other.latency_ms),
        Preference::Health => other.health_permille.cmp(&one.health_permille),
    }
}

fn name(candidate: &Candidate) -> (&str, Option<&str>) {
    (&candidate.name, candidate.tool.as_deref())
}

/// Why the first is the first, in words.
pub(crate) fn reason(candidates: &[Candidate], prefer: &[Preference]) -> String {
    let [first, rest @ ..] = candidates else { return String::new() };
    let Some(second) = rest.first() else { return "it is the only one".to_owned() };
    let than =
        second.tool.as_ref().map_or_else(|| second.name.clone(), |tool| format!("{}.{tool}", second.name));
    if first.priority != second.priority {
        return format!("its priority is {}, that of {than} {}", first.priority, second.priority);
    }
    let preferred = prefer.iter().find(|preference| by(**preference, first, second) != Ordering::Equal);
    let Some(preference) = preferred else { return format!("it is as good as {than}, and first by name") };
    match preference {
        Preference::Cost => {
            let cost = |candidate: &Candidate| {
                candidate.cost.map_or_else(|| "is not known".to_owned(), |cost| format!("is {cost}"))
            };
            format!("its cost {}, that of {than} {}", cost(first), cost(second))
        }
        Preference::Latency => {
            let took = |candidate: &Candidate| {
                candidate.latency_ms.map_or_else(|| "not known yet".to_owned(), |ms| format!("{ms} ms"))
            };
            format!("its latency is {}, that of {than} {}", took(first), took(second))
        }
        Preference::Health => {
            let percent = |candidate: &Candidate| {
                format!("{}.{} %", candidate.health_permille / 10, candidate.health_permille % 10)
            };
            format!("its health is {}, that of {than} {}", percent(first), percent(second))
        }
    }
}
