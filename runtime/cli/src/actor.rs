//! Who acts: whoever owns the data folder, as its operator; or someone whom they name.

use clap::Args;
use pawl_core::event::Actor;

use crate::fault::Fault;

/// Who answers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ActorArgs {
    /// Answer as this person, who must be among those asked (default: you, as the operator)
    #[arg(long = "as", value_name = "user:NAME")]
    name: Option<String>,
    /// A group that this person belongs to; may be repeated
    #[arg(long = "group", value_name = "group:NAME", requires = "name")]
    groups: Vec<String>,
}

impl ActorArgs {
    pub(crate) fn actor(&self) -> Result<Actor, Fault> {
        let Some(name) = &self.name else { return Ok(operator()) };
        let prefixed =
            |text: &str, prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        if !prefixed(name, "user:") {
            return Err(Fault::usage(format!("'{name}' names no person")).hint("write --as user:ann"));
        }
        if let Some(group) = self.groups.iter().find(|group| !prefixed(group, "group:")) {
            return Err(Fault::usage(format!("'{group}' names no group")).hint("write --group group:finance"));
        }
        Ok(Actor { name: name.clone(), groups: self.groups.clone(), operator: false, via: "cli".into() })
    }
}

/// Whoever runs this command owns the data folder, and so is its operator.
pub(crate) fn operator() -> Actor {
    let named = |name| std::env::var(name).ok().filter(|user| !user.is_empty());
    let user = named("USER").or_else(|| named("LOGNAME")).unwrap_or_else(|| "operator".into());
    Actor { name: format!("user:{user}"), groups: Vec::new(), operator: true, via: "cli".into() }
}
