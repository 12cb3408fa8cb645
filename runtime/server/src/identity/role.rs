//! Roles, and what each may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What can be asked of the server. Each route needs one of them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Read runs, journals, approvals, workflows, plugins.
    Look,
    /// Start a run, also of another one.
    Start,
    /// Cancel, suspend, resume and retry runs, and send them signals.
    Steer,
    /// Answer approvals, where the approval asks for the caller.
    Decide,
    /// Publish events.
    Publish,
    /// Register and activate workflows.
    Register,
    /// Make and revoke tokens, links and namespaces.
    Manage,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Look, Self::Start, Self::Steer, Self::Decide, Self::Publish, Self::Register, Self::Manage];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Start => "start",
            Self::Steer => "steer",
            Self::Decide => "decide",
            Self::Publish => "publish",
            Self::Register => "register",
            Self::Manage => "manage",
        }
    }
}

/// What somebody is here for. A caller may have several.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs workflows, and decides nothing.
    Operator,
    /// Looks, and answers what it is asked.
    Approver,
    /// Everything; answers, like everybody, only what it is asked.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// What it may.
    pub const fn verbs(self) -> &'static [Verb] {
        match self {
            Self::Viewer => &[Verb::Look],
            Self::Operator => &[Verb::Look, Verb::Start, Verb::Steer, Verb::Publish, Verb::Register],
            Self::Approver => &[Verb::Look, Verb::Decide],
            Self::Admin => &Verb::ALL,
        }
    }
}

/// The one of some with this name, or what there is.
fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, what: &str, text: &str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        format!("'{text}' is no {what}; there are {}", names.join(", "))
    })
}

impl FromStr for Verb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::name, "verb", text)
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::name, "role", text)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_serialized_alike() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        for verb in Verb::ALL {
            assert_eq!(verb.name().parse(), Ok(verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.name());
        }
        assert!("root".parse::<Role>().unwrap_err().contains("viewer, operator, approver, admin"));
    }

    #[test]
    fn nobody_runs_and_decides_by_one_role_but_the_admin() {
        for role in [Role::Viewer, Role::Operator, Role::Approver] {
            let may = |verb| role.verbs().contains(&verb);
            assert!(may(Verb::Look) && !may(Verb::Manage));
            assert!(!(may(Verb::Start) && may(Verb::Decide)), "{role}");
        }
    }
}
