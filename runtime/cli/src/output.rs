//! What goes where: data on stdout, all else on stderr. Given `--json`, stdout
//! gets one document and nothing else. What guests wrote stands in both, so no
//! control character reaches a terminal.
//!
//! A reader that goes away (`pawl runs | head -1`) is no error: what cannot be
//! written is dropped.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{Cell, Table, presets};
use serde_json::Value;

use crate::exit::Exit;
use crate::fault::Fault;

/// Whether this process has printed its one document.
static DOCUMENT_PRINTED: AtomicBool = AtomicBool::new(false);

/// Where a command writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Data for people, to stdout; nothing with `--json`.
    pub(crate) fn text(self, text: &str) {
        if !self.json {
            write_line(std::io::stdout().lock(), text);
        }
    }

    /// Whether there is a document to print.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// The one document of `--json`; nothing without it, nor when there was one before.
    pub(crate) fn document(self, document: &Value) {
        if self.json && !DOCUMENT_PRINTED.swap(true, Ordering::SeqCst) {
            write_line(std::io::stdout().lock(), &pretty(document));
        }
    }

    /// One document of many, each on a line of its own, where a command says that it gives them so.
    pub(crate) fn json_line(self, document: &Value) {
        if self.json {
            // From now on there is no one document.
            DOCUMENT_PRINTED.store(true, Ordering::SeqCst);
            write_line(std::io::stdout().lock(), &document.to_string());
        }
    }

    /// A document on a line of its own, with `--json` and without.
    pub(crate) fn line(self, document: &Value) {
        if self.json { self.json_line(document) } else { self.text(&document.to_string()) }
    }

    /// A line that goes with the data, to stderr.
    #[expect(clippy::unused_self, reason = "all writing goes through a command's output")]
    pub(crate) fn note(self, line: &str) {
        write_line(std::io::stderr().lock(), line);
    }

    /// What is wrong and what to do: to stderr, and with `--json` as the document.
    pub(crate) fn fault(self, fault: &Fault) {
        self.document(&fault.to_json());
        self.note(&fault.text());
    }

    /// A signal came before the command could say anything.
    pub(crate) fn stopped(self, exit: Exit) {
        let name = if exit == Exit::INTERRUPTED { "SIGINT" } else { "SIGTERM" };
        let message = format!("stopped by {name}");
        self.document(&serde_json::json!({
            "error": { "kind": "stopped", "message": message, "hint": null, "details": null },
        }));
        self.note(&message);
    }

    /// Whether a person can be asked here: no `--json`, and both ends are a terminal.
    pub(crate) fn can_ask(self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// What this process logs, which may be a guest's words: to stderr.
#[derive(Debug)]
pub(crate) struct Log;

impl Write for Log {
    /// Takes one entry of the log, which comes as a whole.
    fn write(&mut self, entry: &[u8]) -> std::io::Result<usize> {
        write_line(std::io::stderr().lock(), &one_entry(&String::from_utf8_lossy(entry)));
        Ok(entry.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An entry in which no line but the first begins like an entry.
fn one_entry(entry: &str) -> String {
    entry.trim_end_matches('\n').replace('\n', "\n      ")
}

fn write_line(mut to: impl Write, text: &str) {
    let text = visible(text);
    // Nobody reads on: there is no one to tell.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush());
}

/// Text in which nothing but a line's end is a command to the terminal, and nothing stands elsewhere
/// than it is written. What is taken out is shown as JSON escapes it, so that a document stays the
/// same document.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_command(c) {
            // Writing to memory does not fail.
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// Whether a character moves the cursor, or text to another place than where it is written.
pub(crate) fn is_command(c: char) -> bool {
    let reorders =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n') || reorders
}

/// JSON as people read it.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

/// A table without lines, readable without colour.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.map(|name| Cell::new(name.to_uppercase())));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_lines_and_no_trailing_space() {
        let text = table(["id", "status"], [["a".into(), "completed".into()], ["bcd".into(), "x".into()]]);
        assert_eq!(text, "ID   STATUS\na    completed\nbcd  x");
    }

    #[test]
    fn an_entry_of_the_log_cannot_pass_for_two() {
        assert_eq!(one_entry(" WARN said\n WARN forged\n"), " WARN said\n       WARN forged");
    }

    #[test]
    fn nothing_that_is_printed_moves_the_cursor() {
        let cases = [
            ("plain\n✓ text", "plain\n✓ text"),
            ("\u{1b}[2J\r", "\\u001b[2J\\u000d"),
            ("\u{9b}1A\u{7f}", "\\u009b1A\\u007f"),
            ("pay\u{202e}11", "pay\\u202e11"),
            ("\u{61c}1", "\\u061c1"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
        let kept = serde_json::json!({ "a\u{9b}": "\u{1b}\u{7f}\n" });
        let read: Value = serde_json::from_str(&visible(&pretty(&kept))).unwrap();
        assert_eq!(read, kept);
    }
}
