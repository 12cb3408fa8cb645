//! What can be asked of runs and approvals, and what is refused.

use serde_json::{Value, json};

use crate::peer::{ASK, QUICK, SIGNALS, serve};

#[tokio::test]
async fn a_run_is_started_asked_about_decided_and_done() {
    let served = serve(|_| {}).await;
    let run = served.start(ASK).await;
    let waiting = served.settled(&run).await;
    assert_eq!((&waiting["status"], &waiting["waiting"]["for"]), (&json!("waiting"), &json!("approval")));
    let inbox = served.get("/v1/approvals").await.with(200);
    let approval = inbox["items"][0]["id"].as_str().unwrap();
    assert_eq!(inbox["items"][0]["title"], "Number 1?");
    assert_eq!(served.get(&format!("/v1/approvals/{approval}")).await.with(200), inbox["items"][0]);

    let at = |verb: &str| format!("/v1/approvals/{approval}/{verb}");
    let claimed = served.post(&at("claim"), &json!({})).await.with(200);
    assert_eq!(claimed["claimed_by"], "user:operator", "{claimed}");
    let count = async |query: &str| {
        served.get(&format!("/v1/approvals?{query}")).await.with(200)["items"].as_array().unwrap().len()
    };
    assert_eq!(
        (count("claimed=true").await, count("claimed=false").await, count("mine=true").await),
        (1, 0, 1)
    );
    served.post(&at("release"), &json!({})).await.with(200);
    served.post(&at("release"), &json!({})).await.refused(409, "not-claimed");
    served.post(&at("comment"), &json!({ "text": "" })).await.refused(422, "invalid-comment");
    served.post(&at("comment"), &json!({ "text": "is it?" })).await.with(200);
    served.post(&at("delegate"), &json!({ "to": ["ann"] })).await.refused(422, "invalid-delegate");

    let decide = format!("/v1/approvals/{approval}/decide");
    let problem = served.post(&decide, &json!({ "action": "perhaps" })).await.refused(422, "unknown-action");
    assert_eq!(problem["errors"], json!(["approve", "reject"]));
    let wrong = json!({ "action": "approve", "data": { "note": 5 } });
    served.post(&decide, &wrong).await.refused(422, "invalid-form");
    let answered = served.post(&decide, &json!({ "action": "approve" })).await.with(200);
    assert_eq!(answered["run"], run.as_str());
    let done = served.settled(&run).await;
    assert_eq!((&done["status"], &done["outputs"]["action"]), (&json!("completed"), &json!("approve")));

    served.post(&decide, &json!({ "action": "approve" })).await.refused(409, "already-decided");
    served.get(&format!("/v1/approvals/{approval}")).await.refused(404, "not-found");
    served.post(&format!("/v1/runs/{run}/cancel"), &json!({})).await.refused(409, "run-ended");
}

#[tokio::test]
async fn runs_are_listed_in_pages_and_by_what_is_asked_for() {
    let served = serve(|_| {}).await;
    let mut started = Vec::new();
    for at in 0..7 {
        started.push(served.start(if at % 2 == 0 { QUICK } else { ASK }).await);
        served.settled(&started[at]).await;
    }
    started.reverse();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/v1/runs?limit=3{cursor}")).await.with(200);
        let ids = page["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned());
        listed.extend(ids);
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, started);
    let count = async |query: &str| {
        let page = served.get(&format!("/v1/runs?{query}")).await.with(200);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("status=completed").await, 4);
    assert_eq!(count("status=completed,waiting").await, 7);
    assert_eq!(count("workflow=ask").await, 3);
    assert_eq!(count("q=Number%201").await, 3);
    assert_eq!(count(&format!("q={}", started[2])).await, 1);
    assert_eq!(count("until=2000-01-01T00:00:00Z").await, 0);
    assert_eq!(count("since=2000-01-01T00:00:00Z").await, 7);
    assert_eq!(count("since=2100-01-01T00:00:00Z").await, 0);
    assert_eq!(count(&format!("parent={}", started[0])).await, 0);
}

