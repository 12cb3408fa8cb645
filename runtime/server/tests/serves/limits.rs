//! Every limit is reached, and what is beyond it changes nothing.

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::peer::{ASK, QUICK, SIGNALS, serve};

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_told_or_not() {
    let served = serve(|config| config.limits.body_max_bytes = 600).await;
    served.start(QUICK).await;
    let long = json!({ "source": "x".repeat(600) }).to_string();
    served
        .ask("POST", "/v1/runs", &["content-type: application/json"], &long)
        .await
        .refused(413, "body-too-long");
    // In pieces, whose sum nobody tells before.
    let head = "POST /v1/runs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked";
    let pieces = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let mut stream = served.send(head, &pieces).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("body-too-long"), "{text}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let served = serve(|config| config.limits.body_max_ms = 50).await;
    let head = "POST /v1/runs HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 100";
    let mut stream = served.send(head, "{").await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains(" 408 ") && text.contains("body-too-slow"), "{text}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let served = serve(|config| {
        config.limits.request_max_ms = 50;
        config.limits.body_max_ms = 60_000;
    })
    .await;
    let head = "POST /v1/runs HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 100";
    let mut stream = served.send(head, "{").await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains(" 503 ") && text.contains("timed-out"), "{text}");
}

#[tokio::test]
async fn beyond_what_is_answered_at_once_the_server_is_busy_and_says_until_when() {
    let served = serve(|config| config.limits.requests_at_once_max = 0).await;
    let refused = served.post("/v1/runs", &json!({ "source": QUICK })).await;
    assert_eq!(refused.headers["retry-after"], "1");
    refused.refused(429, "busy");
    // Who looks after the server still hears of it.
    served.get("/healthz").await.with(200);
    served.get("/readyz").await.with(200);
}

#[tokio::test]
async fn streams_have_places_which_come_free() {
    let served = serve(|config| config.limits.streams_at_once_max = 1).await;
    let run = served.start(SIGNALS).await;
    let path = format!("/v1/runs/{run}/events");
    let mut one = served.listen(&path, None).await;
    one.next().await.unwrap();
    served.get(&path).await.refused(429, "busy");
    assert_eq!(served.get("/v1/system").await.with(200)["streams_open"], 1);
    drop(one);
    // The server notices when it next writes.
    loop {
        served.post(&format!("/v1/runs/{run}/signals/go"), &json!({})).await;
        if served.get("/v1/system").await.with(200)["streams_open"] == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    served.listen(&path, None).await.next().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_takes_nothing_of_what_it_is_sent_is_cut_off() {
    let served = serve(|config| config.limits.stall_max_ms = 200).await;
    let run = served.start(ASK).await;
    // Far more than what the system keeps of a connection, and nobody reads it.
    let note = "x".repeat(60_000);
    let mut streams = Vec::new();
    let path = format!("/v1/runs/{run}/events");
    streams.push(served.send(&format!("GET {path} HTTP/1.0"), "").await);
    loop {
        let open = served.get("/v1/system").await.with(200)["streams_open"].as_u64().unwrap();
        if open == 1 {
            break;
        }
    }
    for _ in 0..200 {
        served.post(&format!("/v1/runs/{run}/suspend"), &json!({ "reason": note })).await.with(200);
        served.post(&format!("/v1/runs/{run}/resume"), &json!({})).await.with(200);
    }
    let cut = async {
        while served.get("/v1/system").await.with(200)["streams_open"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), cut).await.expect("it is cut off");
}
