//! What `needs.txt` says: who may do what, as people review it.

use axum::http::Method;

use super::table::ROWS;
use super::{Need, table};
use crate::identity::{Role, Verb};

/// What is written by hand.
const TEXT: &str = include_str!("needs.txt");

/// One who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Everybody,
    Known,
    /// Whoever has the right; of those whom the whole server is open to, where that is said.
    Who {
        verb: Verb,
        house: bool,
    },
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line}")))
}

/// The routes: method, path, who may.
pub(super) fn routes() -> Vec<(Method, &'static str, For)> {
    let route = |(route, need): (&'static str, &'static str)| {
        let (method, path) = route.split_once(' ').unwrap();
        let (verb, house) = need.split_once(", ").map_or((need, false), |(verb, rest)| {
            assert_eq!(rest, "of the house", "{route}");
            (verb, true)
        });
        let who = match verb {
            "nothing" => For::Everybody,
            "known" => For::Known,
            verb => For::Who { verb: verb.parse().unwrap(), house },
        };
        (method.parse().unwrap(), path, who)
    };
    lines().filter(|(name, _)| !name.starts_with("role ")).map(route).collect()
}

/// What a role may.
pub(super) fn rights(role: Role) -> Vec<Verb> {
    let mut of_roles = lines().filter_map(|(name, verbs)| Some((name.strip_prefix("role ")?, verbs)));
    let (_, verbs) = of_roles.find(|(name, _)| *name == role.name()).unwrap();
    verbs.split(' ').map(|verb| verb.parse().unwrap()).collect()
}

#[test]
fn the_table_of_routes_is_the_one_that_was_reviewed() {
    let says = |need: Need| match need {
        Need::Public => For::Everybody,
        Need::Known => For::Known,
        Need::May(verb) => For::Who { verb, house: false },
        Need::House(verb) => For::Who { verb, house: true },
    };
    let reviewed = routes();
    for (method, path, who) in &reviewed {
        assert_eq!(table::need(method, path).map(says), Some(*who), "{method} {path} in guard/table.rs");
        assert_eq!(reviewed.iter().filter(|one| (&one.0, one.1) == (method, path)).count(), 1, "{path}");
    }
    for (method, path, _) in ROWS {
        let found = reviewed.iter().any(|one| (&one.0, one.1) == (method, path));
        assert!(found, "guard/needs.txt does not say who may {method} {path}");
    }
}

#[test]
fn roles_may_what_was_reviewed() {
    for role in Role::ALL {
        let (mut said, mut reviewed) = (role.verbs().to_vec(), rights(role));
        said.sort_unstable();
        reviewed.sort_unstable();
        assert_eq!(said, reviewed, "{role} in identity/role.rs");
    }
}
