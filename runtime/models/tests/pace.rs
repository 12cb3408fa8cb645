//! A bound on requests in a minute, on time that passes when all wait.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

use std::sync::Arc;

use pawl_core::FailureKind;
use pawl_core::call::CallResponse;
use pawl_core::chat::ChatRequest;
use pawl_core::source::operator;
use pawl_models::{Models as _, Profiles};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A model that answers at once, so many times in a minute, and another one.
fn profiles(more: &str) -> Arc<Profiles> {
    let scripted = "provider: scripted, script: s.yaml";
    let text = format!("models: {{ a: {{ {scripted}, {more} }}, b: {{ {scripted} }} }}");
    let operator = operator::load("pawl.yaml", &text).unwrap_or_else(|e| panic!("{}", e.render(false)));
    let read = |_: &std::path::Path| Ok("rules: [{ reply: hi }]".to_owned());
    Arc::new(Profiles::new(&operator, std::path::Path::new("."), read).unwrap())
}

/// Asks, and says after how many seconds the answer came.
fn ask(profiles: &Arc<Profiles>, since: Instant) -> JoinHandle<(CallResponse, u64)> {
    let profiles = Arc::clone(profiles);
    tokio::spawn(async move {
        let request = ChatRequest::read(&json!({ "messages": [{ "role": "user", "text": "hi" }] })).unwrap();
        let response = profiles.chat("key", "a", request).await;
        (response, since.elapsed().as_secs())
    })
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_their_turn_and_fail_at_once_where_that_would_take_too_long() {
    let (profiles, since) = (profiles("requests_per_minute: 2, timeout: 10ms"), Instant::now());
    let asked: Vec<_> = (0..7).map(|_| ask(&profiles, since)).collect();
    let mut came = Vec::new();
    for asked in asked {
        came.push(asked.await.unwrap());
    }
    let (last, at) = came.pop().unwrap();
    let seconds: Vec<_> = came.iter().map(|(_, at)| *at).collect();
    assert_eq!(seconds, [0, 0, 60, 60, 120, 120]);
    assert!(came.iter().all(|(response, _)| response.is_ok()), "{came:?}");
    let failure = last.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after_ms, at), (FailureKind::Transient, Some(180_000), 0));
    assert!(failure.message.contains("would come in 180000 ms"), "{}", failure.message);
    // Once the line is gone there is room again.
    tokio::time::advance(std::time::Duration::from_mins(1)).await;
    assert_eq!(ask(&profiles, Instant::now()).await.unwrap().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_is_asked_where_the_turn_would_come_too_late() {
    let (profiles, since) = (profiles("requests_per_minute: 1, fallbacks: b"), Instant::now());
    let asked: Vec<_> = (0..4).map(|_| ask(&profiles, since)).collect();
    let mut by = Vec::new();
    for asked in asked {
        let (response, at) = asked.await.unwrap();
        by.push((response.unwrap()["profile"].as_str().unwrap().to_owned(), at));
    }
    let by: Vec<_> = by.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    assert_eq!(by, [("a", 0), ("a", 60), ("a", 120), ("b", 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_leaves_its_turn_to_the_next() {
    let (profiles, since) = (profiles("requests_per_minute: 1"), Instant::now());
    let asked: Vec<_> = (0..3).map(|_| ask(&profiles, since)).collect();
    tokio::task::yield_now().await;
    // One that is first in the line, and one behind it.
    for given_up in [1, 2] {
        asked[given_up].abort();
        tokio::task::yield_now().await;
    }
    let last = ask(&profiles, since);
    assert_eq!(last.await.unwrap().1, 60);
}
