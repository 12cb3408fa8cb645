//! `spin`: a hostile guest. Computes without end for as long as it is let.

use std::hint::black_box;

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
enum Never {}

fn forever(_: &Context, _: Nothing) -> Result<Never, Failure> {
    let mut number: u64 = 1;
    loop {
        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

export_tools![Tool::pure("forever", "Computes without end.", forever)];
