//! A topic and a pattern, one on each line.

use pawl_core::topic::{check_pattern, check_topic, matches, patterns_of};

pub(super) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (topic, pattern) = text.split_once('\n').unwrap_or((&text, "a/*/>"));
    let fits = matches(pattern, topic);
    let (is_topic, is_pattern) = (check_topic(topic), check_pattern(pattern));
    for refused in [&is_topic, &is_pattern].into_iter().filter_map(|checked| checked.as_ref().err()) {
        assert!(refused.to_string().len() < 1_000, "the error repeats it all");
    }
    if is_topic.is_err() {
        return;
    }
    // Whoever sends finds who waits by these patterns; whoever waits, by the match. Both are one.
    let all = patterns_of(topic);
    assert!(all.iter().all(|pattern| check_pattern(pattern).is_ok() && matches(pattern, topic)), "{all:?}");
    if is_pattern.is_ok() {
        assert_eq!(all.iter().any(|one| one == pattern), fits, "{pattern:?} and {topic:?}");
    }
}
