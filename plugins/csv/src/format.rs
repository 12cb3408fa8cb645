//! What parsing and writing share.

use pawl_plugin::prelude::*;

/// Rows of one table, without its header.
pub(crate) const ROWS_MAX: usize = 50_000;
/// Columns of one table.
pub(crate) const COLUMNS_MAX: usize = 1_000;

pub(crate) fn comma() -> String {
    ",".to_owned()
}

pub(crate) fn quote() -> String {
    "\"".to_owned()
}

/// One character of ASCII, as an option gives it.
pub(crate) fn byte(option: &str, text: &str) -> Result<u8, Failure> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err(Failure::invalid_input(format!(
            "`{option}` is one ASCII character such as `,`, `;` or a tab, not {text:?}"
        ))),
    }
}

pub(crate) fn delimiter(text: &str, quote: &str) -> Result<(u8, u8), Failure> {
    let (delimiter, quote) = (byte("delimiter", text)?, byte("quote", quote)?);
    if delimiter == quote {
        return Err(Failure::invalid_input("`delimiter` and `quote` are the same character"));
    }
    Ok((delimiter, quote))
}

pub(crate) fn too_many(what: &str, most: usize) -> Failure {
    Failure::invalid_input(format!("there are more than {most} {what}; take the table in parts"))
}
