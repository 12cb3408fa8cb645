//! `pawl schema`: the JSON Schemas of workflows and of test files.

use clap::Args;
use pawl_core::language;
use pawl_core::language::test_file::test_schema;

use crate::exit::Exit;
use crate::output::{Output, pretty};

/// Which schema.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The schema of test files, NAME.test.yaml
    #[arg(long)]
    tests: bool,
}

pub(crate) fn run(args: &SchemaArgs, out: Output) -> Exit {
    let schema = if args.tests { test_schema() } else { language::schema() };
    out.document(&schema);
    out.text(&pretty(&schema));
    Exit::Ok
}
