//! `echo`: says what it is told. The smallest plugin there is, and a place to start from.

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Say {
    /// What to say.
    text: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    text: String,
}

fn say(_: &Context, input: Say) -> Result<Said, Failure> {
    Ok(Said { text: input.text })
}

export_tools![Tool::pure("say", "Says the text it is given.", say)];
