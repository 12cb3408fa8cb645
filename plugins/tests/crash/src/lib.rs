//! `crash`: a hostile guest. Panics at once.

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
enum Never {}

fn panic(_: &Context, _: Nothing) -> Result<Never, Failure> {
    panic!("this plugin panics on purpose");
}

export_tools![Tool::pure("panic", "Panics.", panic)];
