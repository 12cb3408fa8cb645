//! Topics: hierarchical names of events, and the patterns that match them.
//!
//! A topic has levels divided by `/`, `orders/eu/created`. In a pattern `*`
//! stands for one level, and `>`, as the last one, for one or more.

/// The longest topic or pattern, in bytes.
pub const TOPIC_MAX_BYTES: usize = 250;
/// The most levels of a topic or pattern.
pub const TOPIC_MAX_LEVELS: usize = 8;

/// A text that is no topic, or no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no {what}: {reason}")]
pub struct InvalidTopic {
    text: String,
    what: &'static str,
    reason: String,
}

/// Checks the topic of an event.
pub fn check_topic(text: &str) -> Result<(), InvalidTopic> {
    check(text, "topic", |level, _| {
        (level.contains(['*', '>'])).then(|| "'*' and '>' are for patterns of what is waited for".to_owned())
    })
}

/// Checks a pattern.
pub fn check_pattern(text: &str) -> Result<(), InvalidTopic> {
    check(text, "topic pattern", |level, is_last| match level {
        "*" => None,
        ">" if is_last => None,
        ">" => Some("'>' can only be the last level".to_owned()),
        level if level.contains(['*', '>']) => {
            Some(format!("'*' and '>' stand for whole levels, not for a part of '{level}'"))
        }
        _ => None,
    })
}

fn check(
    text: &str,
    what: &'static str,
    wrong: impl Fn(&str, bool) -> Option<String>,
) -> Result<(), InvalidTopic> {
    let invalid = |reason| Err(InvalidTopic { text: text.chars().take(80).collect(), what, reason });
    if text.len() > TOPIC_MAX_BYTES {
        return invalid(format!("it has {} bytes; topic_max_bytes is {TOPIC_MAX_BYTES}", text.len()));
    }
    let levels: Vec<&str> = text.split('/').collect();
    if levels.len() > TOPIC_MAX_LEVELS {
        return invalid(format!("it has {} levels; topic_max_levels is {TOPIC_MAX_LEVELS}", levels.len()));
    }
    for (number, level) in levels.iter().enumerate() {
        if level.is_empty() {
            return invalid(
                "a level is empty; write levels divided by '/', such as orders/created".to_owned(),
            );
        }
        if level.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return invalid("it has a space or a control character".to_owned());
        }
        if let Some(reason) = wrong(level, number + 1 == levels.len()) {
            return invalid(reason);
        }
    }
    Ok(())
}

/// Whether a pattern matches a topic.
pub fn matches(pattern: &str, topic: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

/// Every pattern that matches a topic: at most 2 to the power of [`TOPIC_MAX_LEVELS`] + 1.
pub fn patterns_of(topic: &str) -> Vec<String> {
    let levels: Vec<&str> = topic.split('/').take(TOPIC_MAX_LEVELS).collect();
    let mut patterns = Vec::new();
    let mut heads = vec![String::new()];
    for (number, level) in levels.iter().enumerate() {
        let mut next = Vec::new();
        for head in heads {
            patterns.push(format!("{head}>"));
            for level in [level, "*"] {
                let grown = format!("{head}{level}");
                if number + 1 == levels.len() { patterns.push(grown) } else { next.push(grown + "/") }
            }
        }
        heads = next;
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_by_whole_levels() {
        let cases = [
            ("orders/created", "orders/created", true),
            ("orders/*", "orders/created", true),
            ("orders/*", "orders", false),
            ("orders/*", "orders/eu/created", false),
            ("orders/>", "orders/eu/created", true),
            ("orders/>", "orders", false),
            (">", "orders", true),
            ("*/eu/*", "orders/eu/created", true),
            ("*/us/*", "orders/eu/created", false),
            ("orders/eu", "orders/eu/created", false),
        ];
        for (pattern, topic, expected) in cases {
            assert_eq!(matches(pattern, topic), expected, "{pattern} on {topic}");
            assert_eq!(patterns_of(topic).iter().any(|p| p == pattern), expected, "{pattern} of {topic}");
        }
    }

    #[test]
    fn the_patterns_of_a_topic_match_it_and_are_well_formed() {
        let topic = "a/b/c/d/e/f/g/h";
        let patterns = patterns_of(topic);
        assert_eq!(patterns.len(), 255 + 256);
        for pattern in patterns {
            assert_eq!(check_pattern(&pattern), Ok(()));
            assert!(matches(&pattern, topic), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_topic_is_named() {
        let long = "a".repeat(TOPIC_MAX_BYTES + 1);
        let deep = ["a"; TOPIC_MAX_LEVELS + 1].join("/");
        for (text, topic, pattern) in [
            ("a/b", true, true),
            ("", false, false),
            ("a//b", false, false),
            ("a b", false, false),
            ("a/*", false, true),
            ("a/>", false, true),
            (">/a", false, false),
            ("a/b*", false, false),
            (long.as_str(), false, false),
            (deep.as_str(), false, false),
        ] {
            assert_eq!(check_topic(text).is_ok(), topic, "{text} as a topic");
            assert_eq!(check_pattern(text).is_ok(), pattern, "{text} as a pattern");
        }
        assert_eq!(check_topic(&"a".repeat(TOPIC_MAX_BYTES)), Ok(()));
        assert_eq!(check_topic(&["a"; TOPIC_MAX_LEVELS].join("/")), Ok(()));
    }
}
