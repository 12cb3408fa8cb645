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