#[tokio::test]
async fn one_request_looks_at_so_many_runs_and_says_where_to_go_on() {
    let served = serve(|config| config.limits.runs_scanned_max = 2).await;
    for _ in 0..5 {
        served.start(QUICK).await;
    }
    let (mut found, mut pages, mut cursor) = (0, 0, String::new());
    loop {
        let page = served.get(&format!("/v1/runs?q=quick&limit=500{cursor}")).await.with(200);
        found += page["items"].as_array().unwrap().len();
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found, pages), (5, 3));
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let served = serve(|_| {}).await;
    let bad = [
        "/v1/runs?status=done",
        "/v1/runs?limit=0",
        "/v1/runs?limit=501",
        "/v1/runs?limit=many",
        "/v1/runs?colour=red",
        "/v1/runs?cursor=x",
        "/v1/runs?since=yesterday",
        "/v1/runs?status=failed&status=failed",
        "/v1/approvals?run=x",
        "/v1/approvals?cursor=",
        "/v1/approvals?cursor=0123456789abcdefx",
        "/v1/runs/%ff",
    ];
    for path in bad {
        served.get(path).await.refused(400, "bad-request");
    }
    served.get("/v1/runs/x").await.refused(404, "not-found");
    served.get("/v1/runs/01890000-0000-7000-8000-000000000000").await.refused(404, "not-found");
    served.get("/v1/plugins/none").await.refused(404, "not-found");
    served.get("/v1/nothing").await.refused(404, "no-such-path");
    let refused = served.ask("DELETE", "/v1/runs", &[], "").await;
    assert!(refused.headers["allow"].contains("POST"), "{refused:?}");
    refused.refused(405, "no-such-method");

    let json = ["content-type: application/json"];
    served.ask("POST", "/v1/runs", &json, "{").await.refused(400, "bad-json");
    served.ask("POST", "/v1/runs", &json, "[]").await.refused(422, "body-does-not-fit");
    served.ask("POST", "/v1/topics/a", &json, "[null, null]").await.refused(422, "body-does-not-fit");
    served.ask("POST", "/v1/runs", &json, "{}").await.refused(422, "body-does-not-fit");
    served.ask("POST", "/v1/runs", &json, r#"{"source":"","x":1}"#).await.refused(422, "body-does-not-fit");
    served.ask("POST", "/v1/runs", &["content-type: text/yaml"], ASK).await.refused(415, "not-json");
    let problem =
        served.post("/v1/runs", &json!({ "source": "pawl: 1" })).await.refused(422, "invalid-workflow");
    assert!(problem["errors"].as_array().unwrap().iter().all(|one| one["code"].is_string()), "{problem}");
    let inputs = json!({ "source": ASK, "inputs": { "n": "x" } });
    served.post("/v1/runs", &inputs).await.refused(422, "invalid-inputs");
    served.post("/v1/runs", &json!({ "workflow": "none" })).await.refused(404, "not-found");
}

#[tokio::test]
async fn runs_are_suspended_resumed_signalled_rerun_and_forked() {
    let served = serve(|_| {}).await;
    let run = served.start(SIGNALS).await;
    served.settled(&run).await;
    let at = |verb: &str| format!("/v1/runs/{run}/{verb}");
    let suspended = served.post(&at("suspend"), &json!({ "reason": "lunch" })).await.with(200);
    assert_eq!(
        (&suspended["status"], &suspended["waiting"]["reason"]),
        (&json!("suspended"), &json!("lunch"))
    );
    served.post(&at("suspend"), &json!({})).await.refused(409, "cannot-suspend");
    // Without a body, too.
    let resumed = served.ask("POST", &at("resume"), &[], "").await.with(200);
    assert_ne!(resumed["status"], "suspended");
    served.post(&at("retry"), &json!({})).await.refused(409, "cannot-retry");
    served.post(&at("signals/stop"), &json!({})).await.refused(422, "unknown-signal");
    for key in ["1", "1", "2", "3"] {
        served.post(&at("signals/go"), &json!({ "key": key })).await;
    }
    assert_eq!(served.settled(&run).await["status"], "completed");

    let new = served.ask("POST", &at("rerun"), &[], "").await;
    let place = new.headers["location"].clone();
    let new = new.with(201);
    assert_eq!(place, format!("/v1/runs/{}", new["id"].as_str().unwrap()));
    let journal = served.get(&at("journal?limit=500")).await.with(200);
    let events = journal["items"].as_array().unwrap();
    assert_eq!(events[0]["event"], "run-started");
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let part = served.get(&at("journal?from=2&limit=2")).await.with(200);
    assert_eq!((&part["items"][0], &part["next"]), (&events[1], &json!("4")));
    served.post(&at("fork"), &json!({ "at": 9_999 })).await.refused(409, "cannot-fork");
    let fork = served.post(&at("fork"), &json!({ "at": 1 })).await.with(201);
    assert_ne!(fork["id"], run.as_str());
}

