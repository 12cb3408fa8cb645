//! `pawl schema`: the JSON Schema of workflows.

use pawl_core::language;

use crate::exit::Exit;
use crate::output::{Output, pretty};

pub(crate) fn run(out: Output) -> Exit {
    let schema = language::schema();
    out.document(&schema);
    out.text(&pretty(&schema));
    Exit::Ok
}
