//! `pawl schema`: the JSON Schemas of workflows, of test files and of `pawl.yaml`.

use clap::Args;
use pawl_core::language;
use pawl_core::language::operator::operator_schema;
use pawl_core::language::test_file::test_schema;

use crate::exit::Exit;
use crate::output::{Output, pretty};

/// Which schema.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The schema of test files, NAME.test.yaml
    #[arg(long)]
    tests: bool,
    /// The schema of pawl.yaml, the operator's file
    #[arg(long, conflicts_with = "tests")]
    operator: bool,
}

pub(crate) fn run(args: &SchemaArgs, out: Output) -> Exit {
    let schema = if args.tests {
        test_schema()
    } else if args.operator {
        operator_schema()
    } else {
        language::schema()
    };
    out.document(&schema);
    out.text(&pretty(&schema));
    Exit::Ok
}
