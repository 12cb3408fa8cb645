//! `{{name}}`: a tool that greets.

use pawl_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greet {
    /// Who is greeted.
    name: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    text: String,
}

fn greet(_: &Context, input: Greet) -> Result<Greeting, Failure> {
    let name = input.name.trim();
    if name.is_empty() {
        return Err(Failure::permanent("there is nobody to greet; give a name"));
    }
    Ok(Greeting { text: format!("Good morning, {name}.") })
}

// The class says what pawl may do after a crash: `Tool::pure`, `Tool::idempotent`, `Tool::at_most_once`.
export_tools![Tool::pure("greet", "Greets someone.", greet)];

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(name: &str) -> Result<Greeting, Failure> {
        greet(&Context::default(), Greet { name: name.to_owned() })
    }

    #[test]
    fn whoever_has_a_name_is_greeted() {
        assert_eq!(greeting("Ada").unwrap().text, "Good morning, Ada.");
        assert_eq!(greeting(" ").unwrap_err().kind, FailureKind::Permanent);
    }
}
