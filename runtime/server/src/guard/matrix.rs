//! Every documented route, as every role, in its own and in another namespace, with tokens in every state.

use axum::http::Method;
use pawl_core::{ApprovalId, RunId};

use super::{Need, need};
use crate::bench::{Bench, namespace, new_token};
use crate::identity::{IdentityReply, IdentityRequest, NamespaceLimits, NewToken, Role, TokenSecret, Verb};

/// One who asks.
struct Who {
    name: String,
    credential: Option<String>,
    /// Their role and namespace; nothing of those whom nobody knows.
    known: Option<(Role, Option<&'static str>)>,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others have none")]
fn bearer(token: &TokenSecret) -> Option<String> {
    Some(format!("Bearer {}", token.secret))
}

async fn everybody(bench: &Bench) -> Vec<Who> {
    let stranger = |name: &str, credential| Who { name: name.to_owned(), credential, known: None };
    let mut all = vec![
        stranger("nobody", None),
        stranger("malformed", Some("Bearer pawl_x".to_owned())),
        stranger("another scheme", Some("Basic YTpi".to_owned())),
        stranger("a JWT where none is taken", Some("Bearer e30.e30.".to_owned())),
    ];
    let mut forged = bench.token(new_token("forged", Role::Admin, None)).await;
    forged.secret.replace_range(25..57, &"0".repeat(32));
    all.push(stranger("forged", bearer(&forged)));
    let expiring = NewToken { expires_ms: Some(1), ..new_token("late", Role::Admin, None) };
    all.push(stranger("expired", bearer(&bench.token(expiring).await)));
    let revoked = bench.token(new_token("gone", Role::Admin, None)).await;
    let request = IdentityRequest::RevokeToken { id: revoked.id.clone(), forget: false };
    assert!(matches!(bench.manage(request).await, IdentityReply::Revoked(_)));
    all.push(stranger("revoked", bearer(&revoked)));
    for role in Role::ALL {
        for of in [Some("own"), Some("other"), Some("default")] {
            let token = bench.token(new_token("ann", role, of)).await;
            let name = format!("{role} of {}", of.unwrap_or_default());
            all.push(Who { name, credential: bearer(&token), known: Some((role, of)) });
        }
    }
    let token = bench.token(new_token("root", Role::Admin, None)).await;
    all.push(Who {
        name: "admin of all".into(),
        credential: bearer(&token),
        known: Some((Role::Admin, None)),
    });
    all
}

/// What must come: a status, or any but those that turn somebody away.
fn expected(need: Need, who: &Who, names_a_run: bool) -> Option<u16> {
    let verb = match need {
        Need::Public => return None,
        Need::Known => None,
        Need::May(verb) | Need::House(verb) => Some(verb),
    };
    let Some((role, of)) = who.known else { return Some(401) };
    if verb.is_some_and(|verb: Verb| !role.verbs().contains(&verb)) {
        return Some(403);
    }
    if matches!(need, Need::House(_)) && !matches!(of, None | Some("default")) {
        return Some(403);
    }
    (names_a_run && !matches!(of, None | Some("own"))).then_some(404)
}

fn filled(path: &str, run: RunId, approval: &ApprovalId) -> String {
    let part = |part: &str| match part {
        "{run}" => run.to_string(),
        "{approval}" => approval.to_string(),
        part if part.starts_with('{') => "x".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_takes_those_whom_the_table_names_and_no_others() {
    let bench = Bench::with(crate::ServerConfig {
        token_requests_per_second_max: 1_000_000,
        ..crate::ServerConfig::default()
    })
    .await;
    for name in ["own", "other"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let everybody = everybody(&bench).await;
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for name in item.as_object().unwrap().keys() {
            let Ok(method) = name.to_uppercase().parse::<Method>() else { continue };
            let need = need(&method, path).unwrap();
            let names_a_run = path.contains("{run}") || path.contains("{approval}");
            assert_eq!(
                names_a_run,
                path.starts_with("/v1/runs/{") || path.starts_with("/v1/approvals/{"),
                "{path}: call its parts {{run}} and {{approval}}"
            );
            // Its own for each route: what one route ends, the next needs.
            let (run, approval) = bench.asking(&namespace("own")).await;
            let line = format!("{method} {}", filled(path, run, &approval));
            for who in &everybody {
                // Identity is off on this loopback: whoever says nothing is the operator there. See below.
                let Some(credential) = &who.credential else { continue };
                // Nothing that a handler could take, so that nothing changes.
                let body = if method == Method::GET { "" } else { "\"x\"" };
                let (answer, _) = bench.begin(&line, &[("authorization", credential)], body).await;
                let told = format!("{line} by {}: {}", who.name, answer.status);
                match expected(need, who, names_a_run) {
                    Some(status) => assert_eq!(answer.status, status, "{told}"),
                    None if need == Need::Public => assert_ne!(answer.status, 401, "{told}"),
                    None => {
                        assert!(![401, 403, 500].contains(&answer.status), "{told}");
                        assert!(!names_a_run || answer.status != 404, "{told}");
                    }
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 400, "{asked}");
}

#[tokio::test]
async fn where_identity_is_required_nobody_is_let_through_without() {
    let bench = Bench::required().await;
    let document = serde_json::to_value(crate::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for name in item.as_object().unwrap().keys() {
            let Ok(method) = name.to_uppercase().parse::<Method>() else { continue };
            let line = format!("{method} {}", path.replace(['{', '}'], ""));
            let (answer, _) = bench.begin(&line, &[], "").await;
            if need(&method, path) == Some(Need::Public) {
                assert_ne!(answer.status, 401, "{line}");
            } else {
                assert_eq!(answer.status, 401, "{line}");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"pawl\""));
            }
        }
    }
}
