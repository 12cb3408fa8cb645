//! `calc`: evaluates expressions with exact decimal numbers.

use pawl_plugin::prelude::*;

mod evaluate;
mod exact;
mod function;
mod parse;

export_tools![Tool::pure(
    "evaluate",
    "Calculates with exact decimal numbers: + - * / % ^, functions, variables.",
    evaluate::evaluate
)];
