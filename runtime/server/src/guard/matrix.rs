//! Every route, as every role, in its own and in another namespace, with tokens in every state and of every kind.
//!
//! What must come is what `needs.txt` says, and not what the guard's own table does.

use std::collections::BTreeSet;

use axum::http::Method;
use pawl_core::{ApprovalId, RunId};
use serde_json::json;

use super::golden::{For, rights, routes};
use crate::bench::{Bench, issuer, namespace, new_token};
use crate::identity::{IdentityReply, IdentityRequest, NamespaceLimits, NewToken, Role, TokenSecret, Verb};

/// One who asks.
struct Who {
    name: String,
    credential: Option<String>,
    /// What they may, and their namespace; nothing of those whom nobody knows.
    known: Option<(Vec<Verb>, Option<&'static str>)>,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others have none")]
fn bearer(token: &TokenSecret) -> Option<String> {
    Some(format!("Bearer {}", token.secret))
}

/// Those whom nobody knows, or knows no more.
async fn strangers(bench: &Bench) -> Vec<Who> {
    let stranger = |name: &str, credential| Who { name: name.to_owned(), credential, known: None };
    let mut all = vec![
        stranger("nobody", None),
        stranger("malformed", Some("Bearer pawl_x".to_owned())),
        stranger("another scheme", Some("Basic YTpi".to_owned())),
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
    all
}

/// Those with tokens of pawl's own.
async fn with_tokens(bench: &Bench) -> Vec<Who> {
    let mut all = Vec::new();
    for role in Role::ALL {
        for of in [Some("own"), Some("other"), Some("default")] {
            let token = bench.token(new_token("ann", role, of)).await;
            let name = format!("{role} of {}", of.unwrap_or_default());
            all.push(Who { name, credential: bearer(&token), known: Some((rights(role), of)) });
        }
    }
    let token = bench.token(new_token("root", Role::Admin, None)).await;
    let everything = Some((rights(Role::Admin), None));
    all.push(Who { name: "admin of all".into(), credential: bearer(&token), known: everything });
    for verb in Verb::ALL {
        for role in [Role::Admin, Role::Viewer] {
            let verbs = Some(BTreeSet::from([verb]));
            let token = bench.token(NewToken { verbs, ..new_token("ann", role, Some("own")) }).await;
            let may = rights(role).into_iter().filter(|one| *one == verb).collect();
            let name = format!("{role} of own, only {verb}");
            all.push(Who { name, credential: bearer(&token), known: Some((may, Some("own"))) });
        }
    }
    all
}

/// Those whom an issuer vouches for, rightly and not.
fn with_claims(sign: &dyn Fn(serde_json::Value) -> String) -> Vec<Who> {
    let credential = |claims| Some(format!("Bearer {}", sign(claims)));
    let stranger =
        |name: &str, claims| Who { name: name.into(), credential: credential(claims), known: None };
    let mut all = vec![
        stranger("JWT of another issuer", json!({ "iss": "https://evil.example", "roles": ["admin"] })),
        stranger("JWT for somebody else", json!({ "aud": "other", "roles": ["admin"] })),
        stranger("JWT that has expired", json!({ "exp": 1, "roles": ["admin"] })),
    ];
    let unsigned = Some("Bearer eyJhbGciOiJub25lIn0.e30.".to_owned());
    all.push(Who { name: "JWT without a signature".into(), credential: unsigned, known: None });
    for role in Role::ALL {
        for of in ["own", "other"] {
            let claims = json!({ "roles": [role], "tenant": of });
            let known = Some((rights(role), Some(of)));
            all.push(Who { name: format!("JWT {role} of {of}"), credential: credential(claims), known });
        }
    }
    let none = Some((Vec::new(), Some("own")));
    let claims = json!({ "roles": ["stranger"], "tenant": "own" });
    all.push(Who { name: "JWT without a role".into(), credential: credential(claims), known: none });
    let everything = Some((rights(Role::Admin), None));
    let claims = json!({ "roles": ["admin"] });
    all.push(Who { name: "JWT admin of all".into(), credential: credential(claims), known: everything });
    all
}

/// What must come: a status, or any but those that turn somebody away.
fn expected(need: For, who: &Who, names_a_run: bool) -> Option<u16> {
    let needed = match need {
        For::Everybody => return None,
        For::Known => None,
        For::Who { verb, house } => Some((verb, house)),
    };
    let Some((may, of)) = &who.known else { return Some(401) };
    if let Some((verb, house)) = needed
        && (!may.contains(&verb) || (house && !matches!(of, None | Some("default"))))
    {
        return Some(403);
    }
    (names_a_run && !matches!(of, None | Some("own"))).then_some(404)
}

fn filled(path: &str, run: RunId, approval: &ApprovalId) -> String {
    let kind = path.split('/').nth(2).unwrap_or_default();
    let part = |(at, part): (usize, &str)| match (kind, at, part) {
        ("runs", 3, "{}") => run.to_string(),
        ("approvals", 3, "{}") => approval.to_string(),
        (_, _, "{}") => "x".to_owned(),
        (_, _, "{*}") => "x/y".to_owned(),
        _ => part.to_owned(),
    };
    path.split('/').enumerate().map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_takes_those_whom_the_review_names_and_no_others() {
    let (config, sign, _folder) = issuer();
    let bench = Bench::with(crate::ServerConfig {
        token_requests_per_second_max: 1_000_000,
        issuer: Some(config),
        ..crate::ServerConfig::default()
    })
    .await;
    for name in ["own", "other"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let mut everybody = strangers(&bench).await;
    everybody.extend(with_tokens(&bench).await);
    everybody.extend(with_claims(&sign));
    let mut asked = 0;
    for (method, path, need) in routes() {
        let names_a_run = path.starts_with("/v1/runs/{") || path.starts_with("/v1/approvals/{");
        // Its own for each route: what one route ends, the next needs.
        let (run, approval) = bench.asking(&namespace("own")).await;
        let line = format!("{method} {}", filled(path, run, &approval));
        for who in &everybody {
            let headers: Vec<_> =
                who.credential.iter().map(|text| ("authorization", text.as_str())).collect();
            // Nothing that a handler could take, so that nothing changes.
            let body = if method == Method::GET { "" } else { "\"x\"" };
            let (answer, _) = bench.begin(&line, &headers, body).await;
            let told = format!("{line} by {}: {}", who.name, answer.status);
            match expected(need, who, names_a_run) {
                Some(status) => assert_eq!(answer.status, status, "{told}"),
                None if need == For::Everybody => assert_ne!(answer.status, 401, "{told}"),
                None => {
                    assert!(![401, 403, 405, 500].contains(&answer.status), "{told}");
                    assert!(!names_a_run || answer.status != 404, "{told}");
                }
            }
            if answer.status == 401 {
                assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"pawl\""), "{told}");
            }
            asked += 1;
        }
    }
    assert!(asked > 2_000, "{asked}");
}

#[tokio::test]
async fn where_identity_is_required_nobody_is_let_through_without() {
    let bench = Bench::required().await;
    for (method, path, need) in routes() {
        let line = format!("{method} {}", path.replace("{*}", "x/y").replace("{}", "x"));
        let (answer, _) = bench.begin(&line, &[], "").await;
        if need == For::Everybody {
            assert_ne!(answer.status, 401, "{line}");
        } else {
            assert_eq!(answer.status, 401, "{line}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"pawl\""));
        }
    }
    let jwt = [("authorization", "Bearer e30.e30.")];
    assert_eq!(bench.send("GET /v1/runs", &jwt, "").await.status, 401, "no issuer is named");
}
