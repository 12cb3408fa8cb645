//! Which route needs what. A route that is not here is closed.

use axum::http::Method;

use crate::identity::Verb;

/// What a route needs of whoever uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: nobody is asked who they are.
    Public,
    /// That it is known who asks.
    Known,
    /// The right to.
    May(Verb),
    /// The same, of somebody who is bound to no tenant: it tells of all of them.
    House(Verb),
}

use Need::{House, Known, May, Public};
use Verb::{Decide, Look, Manage, Publish, Register, Start, Steer};

/// Method, path with `{}` for each part that varies, need. Paths stand here before they are served, where it is known
/// what they will need.
pub(crate) const ROWS: &[(Method, &str, Need)] = &[
    (Method::GET, "/", Public),
    (Method::GET, "/favicon.ico", Public),
    (Method::GET, "/favicon.svg", Public),
    (Method::GET, "/assets/{*}", Public),
    (Method::GET, "/console", Public),
    (Method::GET, "/console/{*}", Public),
    (Method::GET, "/docs", Public),
    (Method::GET, "/docs/{*}", Public),
    (Method::GET, "/problems", Public),
    (Method::GET, "/problems/{}", Public),
    (Method::GET, "/openapi.json", Public),
    (Method::GET, "/healthz", Public),
    (Method::GET, "/readyz", Public),
    (Method::GET, "/metrics", House(Look)),
    // A signed link says itself who may use it.
    (Method::GET, "/a/{}", Public),
    (Method::POST, "/a/{}", Public),
    (Method::GET, "/v1/me", Known),
    (Method::GET, "/v1/system", House(Look)),
    (Method::GET, "/v1/events", May(Look)),
    (Method::GET, "/v1/runs", May(Look)),
    (Method::POST, "/v1/runs", May(Start)),
    (Method::GET, "/v1/runs/{}", May(Look)),
    (Method::GET, "/v1/runs/{}/journal", May(Look)),
    (Method::GET, "/v1/runs/{}/graph", May(Look)),
    (Method::GET, "/v1/runs/{}/usage", May(Look)),
    (Method::GET, "/v1/runs/{}/workflow", May(Look)),
    (Method::GET, "/v1/runs/{}/events", May(Look)),
    (Method::POST, "/v1/runs/{}/cancel", May(Steer)),
    (Method::POST, "/v1/runs/{}/suspend", May(Steer)),
    (Method::POST, "/v1/runs/{}/resume", May(Steer)),
    (Method::POST, "/v1/runs/{}/retry", May(Steer)),
    (Method::POST, "/v1/runs/{}/rerun", May(Start)),
    (Method::POST, "/v1/runs/{}/fork", May(Start)),
    (Method::POST, "/v1/runs/{}/signals/{}", May(Steer)),
    (Method::GET, "/v1/approvals", May(Look)),
    (Method::GET, "/v1/approvals/events", May(Look)),
    (Method::GET, "/v1/approvals/{}", May(Look)),
    (Method::GET, "/v1/approvals/{}/history", May(Look)),
    (Method::POST, "/v1/approvals/{}/decide", May(Decide)),
    (Method::POST, "/v1/approvals/{}/claim", May(Decide)),
    (Method::POST, "/v1/approvals/{}/release", May(Decide)),
    (Method::POST, "/v1/approvals/{}/delegate", May(Decide)),
    (Method::POST, "/v1/approvals/{}/comment", May(Decide)),
    // Whoever makes a link could use it: that is for those who may make tokens as well.
    (Method::POST, "/v1/approvals/{}/links", May(Manage)),
    (Method::GET, "/v1/workflows", May(Look)),
    (Method::POST, "/v1/workflows", May(Register)),
    (Method::POST, "/v1/workflows/check", May(Look)),
    (Method::GET, "/v1/workflows/{}", May(Look)),
    (Method::GET, "/v1/workflows/{}/versions/{}", May(Look)),
    (Method::POST, "/v1/workflows/{}/activate", May(Register)),
    (Method::POST, "/v1/upgrades/check", May(Look)),
    (Method::POST, "/v1/upgrades/apply", May(Steer)),
    (Method::GET, "/v1/plugins", May(Look)),
    (Method::GET, "/v1/plugins/{}", May(Look)),
    (Method::POST, "/v1/topics/{}", May(Publish)),
    (Method::POST, "/v1/topics/{}/{*}", May(Publish)),
    (Method::POST, "/v1/topics/{*}", May(Publish)),
    (Method::GET, "/v1/tokens", May(Manage)),
    (Method::POST, "/v1/tokens", May(Manage)),
    (Method::DELETE, "/v1/tokens/{}", May(Manage)),
    (Method::GET, "/v1/namespaces", May(Manage)),
    (Method::POST, "/v1/namespaces", House(Manage)),
];

/// A pattern with `{}` for each part that varies, `{*}` for the rest of a path.
fn plain(pattern: &str) -> String {
    let part = |part: &str| match part {
        part if part.starts_with("{*") => "{*}".to_owned(),
        part if part.starts_with('{') => "{}".to_owned(),
        part => part.to_owned(),
    };
    pattern.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What a route needs; nothing where it is not in the table.
pub(crate) fn need(method: &Method, pattern: &str) -> Option<Need> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let pattern = plain(pattern);
    ROWS.iter().find(|(of, path, _)| of == method && *path == pattern).map(|(_, _, need)| *need)
}

/// The methods that a path has in the table.
pub(super) fn methods(pattern: &str) -> Vec<&'static str> {
    let pattern = plain(pattern);
    ROWS.iter().filter(|(_, path, _)| *path == pattern).map(|(method, ..)| method.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_route_has_a_row() {
        let document = serde_json::to_value(crate::openapi()).unwrap();
        let mut missing = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for name in item.as_object().unwrap().keys() {
                let Ok(method) = name.to_uppercase().parse::<Method>() else { continue };
                if need(&method, path).is_none() {
                    missing.push(format!("{method} {path}"));
                }
            }
        }
        assert!(missing.is_empty(), "guard/table.rs does not say what {missing:?} need");
    }

    #[test]
    fn a_row_stands_once_and_an_unknown_route_needs_what_nobody_has() {
        for (method, path, _) in ROWS {
            assert_eq!(ROWS.iter().filter(|row| row.0 == *method && row.1 == *path).count(), 1, "{path}");
        }
        assert_eq!(need(&Method::DELETE, "/v1/runs/{run}"), None);
        assert_eq!(need(&Method::HEAD, "/v1/runs/{run}"), Some(May(Look)));
        assert_eq!(need(&Method::POST, "/v1/topics/{*topic}"), Some(May(Publish)));
        assert_eq!(methods("/v1/runs"), ["GET", "POST"]);
        assert!(methods("/v1/secrets").is_empty());
    }
}
