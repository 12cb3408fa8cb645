//! A key starts one run, however often its request comes.

use serde_json::json;

use crate::peer::{QUICK, Served, serve};

async fn start(served: &Served, key: &str, n: u32) -> crate::peer::Answer {
    let body = json!({ "source": QUICK, "inputs": { "n": n } }).to_string();
    let key = format!("idempotency-key: {key}");
    served.ask("POST", "/v1/runs", &["content-type: application/json", &key], &body).await
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_with_the_run_of_the_first() {
    let served = serve(|_| {}).await;
    let first = start(&served, "k-1", 1).await;
    assert!(!first.headers.contains_key("idempotent-replay"));
    let first = first.with(201);
    let again = start(&served, "k-1", 1).await;
    assert_eq!(again.headers["idempotent-replay"], "true");
    assert_eq!(again.with(200)["id"], first["id"]);
    start(&served, "k-1", 2).await.refused(422, "idempotency-key-reused");
    assert_ne!(start(&served, "k-2", 1).await.with(201)["id"], first["id"]);
    assert_eq!(served.get("/v1/runs").await.with(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rerun_and_a_fork_are_made_once_for_each_key_and_within_the_trace_of_who_asked() {
    let served = serve(|_| {}).await;
    let run = start(&served, "k-1", 1).await.with(201)["id"].as_str().unwrap().to_owned();
    served.engine.quiet().await.unwrap();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (path, body, other) in [
        ("rerun", json!({ "inputs": { "n": 2 } }), json!({ "inputs": { "n": 3 } })),
        ("fork", json!({ "at": 1 }), json!({ "at": 1, "changes": [{ "path": ["n"], "value": 4 }] })),
    ] {
        let send = async |body: &serde_json::Value| {
            let key = format!("idempotency-key: {path}");
            let trace = format!("traceparent: {parent}");
            let more = ["content-type: application/json", &key, &trace];
            served.ask("POST", &format!("/v1/runs/{run}/{path}"), &more, &body.to_string()).await
        };
        let first = send(&body).await.with(201);
        let again = send(&body).await;
        assert_eq!(again.headers["idempotent-replay"], "true", "{path}");
        assert_eq!(again.with(200)["id"], first["id"], "{path}");
        send(&other).await.refused(422, "idempotency-key-reused");
        let made = first["id"].as_str().unwrap().parse().unwrap();
        let history = served.engine.history(made).await.unwrap();
        assert_eq!(history.state.trace().unwrap().traceparent(), parent, "{path}");
    }
    // The key of a start is not one of a rerun.
    let more = ["content-type: application/json", "idempotency-key: k-1"];
    let path = format!("/v1/runs/{run}/rerun");
    served.ask("POST", &path, &more, "{}").await.refused(422, "idempotency-key-reused");
    assert_eq!(served.get("/v1/runs").await.with(200)["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn of_many_that_come_at_once_one_starts_a_run() {
    let served = serve(|_| {}).await;
    let asked = (0..16).map(|_| start(&served, "k", 1));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(served.get("/v1/runs").await.with(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_refused_uses_up_no_key() {
    let served = serve(|_| {}).await;
    let body = json!({ "source": "pawl: 1" }).to_string();
    let more = ["content-type: application/json", "idempotency-key: k"];
    served.ask("POST", "/v1/runs", &more, &body).await.refused(422, "invalid-workflow");
    start(&served, "k", 1).await.with(201);
}

#[tokio::test]
async fn a_key_has_so_many_visible_characters() {
    let served = serve(|_| {}).await;
    start(&served, &"k".repeat(255), 1).await.with(201);
    start(&served, &"k".repeat(256), 1).await.refused(400, "bad-request");
    start(&served, "two words", 1).await.refused(400, "bad-request");
}
