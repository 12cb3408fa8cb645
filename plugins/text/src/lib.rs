//! `text`: reads HTML, cuts texts into pieces, searches in them.

use pawl_plugin::prelude::*;

mod border;
mod chunk;
mod html;
mod markdown;
mod search;

export_tools![
    Tool::pure("from_html", "Turns a page of HTML into readable Markdown or plain text.", html::from_html),
    Tool::pure(
        "chunk",
        "Cuts a text into pieces at paragraphs, sentences and words, with overlap.",
        chunk::chunk
    ),
    Tool::pure("search", "Finds the texts that fit some words best (BM25), with snippets.", search::search),
];

/// What one call takes of text.
pub(crate) const TEXT_MAX_BYTES: usize = 1 << 20;

pub(crate) fn check_size(what: &str, bytes: usize) -> Result<(), Failure> {
    if bytes <= TEXT_MAX_BYTES {
        return Ok(());
    }
    Err(Failure::invalid_input(format!(
        "{what}: {bytes} bytes, at most {TEXT_MAX_BYTES} are taken; give it in parts"
    )))
}
