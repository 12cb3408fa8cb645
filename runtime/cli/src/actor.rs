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
        let Actor { name: user, via, .. } = operator();
        // Who says so stands beside.
        let via = format!("{via} of {user}");
        Ok(Actor { name: name.clone(), groups: self.groups.clone(), operator: false, via })
    }
}

/// What a command is given through, in journals.
const VIA: &str = "cli";
/// The longest `PAWL_VIA`, in bytes.
const VIA_MAX_BYTES: usize = 64;
/// Where the system keeps the names of its users.
const USERS: &str = "/etc/passwd";

/// Whoever runs this command owns the data folder, and so is its operator.
pub(crate) fn operator() -> Actor {
    let name = user_of(rustix::process::geteuid().as_raw());
    Actor { name, groups: Vec::new(), operator: true, via: through() }
}

/// Says who asks, whatever they say themselves: the user that a process at the other end of the socket runs as.
pub(crate) fn stamp(by: &mut Actor, uid: u32) {
    let (user, said) = (user_of(uid), by.via.split(' ').next().unwrap_or_default());
    let is_ours = said == VIA || said.strip_prefix("cli/").is_some_and(is_label);
    let via = if is_ours { said } else { VIA }.to_owned();
    if by.operator {
        (by.name, by.groups, by.via) = (user, Vec::new(), via);
    } else {
        by.via = format!("{via} of {user}");
    }
}

/// The name of a user, as the system knows it. The environment says nothing here: anybody can set it.
fn user_of(uid: u32) -> String {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    format!("user:{}", named(&users, uid).unwrap_or(&format!("uid-{uid}")))
}

fn named(users: &str, uid: u32) -> Option<&str> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.len() <= VIA_MAX_BYTES && text.bytes().all(plain)
}

/// What `PAWL_VIA` says commands are given through.
fn label() -> Option<String> {
    std::env::var("PAWL_VIA").ok().filter(|label| !label.is_empty())
}

fn through() -> String {
    label().filter(|label| is_label(label)).map_or_else(|| VIA.to_owned(), |label| format!("{VIA}/{label}"))
}

/// Refuses a `PAWL_VIA` that journals do not take.
pub(crate) fn check() -> Result<(), Fault> {
    match label() {
        Some(label) if !is_label(&label) => Err(Fault::usage(format!(
            "PAWL_VIA has 1 to via_max_bytes ({VIA_MAX_BYTES}) letters, digits, '.', '_' and '-', and is '{label}'"
        ))
        .hint("set it to the name of what gives the commands, such as nightly-job, or unset it")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_system_knows_or_its_number() {
        let users = "root:x:0:0::/root:/bin/sh\nbad\n:x:7::\nann:x:1000:1000:Ann:/home/ann:/bin/sh\neve:x:1000:1000::\n";
        assert_eq!(named(users, 0), Some("root"));
        assert_eq!(named(users, 1000), Some("ann"));
        assert_eq!(named(users, 7), None);
        assert_eq!(user_of(u32::MAX - 7), format!("user:uid-{}", u32::MAX - 7));
    }

    #[test]
    fn whoever_asks_is_who_the_socket_says() {
        let nobody = u32::MAX - 7;
        let user = format!("user:uid-{nobody}");
        let actor = |name: &str, operator, via: &str| Actor {
            name: name.into(),
            groups: vec!["group:finance".into()],
            operator,
            via: via.into(),
        };
        let stamped = |mut by: Actor| {
            stamp(&mut by, nobody);
            by
        };
        let forged = stamped(actor("user:bob", true, "cli/nightly"));
        assert_eq!(
            (forged.name, forged.groups, forged.via),
            (user.clone(), Vec::new(), "cli/nightly".into())
        );
        for (forged, kept) in
            [("http", "cli"), ("cli/a of user:bob", "cli/a"), ("cli of user:bob", "cli"), ("", "cli")]
        {
            assert_eq!(stamped(actor("user:bob", true, forged)).via, kept, "{forged}");
        }
        // Whom the operator names stays named, and who the operator is stands beside.
        let named = stamped(actor("user:bob", false, "cli of user:eve"));
        assert_eq!((named.name.as_str(), named.via), ("user:bob", format!("cli of {user}")));
    }
}
