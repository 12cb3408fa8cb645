//! Links from their making to their end.

use pawl_core::{Digest, Namespace, Timestamp};
use serde_json::json;

use super::ticket::Ticket;
use crate::bench::{Answer, Bench, new_token};
use crate::identity::Role;

/// The path of a link to an approval.
async fn made(bench: &Bench, approval: &pawl_core::ApprovalId, body: serde_json::Value) -> Answer {
    let admin = bench.token(new_token("root", Role::Admin, None)).await;
    bench.ask(&admin, &format!("POST /v1/approvals/{approval}/links"), &body.to_string()).await
}

fn path(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    let url = answer.json()["url"].as_str().unwrap().to_owned();
    url[url.find("/a/").unwrap()..].to_owned()
}

/// What the page's form sends, with an action.
fn form(page: &str, action: &str) -> String {
    let token = page.split("name=\"_form\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    format!("_form={token}&_action={action}&note=fine&_comment=seen")
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_link_answers_once_and_looking_changes_nothing() {
    let bench = Bench::new().await;
    let (run, approval) = bench.asking(&Namespace::default()).await;
    let made = made(&bench, &approval, json!({ "for": "user:ann" })).await;
    let path = path(&made);
    let mut page = String::new();
    for _ in 0..2 {
        let answer = bench.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("Pay &lt;b&gt;5&lt;/b&gt;?"), "{}", answer.body);
        assert!(!answer.body.contains("<script") && answer.header("content-security-policy").is_some());
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        page = answer.body;
    }
    let post = format!("POST {path}");
    // A page elsewhere, a form that is not this page's, and an answer that is not offered.
    let elsewhere = [FORM, ("origin", "https://evil.example")];
    assert_eq!(bench.send(&post, &elsewhere, &form(&page, "approve")).await.status, 403);
    let stray = bench.send(&post, &[FORM], "_form=x&_action=approve").await;
    assert_eq!((stray.status, stray.body.contains("did not come from the page")), (403, true));
    let wrong = bench.send(&post, &[FORM], &form(&page, "perhaps")).await;
    assert_eq!((wrong.status, wrong.body.contains("role=\"alert\"")), (422, true));
    assert_eq!(bench.engine.store().approval(&approval).await.unwrap().unwrap().id, approval);
    let right = bench.send(&post, &[FORM], &form(&page, "approve")).await;
    assert_eq!(right.status, 200, "{}", right.body);
    let header = bench.engine.settled(run).await.unwrap();
    assert_eq!(header.outputs, Some(json!({ "by": "user:ann" })));
    let history = bench.engine.history(run).await.unwrap();
    let decided =
        history.envelopes.iter().map(crate::shape::event).find(|event| event["event"] == "approval-decided");
    let decided = decided.unwrap();
    // The journal says which link it was, and who made it and so could have used it.
    let via = format!("link {} of user:root", made.json()["id"].as_str().unwrap());
    assert_eq!(decided["data"]["by"], json!({ "name": "user:ann", "operator": false, "via": via }));
    assert_eq!(made.json()["made_by"]["name"], "user:root");
    assert_eq!(decided["data"]["comment"], "seen");
    for line in [post, format!("GET {path}")] {
        let again = bench.send(&line, &[FORM], &form(&page, "reject")).await;
        assert_eq!((again.status, again.body.contains("This link was used")), (410, true), "{}", again.body);
    }
}

#[tokio::test]
async fn links_that_are_good_for_nothing_say_why() {
    let bench = Bench::new().await;
    let (run, approval) = bench.asking(&Namespace::default()).await;
    let open = bench.engine.store().approval(&approval).await.unwrap().unwrap();
    let ticket = Ticket {
        id: "0".into(),
        approval: approval.clone(),
        digest: open.digest,
        user: "user:ann".into(),
        groups: std::collections::BTreeSet::new(),
        expires: Timestamp(u64::MAX),
        made_by: None,
    };
    let good = bench.app.links.sign(&ticket);
    let expired = bench.app.links.sign(&Ticket { expires: Timestamp(1), ..ticket.clone() });
    let changed = bench.app.links.sign(&Ticket { digest: Digest::of(b"another question"), ..ticket.clone() });
    let forged = format!("{}.{}", expired.split('.').next().unwrap(), good.split('.').nth(1).unwrap());
    let nonsense = "x".to_owned();
    let cases = [
        (&forged, 403, "not valid"),
        (&expired, 410, "has expired"),
        (&changed, 409, "has changed"),
        (&nonsense, 403, "not valid"),
    ];
    for (link, status, says) in cases {
        for method in ["GET", "POST"] {
            let answer = bench.send(&format!("{method} /a/{link}"), &[FORM], "_form=x&_action=approve").await;
            assert_eq!(
                (answer.status, answer.body.contains(says)),
                (status, true),
                "{link}: {}",
                answer.body
            );
        }
    }
    // Answered by another way: the link was not used, and is good for nothing all the same.
    let page = bench.send(&format!("GET /a/{good}"), &[], "").await.body;
    bench.engine.cancel(run, crate::caller::Caller::local().actor, None).await.unwrap();
    let closed = bench.send(&format!("POST /a/{good}"), &[FORM], &form(&page, "approve")).await;
    assert_eq!((closed.status, closed.body.contains("This was answered")), (410, true), "{}", closed.body);
}

#[tokio::test]
async fn two_answers_with_one_link_at_once_are_one() {
    let bench = Bench::new().await;
    for _ in 0..8 {
        let (_, approval) = bench.asking(&Namespace::default()).await;
        let path = path(&made(&bench, &approval, json!({ "for": "user:ann" })).await);
        let page = bench.send(&format!("GET {path}"), &[], "").await.body;
        let (post, approve, reject) = (format!("POST {path}"), form(&page, "approve"), form(&page, "reject"));
        let (one, other) =
            tokio::join!(bench.send(&post, &[FORM], &approve), bench.send(&post, &[FORM], &reject));
        let mut both = [one.status, other.status];
        both.sort_unstable();
        assert_eq!(both, [200, 410]);
    }
}

#[tokio::test]
async fn a_link_is_made_only_for_whom_the_approval_asks_and_by_who_makes_tokens() {
    let bench = Bench::new().await;
    let (_, approval) = bench.asking(&Namespace::default()).await;
    let cases = [
        (json!({ "for": "user:bob" }), 422),
        (json!({ "for": "ann" }), 422),
        (json!({ "for": "user:bob", "groups": ["group:finance"] }), 201),
        (json!({ "for": "user:ann", "expires_ms": 0 }), 422),
        (json!({ "for": "user:ann", "expires_ms": super::LINK_EXPIRES_MAX_MS + 1 }), 422),
        (json!({ "for": "user:ann", "expires_ms": super::LINK_EXPIRES_MAX_MS }), 201),
    ];
    for (body, status) in cases {
        assert_eq!(made(&bench, &approval, body.clone()).await.status, status, "{body}");
    }
    for role in [Role::Viewer, Role::Operator, Role::Approver] {
        let token = bench.token(new_token("ann", role, None)).await;
        let line = format!("POST /v1/approvals/{approval}/links");
        assert_eq!(bench.ask(&token, &line, "{\"for\":\"user:ann\"}").await.status, 403);
    }
}

#[tokio::test]
async fn a_form_is_waited_for_only_with_a_link_that_is_good_and_not_for_long() {
    let limits =
        crate::ServerLimits { body_max_ms: 50, body_max_bytes: 600, ..crate::ServerLimits::default() };
    let bench = Bench::with(crate::ServerConfig { limits, ..crate::ServerConfig::default() }).await;
    let (_, approval) = bench.asking(&Namespace::default()).await;
    let path = path(&made(&bench, &approval, json!({ "for": "user:ann" })).await);
    // The body never comes.
    let cases = [
        ("/a/forged", "100", 403, "not valid"),
        (&*path, "100", 408, "body_max_ms (50)"),
        (&*path, "601", 413, "body_max_bytes"),
    ];
    for (path, length, status, says) in cases {
        let answer = bench.send(&format!("POST {path}"), &[FORM, ("content-length", length)], "").await;
        assert_eq!((answer.status, answer.body.contains(says)), (status, true), "{}", answer.body);
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    }
    let other =
        bench.send(&format!("POST {path}"), &[("content-type", "text/plain")], "_action=approve").await;
    assert_eq!(other.status, 415, "{}", other.body);
    // None of it has used the link up.
    let page = bench.send(&format!("GET {path}"), &[], "").await;
    let done = bench.send(&format!("POST {path}"), &[FORM], &form(&page.body, "approve")).await;
    assert_eq!(done.status, 200, "{}", done.body);
}

#[tokio::test]
async fn a_link_with_one_letter_changed_is_not_valid() {
    let bench = Bench::new().await;
    let (_, approval) = bench.asking(&Namespace::default()).await;
    let path = path(&made(&bench, &approval, json!({ "for": "user:ann" })).await);
    let start = "/a/".len();
    for at in (start..path.len()).step_by(7).chain([start, path.len() - 1]) {
        let other = if &path[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &path[..at], &path[at + 1..]);
        let answer = bench.send(&format!("GET {changed}"), &[], "").await;
        assert_eq!((answer.status, answer.body.contains("not valid")), (403, true), "{changed}");
    }
    assert_eq!(bench.send(&format!("GET {path}"), &[], "").await.status, 200);
}

#[tokio::test]
async fn forms_that_are_no_answer_are_refused_and_use_no_link_up() {
    let bench = Bench::new().await;
    let (run, approval) = bench.asking(&Namespace::default()).await;
    let path = path(&made(&bench, &approval, json!({ "for": "user:ann" })).await);
    let page = bench.send(&format!("GET {path}"), &[], "").await.body;
    let token = page.split("name=\"_form\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let post = format!("POST {path}");
    let with = |rest: &str| format!("_form={token}{rest}");
    let long = "x".repeat(5_000);
    let cases = [
        (FORM.1, with(""), 422),
        (FORM.1, with("&_action="), 422),
        (FORM.1, with("&_action=approve%00"), 422),
        (FORM.1, with("&_action=APPROVE"), 422),
        (FORM.1, with("&_action=%ff%fe"), 422),
        (FORM.1, with(&format!("&_action={long}")), 422),
        (FORM.1, with(&format!("&_action=approve&_comment={long}")), 422),
        (FORM.1, "&&&=&%".to_owned(), 403),
        (FORM.1, "_action=approve".to_owned(), 403),
        ("application/json", r#"{"_action":"approve"}"#.to_owned(), 415),
        ("text/plain", with("&_action=approve"), 415),
        ("multipart/form-data; boundary=x", "--x--".to_owned(), 415),
    ];
    for (kind, body, status) in cases {
        let answer = bench.send(&post, &[("content-type", kind)], &body).await;
        assert_eq!(answer.status, status, "{kind} {body:.60}: {}", answer.body);
    }
    let right = bench.send(&post, &[FORM], &form(&page, "approve")).await;
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(bench.engine.settled(run).await.unwrap().outputs, Some(json!({ "by": "user:ann" })));
}
