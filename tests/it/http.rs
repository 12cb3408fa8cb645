//! The shipped plugin `http` against a server outside, from the workflow to the wire.

use std::collections::VecDeque;

use anyhow::Result;
use pawl_core::RunId;
use pawl_core::view::{RunHeader, Status};
use pawl_engine::Clock as _;
use pawl_tests::{Scene, Web, workflow};
use serde_json::{Value, json};

const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
const DONE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"done\": 1}";

/// One step that calls a tool; `HOST` stands for the server's authority.
fn one_step(tool: &str, with: &str) -> String {
    format!(
        "pawl: 1\nworkflow: web\nversion: 1.0.0\npermissions: {{ http: ['HOST'] }}\nsteps:\n  - id: call\n    \
         tool: {tool}\n    with: {with}\n    retry: {{ max_attempts: 3, delay: 1s }}\n\
         outputs: {{ body: '${{{{ steps.call.output.body }}}}' }}\n"
    )
}

/// Starts a workflow that may reach the server and nothing else.
async fn start(scene: &Scene, web: &Web, text: &str, inputs: Value) -> Result<RunId> {
    scene.start_allowed(&text.replace("HOST", &web.authority), inputs, &[&web.authority]).await
}

async fn run(scene: &Scene, web: &Web, text: &str, inputs: Value) -> Result<RunHeader> {
    let run = start(scene, web, text, inputs).await?;
    scene.drive(run, 1, &mut VecDeque::new(), |_| false).await?;
    scene.ended(run).await
}

fn head(request: &str) -> &str {
    request.lines().next().unwrap_or_default()
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(header, _)| header.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[tokio::test]
async fn the_workflow_fetch_asks_again_when_the_service_says_so() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"orders\": [1, 2, 3]}";
    let web = Web::start(&[BUSY, answer]).await?;
    let text = std::fs::read_to_string(workflow("fetch.yaml"))?;
    let text =
        text.replace("https://api.example.com", "http://HOST").replace("[api.example.com]", "['HOST']");
    let began = scene.clock.now();
    let header = run(&scene, &web, &text, json!({ "customer": "a&b" })).await?;
    assert_eq!(header.outputs, Some(json!({ "open": 3 })), "{:?}", header.error);
    assert_eq!(web.requests().len(), 2);
    assert_eq!(head(&web.requests()[1]), "GET /orders?customer=a%26b&state=open HTTP/1.1");
    assert!(scene.clock.now().since(began).0 >= 7_000, "Retry-After was waited for");
    Ok(())
}

#[tokio::test]
async fn each_attempt_of_a_keyed_post_carries_the_same_key() -> Result<()> {
    let scene = Scene::new().await?;
    let web = Web::start(&[BUSY, DONE]).await?;
    let text = one_step("http.post_keyed", "{ url: 'http://HOST/pay', json: { order: A-1 } }");
    let ended = run(&scene, &web, &text, json!({})).await?;
    assert_eq!(ended.outputs, Some(json!({ "body": { "done": 1 } })), "{:?}", ended.error);
    let requests = web.requests();
    let keys: Vec<_> = requests.iter().filter_map(|request| header(request, "idempotency-key")).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0] == keys[1] && !keys[0].is_empty(), "{keys:?}");
    assert!(requests[1].ends_with("\r\n\r\n{\"order\":\"A-1\"}"), "{}", requests[1]);
    Ok(())
}

#[tokio::test]
async fn a_post_without_a_certain_answer_asks_a_person_and_is_not_sent_again() -> Result<()> {
    let scene = Scene::new().await?;
    let text = one_step("http.post", "{ url: 'http://HOST/pay', text: x }");
    for answers in [&[BUSY][..], &[]] {
        let web = Web::start(answers).await?;
        let run = start(&scene, &web, &text, json!({})).await?;
        scene.asked(run).await?;
        assert_eq!(web.requests().len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn answers_that_are_no_success_end_as_they_should() -> Result<()> {
    let scene = Scene::new().await?;
    let away = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let gone = "HTTP/1.1 404 Gone\r\ncontent-length: 4\r\n\r\nnone";
    let cases = [
        (
            "http.get",
            "{ url: 'http://HOST/' }",
            away,
            "denied",
            "GET http://127.0.0.1:1/: this host was not granted",
        ),
        ("http.get", "{ url: 'http://HOST/' }", gone, "permanent", "the answer was status 404"),
        ("http.post", "{ url: 'http://HOST/' }", gone, "permanent", "the answer was status 404"),
        (
            "http.get",
            "{ url: 'http://HOST/', response_max_bytes: 3 }",
            DONE,
            "permanent",
            "longer than 3 bytes",
        ),
        ("http.get", "{ url: 'HOST/x' }", DONE, "invalid-input", "`url` is"),
        (
            "http.request",
            "{ method: PATCH, url: 'http://HOST/', on_status: { 2xx: permanent } }",
            DONE,
            "permanent",
            "the answer was status 200",
        ),
    ];
    for (tool, with, answer, kind, says) in cases {
        let web = Web::start(&[answer]).await?;
        let ended = run(&scene, &web, &one_step(tool, with), json!({})).await?;
        assert_eq!(ended.status, Status::Failed, "{tool} {with}");
        let failure = ended.error.unwrap_or_else(|| panic!("{tool} {with}: no failure"));
        assert_eq!(failure.kind.name(), kind, "{failure}");
        assert!(failure.message.contains(says), "{failure}");
    }
    Ok(())
}

#[tokio::test]
async fn redirects_and_other_methods_reach_the_server() -> Result<()> {
    let scene = Scene::new().await?;
    let on = "HTTP/1.1 303 See Other\r\nlocation: /result\r\ncontent-length: 0\r\n\r\n";
    let cases = [
        (
            "http.post",
            "{ url: 'http://HOST/job', json: 1 }",
            &[on, DONE][..],
            &["POST /job", "GET /result"][..],
        ),
        ("http.put", "{ url: 'http://HOST/x', text: y, timeout_ms: 5000 }", &[DONE], &["PUT /x"]),
        ("http.delete", "{ url: 'http://HOST/x' }", &[DONE], &["DELETE /x"]),
        ("http.request", "{ method: PATCH, url: 'http://HOST/x', json: {} }", &[DONE], &["PATCH /x"]),
    ];
    for (tool, with, answers, asked) in cases {
        let web = Web::start(answers).await?;
        let ended = run(&scene, &web, &one_step(tool, with), json!({})).await?;
        assert_eq!(ended.outputs, Some(json!({ "body": { "done": 1 } })), "{tool}: {:?}", ended.error);
        let requests = web.requests();
        let heads: Vec<_> =
            requests.iter().map(|request| head(request).trim_end_matches(" HTTP/1.1")).collect();
        assert_eq!(heads, asked);
    }
    Ok(())
}
