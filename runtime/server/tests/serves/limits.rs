//! Every limit is reached, and what is beyond it changes nothing.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peer::{ASK, PATIENCE, QUICK, SIGNALS, serve};

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let served = serve(|config| config.limits.head_max_ms = 50).await;
    let whole = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", served.address);
    // Nothing of it, a half, and nothing behind an answer: nobody keeps a connection by keeping silent.
    for begun in ["", "GET /healthz HTTP/1.1\r\nhost: a", &whole] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("it is closed");
        read.unwrap();
        assert_eq!(answer.starts_with("HTTP/1.1 200"), begun == whole, "{begun}: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let served = serve(|config| config.limits.head_max_bytes = 16 << 10).await;
    let begun = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nx-long: ", served.address);
    for (bytes, status) in [((16 << 10) - 100, "200"), (16 << 10, "431")] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let rest = "x".repeat(bytes - begun.len());
        stream.write_all(format!("{begun}{rest}").as_bytes()).await.unwrap();
        if status == "200" {
            stream.write_all(b"\r\nconnection: close\r\n\r\n").await.unwrap();
        }
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {answer}");
    }
}

#[tokio::test]
async fn beyond_the_connections_that_there_may_be_more_wait_to_be_accepted() {
    let served = serve(|config| config.limits.connections_max = 2).await;
    let whole = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", served.address);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(whole.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4_096]).await.unwrap() > 0);
        held.push(stream);
    }
    let mut waits = TcpStream::connect(served.address).await.unwrap();
    waits.write_all(whole.as_bytes()).await.unwrap();
    let mut answer = [0; 4_096];
    let early = timeout(Duration::from_millis(300), waits.read(&mut answer)).await;
    assert!(early.is_err(), "it was answered beside two others");
    held.pop();
    let read = timeout(PATIENCE, waits.read(&mut answer)).await.expect("its turn").unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_called_events_is_bounded_as_all_else() {
    let served = serve(|config| config.limits.requests_at_once_max = 0).await;
    let run = "01890000-0000-7000-8000-000000000000";
    for path in [&*format!("/v1/runs/{run}/signals/events"), "/v1/topics/events", "/v1/topics/x/events"] {
        served.post(path, &json!({})).await.refused(429, "busy");
    }
    // Whoever comes by a link is told on a page.
    let form = ["content-type: application/x-www-form-urlencoded"];
    let refused = served.ask("POST", "/a/forged", &form, "_action=approve").await;
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (429, "1"));
    assert!(refused.headers["content-type"].starts_with("text/html"), "{refused:?}");
    // Streams have places of their own.
    served.listen("/v1/events", None).await.next().await.unwrap();
}

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
