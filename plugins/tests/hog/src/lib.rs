//! `hog`: a hostile guest. Allocates memory without end for as long as it gets any.

use std::hint::black_box;

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
enum Never {}

fn grow(_: &Context, _: Nothing) -> Result<Never, Failure> {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1024 * 1024]));
    }
}

export_tools![Tool::pure("grow", "Allocates memory without end.", grow)];
