//! What goes where: data on stdout, all else on stderr. Given `--json`, stdout
//! gets one document and nothing else.
//!
//! A reader that goes away (`pawl runs | head -1`) is no error: what cannot be
//! written is dropped.

use std::io::{IsTerminal, Write};

use comfy_table::{Cell, Table, presets};
use serde_json::Value;

use crate::fault::Fault;

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

    /// The one document of `--json`; nothing without it.
    pub(crate) fn document(self, document: &Value) {
        if self.json {
            write_line(std::io::stdout().lock(), &pretty(document));
        }
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

    /// Whether a person can be asked here: no `--json`, and both ends are a terminal.
    pub(crate) fn can_ask(self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

fn write_line(mut to: impl Write, text: &str) {
    // Nobody reads on: there is no one to tell.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush());
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
}
