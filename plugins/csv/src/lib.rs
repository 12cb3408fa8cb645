//! `csv`: reads and writes tables as comma-separated values (RFC 4180, and its relatives).

use pawl_plugin::prelude::*;

mod format;
mod parse;
mod write;

export_tools![
    Tool::pure("parse", "Reads CSV into rows, with names and types from the header on.", parse::parse),
    Tool::pure("write", "Writes rows as CSV.", write::write),
];