#[tokio::test]
async fn a_run_is_drawn_and_told_only_when_something_happened() {
    let served = serve(|_| {}).await;
    let run = served.start(QUICK).await;
    served.settled(&run).await;
    let shown = served.get(&format!("/v1/runs/{run}")).await;
    let tag = shown.headers["etag"].clone();
    let again = served.ask("GET", &format!("/v1/runs/{run}"), &[&format!("if-none-match: {tag}")], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let graph = served.get(&format!("/v1/runs/{run}/graph")).await.with(200);
    assert_eq!(graph["workflow"], "quick");
    let kinds: Vec<_> = graph["nodes"].as_array().unwrap().iter().map(|node| &node["kind"]).collect();
    assert!(kinds.contains(&&json!("start")) && kinds.contains(&&json!("end")), "{graph}");
    assert!(!graph["edges"].as_array().unwrap().is_empty(), "{graph}");
    let svg = served.get(&format!("/v1/runs/{run}/graph?format=svg")).await;
    assert!(svg.text.starts_with("<svg"), "{svg:?}");
    served.get(&format!("/v1/runs/{run}/graph?format=png")).await.refused(400, "bad-request");
    assert!(served.get(&format!("/v1/runs/{run}/usage")).await.with(200)["took_ms"].is_u64());
}

#[tokio::test]
async fn topics_reach_who_waits_for_them() {
    let served = serve(|_| {}).await;
    let hear = "pawl: 1\nworkflow: hear\nversion: 1.0.0\nsteps:\n  - { id: a, wait: { topic: orders/*/made } }\n\
                outputs: { order: \"${{ steps.a.output.data.id }}\" }\n";
    let (one, other) = (served.start(hear).await, served.start(hear).await);
    served.settled(&one).await;
    served.settled(&other).await;
    let event = json!({ "data": { "id": "A-1" }, "id": "7" });
    served.post("/v1/topics/orders%2F*", &event).await.refused(422, "invalid-topic");
    served.post("/v1/topics/orders/eu/made", &event).await.with(200);
    for run in [one, other] {
        assert_eq!(served.settled(&run).await["outputs"]["order"], "A-1");
    }
    let third = served.start(hear).await;
    served.settled(&third).await;
    served.post("/v1/topics/orders%2Feu%2Fmade", &event).await.with(200);
    assert_eq!(served.settled(&third).await["outputs"]["order"], "A-1");
}

#[tokio::test]
async fn workflows_are_registered_activated_and_started_by_name() {
    let served = serve(|_| {}).await;
    let source = |version: &str| json!({ "source": QUICK.replace("1.0.0", version) });
    let first = served.post("/v1/workflows", &source("1.0.0")).await.with(201);
    assert_eq!((&first["workflow"], &first["version"]), (&json!("quick"), &json!("1.0.0")));
    served.post("/v1/workflows", &source("1.0.0")).await.with(200);
    let other = json!({ "source": QUICK.replace("default: 1", "default: 2") });
    served.post("/v1/workflows", &other).await.refused(409, "registered-otherwise");
    served.post("/v1/runs", &json!({ "workflow": "quick" })).await.refused(404, "not-found");
    let activate = async |version: &str, tag: &str| {
        let more = ["content-type: application/json", &format!("if-match: {tag}")];
        let body = json!({ "version": version }).to_string();
        served.ask("POST", "/v1/workflows/quick/activate", &more, &body).await
    };
    activate("1.0.0", "*").await.with(200);
    let shown = served.get("/v1/workflows/quick").await;
    let tag = shown.headers["etag"].clone();
    assert_eq!(shown.with(200)["items"].as_array().unwrap().len(), 1);
    served.post("/v1/workflows", &source("1.1.0")).await.with(201);
    activate("1.1.0", &tag).await.with(200);
    activate("1.0.0", &tag).await.refused(412, "precondition-failed");
    activate("1.0.0", "none").await.refused(400, "bad-request");
    activate("9.0.0", "*").await.refused(404, "not-found");
    let run = served.post("/v1/runs", &json!({ "workflow": "quick" })).await.with(201);
    assert_eq!(run["version"], "1.1.0");
    let old = json!({ "workflow": "quick", "version": "1.0.0" });
    assert_eq!(served.post("/v1/runs", &old).await.with(201)["version"], "1.0.0");
    let version = served.get("/v1/workflows/quick/versions/1.0.0").await.with(200);
    assert!(version["source"].as_str().unwrap().contains("workflow: quick"), "{version}");
    let page = served.get("/v1/workflows?limit=1").await.with(200);
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&json!("quick"), &Value::Null));
    served.get("/v1/workflows/none").await.refused(404, "not-found");
}

