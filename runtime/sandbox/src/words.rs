//! Words of a component in words of pawl: names and messages stand in journals and on terminals, and a
//! component's can be as long as it likes.

/// How much of one name is shown.
const NAME_SHOWN_MAX_BYTES: usize = 200;
/// How much of a message.
pub(crate) const FAILURE_MESSAGE_MAX_BYTES: usize = 16 << 10;

/// A name, cut where it is too long.
pub(crate) fn cut_name(name: &str) -> String {
    let cut = name.floor_char_boundary(NAME_SHOWN_MAX_BYTES);
    if cut == name.len() { name.to_owned() } else { format!("{}[…]", &name[..cut]) }
}

/// Names with commas between, the first `shown` of them.
pub(crate) fn listed(names: &[String], shown: usize) -> String {
    let text = names.iter().take(shown).map(|name| cut_name(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// A message, cut where it is too long.
pub(crate) fn cut_message(mut message: String) -> String {
    if message.len() > FAILURE_MESSAGE_MAX_BYTES {
        message.truncate(message.floor_char_boundary(FAILURE_MESSAGE_MAX_BYTES));
        message.push_str(" […] (cut: FAILURE_MESSAGE_MAX_BYTES)");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_many_is_counted() {
        let names = ["a".to_owned(), "é".repeat(1_000), "c".to_owned()];
        let text = listed(&names, 2);
        assert!(text.starts_with("a, é") && text.ends_with("[…] and 1 more"), "{text}");
        assert!(text.len() < 300, "{text}");
        assert_eq!(listed(&names[..1], 2), "a");
        assert_eq!(cut_message("short".to_owned()), "short");
        assert!(cut_message("x".repeat(100_000)).len() < FAILURE_MESSAGE_MAX_BYTES + 100);
    }
}
