//! Streams tell everything once, wherever they are cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::peer::{ASK, QUICK, SIGNALS, Served, serve};

#[tokio::test]
async fn a_run_is_followed_to_its_end() {
    let mut served = serve(|_| {}).await;
    let run = served.start(SIGNALS).await;
    let mut stream = served.listen(&format!("/v1/runs/{run}/events"), None).await;
    assert_eq!(stream.next().await.unwrap().data["event"], "run-started");
    for _ in 0..3 {
        served.post(&format!("/v1/runs/{run}/signals/go"), &json!({})).await.with(200);
    }
    let end = stream.named("end").await;
    assert_eq!((end.data, end.id), (json!({ "status": "completed" }), None));
    assert_eq!(stream.next().await, None);
    // Who comes back behind the last event hears of the end.
    let events = served.get(&format!("/v1/runs/{run}")).await.with(200)["events"].clone();
    let mut again = served.listen(&format!("/v1/runs/{run}/events"), Some(&events.to_string())).await;
    assert_eq!(again.next().await.unwrap().name, "end");
    served.end();
}

#[tokio::test]
async fn what_is_there_is_told_without_waiting() {
    let served = serve(|_| {}).await;
    let run = served.start(SIGNALS).await;
    served.settled(&run).await;
    let mut stream = served.listen(&format!("/v1/runs/{run}/events?follow=false&after=1"), None).await;
    assert_eq!(stream.next().await.unwrap().id.as_deref(), Some("2"));
    assert_eq!(stream.named("end").await.data, json!({ "status": "waiting" }));
    served.get("/v1/runs/01890000-0000-7000-8000-000000000000/events").await.refused(404, "not-found");
    served.get(&format!("/v1/runs/{run}/events?follow=maybe")).await.refused(400, "bad-request");
    let refused = served.ask("GET", &format!("/v1/runs/{run}/events"), &["last-event-id: x"], "").await;
    refused.refused(400, "bad-request");
}

#[tokio::test]
async fn what_is_remembered_is_told_without_waiting() {
    let served = serve(|_| {}).await;
    let run = served.start(ASK).await;
    served.settled(&run).await;
    let mut changes = served.listen("/v1/events?after=0&follow=false", None).await;
    let mut told = 0;
    while let Some(change) = changes.next().await {
        assert_eq!((change.name.as_str(), &change.data["run"]), ("change", &json!(run)));
        told += 1;
    }
    assert!(told > 0, "and it ends");
    let mut inbox = served.listen("/v1/approvals/events?follow=false", Some("0")).await;
    assert_eq!(inbox.next().await.unwrap().name, "opened");
    assert_eq!(inbox.next().await, None);
    for path in ["/v1/events", "/v1/approvals/events"] {
        served.get(&format!("{path}?follow=maybe")).await.refused(400, "bad-request");
    }
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let mut served = serve(|_| {}).await;
    let run = served.start(SIGNALS).await;
    let mut of_run = served.listen(&format!("/v1/runs/{run}/events"), None).await;
    let mut of_all = served.listen("/v1/events", None).await;
    assert_eq!(of_all.next().await.unwrap().name, "begin");
    served.end();
    while of_run.next().await.is_some() {}
    while of_all.next().await.is_some() {}
}

#[tokio::test]
async fn the_inbox_tells_what_opens_and_closes() {
    let served = serve(|_| {}).await;
    let mut inbox = served.listen("/v1/approvals/events", None).await;
    let begin = inbox.next().await.unwrap();
    assert_eq!(begin.name, "begin");
    let run = served.start(ASK).await;
    let opened = inbox.named("opened").await;
    assert_eq!((&opened.data["run"], &opened.data["title"]), (&json!(run), &json!("Number 1?")));
    let approval = opened.data["id"].as_str().unwrap();
    let decide = json!({ "action": "approve" });
    served.post(&format!("/v1/approvals/{approval}/decide"), &decide).await.with(200);
    assert_eq!(inbox.named("closed").await.data, json!({ "id": approval }));
    // Who was cut off before the first change goes on from where the stream began. What is closed is not shown again.
    let mut back = served.listen("/v1/approvals/events", begin.id.as_deref()).await;
    let heard = back.next().await.unwrap();
    assert_eq!((heard.name.as_str(), &heard.data["id"]), ("closed", &json!(approval)));
}

#[tokio::test]
async fn who_comes_back_to_another_list_of_changes_looks_anew() {
    let served = serve(|_| {}).await;
    served.start(QUICK).await;
    for path in ["/v1/events", "/v1/approvals/events"] {
        let mut stream = served.listen(path, Some("123456")).await;
        let reset = stream.next().await.unwrap();
        assert_eq!(reset.name, "reset", "{path}");
        assert!(reset.id.unwrap().parse::<u64>().unwrap() < 123_456);
    }
}

/// Reads a stream, is cut off after so many events, comes back with the id of the last one, and so on.
async fn read_in_pieces(
    served: &Served,
    path: &str,
    cuts: &[usize],
    is_last: impl Fn(&Value) -> bool,
) -> Vec<String> {
    let (mut ids, mut last) = (Vec::new(), None::<String>);
    let mut cuts = cuts.iter().cycle();
    loop {
        let mut stream = served.listen(path, last.as_deref()).await;
        for _ in 0..*cuts.next().unwrap() {
            let Some(heard) = stream.next().await else { break };
            let Some(id) = heard.id else { return ids };
            last = Some(id.clone());
            if heard.name != "begin" {
                ids.push(id);
            }
            if is_last(&heard.data) {
                return ids;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn wherever_a_stream_is_cut_nothing_is_missed_or_told_twice(
        cuts in prop::collection::vec(1_usize..6, 1..8),
        other_cuts in prop::collection::vec(1_usize..6, 1..8),
        runs in 1_usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let served = std::sync::Arc::new(serve(|_| {}).await);
            let run = served.start(SIGNALS).await;
            let (of_run, of_all) = (std::sync::Arc::clone(&served), std::sync::Arc::clone(&served));
            let path = format!("/v1/runs/{run}/events");
            let reader = tokio::spawn(async move { read_in_pieces(&of_run, &path, &cuts, |_| false).await });
            let last = run.clone();
            let reads_all = tokio::spawn(async move {
                let ends = |data: &Value| data["run"] == last.as_str() && data["status"] == "completed";
                // From before the first change.
                read_in_pieces(&of_all, "/v1/events?after=0", &other_cuts, ends).await
            });
            for _ in 0..runs {
                served.start(QUICK).await;
            }
            for _ in 0..3 {
                served.post(&format!("/v1/runs/{run}/signals/go"), &json!({})).await.with(200);
            }
            let heard = reader.await.unwrap();
            let journal = served.get(&format!("/v1/runs/{run}/journal?limit=500")).await.with(200);
            let events = journal["items"].as_array().unwrap();
            let expected: Vec<_> = events.iter().map(|event| event["seq"].to_string()).collect();
            assert_eq!(heard, expected);
            let heard = reads_all.await.unwrap();
            let expected: Vec<_> = (1..=heard.len()).map(|position| position.to_string()).collect();
            assert_eq!(heard, expected);
        });
    }
}