#[tokio::test]
async fn a_text_that_is_sent_leads_to_no_file_of_the_server() {
    let served = serve(|_| {}).await;
    let head = "pawl: 1\nworkflow: w\nversion: 1.0.0\n";
    let texts = [
        format!("{head}plugins: {{ x: /etc/hostname }}\nsteps: [{{ id: a, tool: x.y }}]"),
        format!("{head}workflows: {{ x: /etc/passwd }}\nsteps: [{{ id: a, workflow: x }}]"),
    ];
    for path in ["/v1/runs", "/v1/workflows", "/v1/workflows/check"] {
        for source in &texts {
            let answer = served.post(path, &json!({ "source": source })).await;
            assert!(answer.text.contains("texts that are sent name none"), "{path}: {answer:?}");
            answer.refused(422, "not-possible");
        }
    }
}

#[tokio::test]
async fn workflows_are_checked_and_the_server_tells_of_itself() {
    let served = serve(|_| {}).await;
    let checked = served.post("/v1/workflows/check", &json!({ "source": ASK })).await.with(200);
    assert_eq!((&checked["workflow"], &checked["steps"]), (&json!("ask"), &json!(1)));
    let wrong = served.post("/v1/workflows/check", &json!({ "source": "steps: 1" })).await;
    wrong.refused(422, "invalid-workflow");
    let system = served.get("/v1/system").await.with(200);
    assert_eq!(system["store"]["engine"], "memory");
    assert_eq!(served.get("/v1/me").await.with(200)["via"], "http");
    let plugins = served.get("/v1/plugins").await.with(200);
    assert!(plugins["items"].as_array().unwrap().iter().any(|plugin| plugin["name"] == "echo"), "{plugins}");
    let http = served.get("/v1/plugins/http").await.with(200);
    let grants = &http["grants"];
    assert_eq!(
        (&grants["asks"]["needs"][0], &grants["acceptance"]),
        (&json!("http"), &json!("trusted")),
        "{http}"
    );
    assert_eq!(grants["most"]["http"], Value::Null, "no operator bounds it: {http}");
    assert_eq!(served.get("/healthz").await.with(200), json!({ "status": "ok" }));
    assert_eq!(served.get("/readyz").await.with(200), json!({ "status": "ok" }));
    served.engine.shut_down().await.unwrap();
    served.get("/readyz").await.refused(503, "ending");
    served.post("/v1/runs", &json!({ "source": QUICK })).await.refused(503, "ending");
    assert_eq!(served.get("/v1/runs").await.with(200)["items"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_look_at_one_plugin_loads_no_other() {
    // It is compiled, which takes a build without optimizations long.
    let served = serve(|config| config.limits.request_max_ms = 600_000).await;
    let echo = served.get("/v1/plugins/echo").await.with(200);
    assert_eq!(served.engine.loaded_plugins(), 1);
    let standing = echo["standing"].as_array().unwrap();
    assert_eq!((standing.len(), &standing[0]["name"]), (1, &json!("echo")), "{echo}");
    assert_eq!((&standing[0]["capability"], &standing[0]["health_permille"]), (&json!("say"), &json!(1_000)));
}

#[tokio::test]
async fn a_page_of_a_journal_has_what_is_asked_for_and_says_where_it_goes_on() {
    let served = serve(|_| {}).await;
    let run = served.start(QUICK).await;
    served.settled(&run).await;
    let whole = served.get(&format!("/v1/runs/{run}/journal?limit=500")).await.with(200);
    let whole = whole["items"].as_array().unwrap();
    for limit in 1..=whole.len() + 1 {
        let (mut from, mut read) = ("1".to_owned(), Vec::new());
        loop {
            let page = format!("/v1/runs/{run}/journal?from={from}&limit={limit}");
            let page = served.get(&page).await.with(200);
            let items = page["items"].as_array().unwrap();
            assert!(!items.is_empty() && items.len() <= limit, "{page}");
            read.extend(items.clone());
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut from),
                None => break,
            }
        }
        assert_eq!(&read, whole, "{limit} at once");
    }
    let beyond = served.get(&format!("/v1/runs/{run}/journal?from={}", whole.len() + 1)).await.with(200);
    assert_eq!(beyond, json!({ "items": [], "next": null }));
}
