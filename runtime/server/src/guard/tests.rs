//! What the guard does to whole requests.

use std::sync::Arc;

use pawl_core::operator::NamespaceGrants;
use pawl_core::plugin::Ceiling;
use pawl_core::view::Status;
use pawl_engine::{EngineConfig, StartOptions};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use crate::ServerConfig;
use crate::bench::{ASKS, Bench, namespace, new_token};
use crate::identity::{IdentityReply, IdentityRequest, NamespaceLimits, Role};

#[tokio::test]
async fn a_page_elsewhere_starts_nothing_and_a_name_elsewhere_leads_nowhere() {
    let bench = Bench::new().await;
    let start = json!({ "source": ASKS }).to_string();
    let own = format!("http://{}", bench.authority);
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[], 201),
        (&[("origin", &own)], 201),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("content-type", "text/plain")], 415),
        (&[("host", "evil.example:8917")], 421),
    ];
    for (headers, status) in cases {
        let answer = bench.send("POST /v1/runs", headers, &start).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    let rebound = bench.send("GET /v1/runs", &[("host", "evil.example")], "").await;
    assert_eq!((rebound.status, rebound.json()["code"].as_str()), (421, Some("wrong-host")));
}

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let bench = Bench::new().await;
    for line in ["GET /healthz", "GET /nowhere", "GET /v1/runs/x", "POST /v1/nowhere"] {
        let answer = bench.send(line, &[], "").await;
        for name in
            ["content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options"]
        {
            assert!(answer.header(name).is_some(), "{line}: {name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let method = bench.send("DELETE /v1/runs", &[], "").await;
    assert_eq!((method.status, method.header("allow")), (405, Some("GET, POST")));
}

#[tokio::test]
async fn a_page_that_is_allowed_may_ask_and_no_other() {
    let config = ServerConfig { origins: vec!["https://ops.example".into()], ..ServerConfig::default() };
    let bench = Bench::with(config).await;
    let preflight = [("origin", "https://ops.example"), ("access-control-request-method", "POST")];
    let answer = bench.send("OPTIONS /v1/runs", &preflight, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://ops.example"));
    let other = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let answer = bench.send("OPTIONS /v1/runs", &other, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
    let get = bench.send("GET /v1/runs", &[("origin", "https://ops.example")], "").await;
    assert_eq!((get.status, get.header("access-control-allow-origin")), (200, Some("https://ops.example")));
}

#[tokio::test]
async fn tenants_see_nothing_of_each_other() {
    let bench = Bench::new().await;
    for name in ["a", "b"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let a = bench.token(new_token("ann", Role::Admin, Some("a"))).await;
    let b = bench.token(new_token("bob", Role::Admin, Some("b"))).await;
    let all = bench.token(new_token("root", Role::Admin, None)).await;
    let (run, approval) = bench.asking(&namespace("a")).await;
    for (token, count) in [(&a, 1), (&b, 0), (&all, 1)] {
        for path in ["/v1/runs", "/v1/runs?status=waiting", "/v1/approvals"] {
            let listed = bench.ask(token, &format!("GET {path}"), "").await.json();
            assert_eq!(listed["items"].as_array().unwrap().len(), count, "{path} of {}", token.token.name);
        }
    }
    // What is not theirs is told in the very words of what is not there.
    let theirs = bench.ask(&b, &format!("GET /v1/runs/{run}"), "").await;
    let none = run.to_string().replace(|c: char| c.is_ascii_digit(), "1");
    let nothing = bench.ask(&b, &format!("GET /v1/runs/{none}"), "").await;
    assert_eq!(theirs.body.replace(&run.to_string(), "X"), nothing.body.replace(&none, "X"));
    let of_run = bench.ask(&b, &format!("GET /v1/approvals?run={run}"), "").await.json();
    assert_eq!(of_run["items"], json!([]));
    assert_eq!(bench.ask(&b, &format!("GET /v1/approvals/{approval}"), "").await.status, 404);
    // Who is bound to one picks no other, and learns nothing of it.
    let header = format!("Bearer {}", b.secret);
    for picked in ["a", "nowhere"] {
        let pairs = [("authorization", header.as_str()), ("pawl-namespace", picked)];
        assert_eq!(bench.send("GET /v1/runs", &pairs, "").await.status, 404);
    }
    let header = format!("Bearer {}", all.secret);
    for (picked, count) in [("a", 1), ("b", 0)] {
        let pairs = [("authorization", header.as_str()), ("pawl-namespace", picked)];
        let listed = bench.send("GET /v1/runs", &pairs, "").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count);
    }
    // Tokens are of one namespace as well.
    let tokens = bench.ask(&b, "GET /v1/tokens", "").await.json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
    assert_eq!(bench.ask(&b, &format!("DELETE /v1/tokens/{}", a.id), "").await.status, 404);
    let wide = json!({ "name": "eve", "roles": ["admin"] }).to_string();
    let made = bench.ask(&b, "POST /v1/tokens", &wide).await.json();
    assert_eq!(made["namespace"], "b", "an admin of one namespace makes none for all");
    let other = json!({ "name": "eve", "roles": ["admin"], "namespace": "a" }).to_string();
    assert_eq!(bench.ask(&b, "POST /v1/tokens", &other).await.status, 404);
    assert_eq!(bench.ask(&b, "POST /v1/namespaces", "{\"name\":\"b\"}").await.status, 403);
}

#[tokio::test]
async fn registered_workflows_are_of_a_namespace() {
    let bench = Bench::new().await;
    for name in ["a", "b"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let a = bench.token(new_token("ann", Role::Admin, Some("a"))).await;
    let b = bench.token(new_token("bob", Role::Admin, Some("b"))).await;
    let root = bench.token(new_token("root", Role::Admin, None)).await;
    let text = json!({ "source": ASKS, "activate": true }).to_string();
    let made = bench.ask(&a, "POST /v1/workflows", &text).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let (name, version) = (made["workflow"].as_str().unwrap(), made["version"].as_str().unwrap());
    let start = json!({ "workflow": name }).to_string();
    for (token, count) in [(&a, 1), (&b, 0), (&root, 0)] {
        let listed = bench.ask(token, "GET /v1/workflows", "").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{}", token.token.name);
        let (shown, started) = if count == 1 { (200, 201) } else { (404, 404) };
        for path in [format!("/v1/workflows/{name}"), format!("/v1/workflows/{name}/versions/{version}")] {
            assert_eq!(bench.ask(token, &format!("GET {path}"), "").await.status, shown, "{path}");
        }
        assert_eq!(bench.ask(token, "POST /v1/runs", &start).await.status, started);
    }
    // The same name is another workflow for another tenant.
    let other = json!({ "source": format!("{ASKS}# of b\n") }).to_string();
    assert_ne!(other, json!({ "source": ASKS }).to_string());
    let made = bench.ask(&b, "POST /v1/workflows", &other).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(bench.ask(&b, "POST /v1/runs", &start).await.status, 404, "it has no active version");
    let activate = json!({ "version": version }).to_string();
    let line = format!("POST /v1/workflows/{name}/activate");
    assert_eq!(bench.ask(&b, &line, &activate).await.status, 200);
    let active = bench.ask(&a, &format!("GET /v1/workflows/{name}"), "").await.json();
    assert_eq!(active["active"]["definition"], active["items"][0]["definition"], "that of a is what it was");
}

#[tokio::test]
async fn a_tenant_has_the_plugins_models_and_secrets_that_it_was_given() {
    let acme = NamespaceGrants {
        grants: Ceiling {
            tools: Some(["echo.*".to_owned()].into()),
            agents: Some(["assistant".to_owned()].into()),
            models: Some(["fast".to_owned()].into()),
            secrets: Some(["acme-key".to_owned()].into()),
            ..Ceiling::default()
        },
        ..NamespaceGrants::default()
    };
    let config =
        EngineConfig { namespaces: Arc::new([(namespace("acme"), acme)].into()), ..EngineConfig::default() };
    let bench = Bench::within(config).await;
    for name in ["acme", "other"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let acme = bench.token(new_token("ann", Role::Admin, Some("acme"))).await;
    let other = bench.token(new_token("bob", Role::Admin, Some("other"))).await;
    let names = async |token| {
        let all = bench.ask(token, "GET /v1/plugins", "").await.json();
        let all = all["items"].as_array().unwrap().iter();
        all.map(|plugin| plugin["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&acme).await, ["assistant", "echo"]);
    assert!(names(&other).await.contains(&"http".to_owned()), "nothing is said of its plugins");
    for (plugin, status) in [("echo", 200), ("http", 404), ("router", 404)] {
        assert_eq!(bench.ask(&acme, &format!("GET /v1/plugins/{plugin}"), "").await.status, status);
    }
    let check = async |token, permissions: &str, step: &str| {
        let text = format!(
            "pawl: 1\nworkflow: w\nversion: 1.0.0\npermissions: {permissions}\nsteps:\n  - id: a\n    {step}\n"
        );
        let answer =
            bench.ask(token, "POST /v1/workflows/check", &json!({ "source": text }).to_string()).await;
        (answer.status, answer.body)
    };
    let (echo, http) =
        ("tool: echo.say\n    with: { text: x }", "tool: http.get\n    with: { url: \"http://localhost/\" }");
    let thinks = "agent: assistant\n    with: { task: x }";
    for (permissions, step, of_acme, of_other) in [
        ("{ secrets: [acme-key] }", echo, 200, 403),
        ("{ secrets: [other-key] }", echo, 403, 403),
        ("{}", echo, 200, 200),
        ("{ http: [localhost] }", http, 403, 200),
        ("{ models: [fast] }", thinks, 200, 200),
        ("{ models: [slow] }", thinks, 403, 200),
    ] {
        for (token, wanted) in [(&acme, of_acme), (&other, of_other)] {
            let (status, body) = check(token, permissions, step).await;
            assert_eq!(status, wanted, "{permissions} {step}: {body}");
            assert!(status == 200 || body.contains("pawl.yaml (namespaces: "), "{body}");
        }
    }
}

#[tokio::test]
async fn what_is_started_is_of_the_callers_namespace_and_so_are_its_changes() {
    let bench = Bench::new().await;
    for name in ["a", "b"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let a = bench.token(new_token("ann", Role::Operator, Some("a"))).await;
    let b = bench.token(new_token("bob", Role::Operator, Some("b"))).await;
    let listen = async |token: &crate::identity::TokenSecret| {
        let header = format!("Bearer {}", token.secret);
        bench.begin("GET /v1/events", &[("authorization", &header)], "").await.1
    };
    let (mut heard_a, mut heard_b) = (listen(&a).await, listen(&b).await);
    let start = json!({ "source": ASKS }).to_string();
    let run_a = bench.ask(&a, "POST /v1/runs", &start).await.json();
    assert_eq!(run_a["namespace"], "a");
    let run_b = bench.ask(&b, "POST /v1/runs", &start).await.json();
    for (heard, own) in [(&mut heard_a, &run_a), (&mut heard_b, &run_b)] {
        let mut line = String::new();
        while !line.starts_with("data: {\"") {
            line.clear();
            assert_ne!(heard.read_line(&mut line).await.unwrap(), 0);
        }
        assert!(line.contains(own["id"].as_str().unwrap()), "the first that is heard is one's own: {line}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked() {
    let bench = Bench::new().await;
    let token = bench.token(new_token("ann", Role::Viewer, None)).await;
    let header = format!("Bearer {}", token.secret);
    let (answer, mut stream) = bench.begin("GET /v1/events", &[("authorization", &header)], "").await;
    assert_eq!(answer.status, 200);
    let request = IdentityRequest::RevokeToken { id: token.id.clone(), forget: false };
    assert!(matches!(bench.manage(request).await, IdentityReply::Revoked(_)));
    let mut rest = String::new();
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(30), stream.read_to_string(&mut rest)).await;
    assert!(ended.is_ok(), "it goes on");
    assert_eq!(bench.ask(&token, "GET /v1/runs", "").await.status, 401);
}

#[tokio::test]
async fn namespaces_and_tokens_stop_at_their_limits() {
    let bench =
        Bench::with(ServerConfig { token_requests_per_second_max: 5, ..ServerConfig::default() }).await;
    let limits = NamespaceLimits { runs_max: Some(1), requests_per_second_max: None };
    bench.set_namespace("small", limits).await;
    let limits = NamespaceLimits { runs_max: None, requests_per_second_max: Some(1) };
    bench.set_namespace("slow", limits).await;
    let small = bench.token(new_token("ann", Role::Operator, Some("small"))).await;
    let start = json!({ "source": ASKS }).to_string();
    assert_eq!(bench.ask(&small, "POST /v1/runs", &start).await.status, 201);
    let full = bench.ask(&small, "POST /v1/runs", &start).await;
    assert_eq!((full.status, full.json()["code"].as_str()), (429, Some("namespace-full")));
    assert!(full.header("retry-after").is_some() && full.body.contains("runs_max (1)"));
    let mut refused = None;
    for _ in 0..20 {
        let answer = bench.ask(&small, "GET /v1/me", "").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    assert!(refused.unwrap().body.contains("token_requests_per_second_max (5)"));
    let mut refused = None;
    for name in ["ann", "bob", "cat"] {
        let token = bench.token(new_token(name, Role::Viewer, Some("slow"))).await;
        let answer = bench.ask(&token, "GET /v1/me", "").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    assert!(refused.unwrap().body.contains("the namespace slow makes more than 1 requests"));
}

#[tokio::test]
async fn a_namespace_has_no_more_runs_than_it_may_however_many_are_started_at_once() {
    let bench = std::sync::Arc::new(Bench::new().await);
    let limits = NamespaceLimits { runs_max: Some(3), requests_per_second_max: None };
    bench.set_namespace("small", limits).await;
    let token = bench.token(new_token("ann", Role::Operator, Some("small"))).await;
    let start = json!({ "source": ASKS }).to_string();
    let one = bench.ask(&token, "POST /v1/runs", &start).await.json()["id"].as_str().unwrap().to_owned();
    let (rerun, fork) = (format!("POST /v1/runs/{one}/rerun"), format!("POST /v1/runs/{one}/fork"));
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..24 {
        let (bench, token, start) = (std::sync::Arc::clone(&bench), token.clone(), start.clone());
        let (line, body) = match number % 3 {
            0 => ("POST /v1/runs".to_owned(), start),
            1 => (rerun.clone(), "{}".to_owned()),
            _ => (fork.clone(), json!({ "at": 1 }).to_string()),
        };
        asked.spawn(async move { bench.ask(&token, &line, &body).await.status });
    }
    let statuses = asked.join_all().await;
    let made = statuses.iter().filter(|status| **status == 201).count();
    assert!(statuses.iter().all(|status| [201, 429].contains(status)), "{statuses:?}");
    assert_eq!(made, 2, "{statuses:?}");
    // One that is over makes room, also for whoever is of no namespace and makes a run of another.
    let cancelled = bench.ask(&token, &format!("POST /v1/runs/{one}/cancel"), "").await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.body);
    let root = bench.token(new_token("root", Role::Admin, None)).await;
    assert_eq!(bench.ask(&root, &rerun, "{}").await.status, 201);
    let full = bench.ask(&root, &rerun, "{}").await;
    assert_eq!((full.status, full.json()["code"].as_str()), (429, Some("namespace-full")));
}

#[tokio::test]
async fn a_tenant_moves_and_looks_at_its_own_runs_alone() {
    let bench = Bench::new().await;
    for name in ["a", "b"] {
        bench.set_namespace(name, NamespaceLimits::default()).await;
    }
    let a = bench.token(new_token("ann", Role::Operator, Some("a"))).await;
    let b = bench.token(new_token("bob", Role::Operator, Some("b"))).await;
    let viewer = bench.token(new_token("eve", Role::Viewer, Some("a"))).await;
    let (run, approval) = bench.asking(&namespace("a")).await;
    let to = json!({ "source": ASKS.replace("1.0.0", "1.1.0") });
    let with = |name: &str, value: serde_json::Value| {
        let mut body = to.clone();
        body[name] = value;
        body.to_string()
    };
    for (token, count) in [(&a, 1), (&b, 0), (&viewer, 1)] {
        let page = bench.ask(token, "POST /v1/upgrades/check", &to.to_string()).await;
        assert_eq!(page.json()["items"].as_array().unwrap().len(), count, "{}", page.body);
    }
    let (check, apply) = ("POST /v1/upgrades/check", "POST /v1/upgrades/apply");
    let (one, list) = (with("run", json!(run)), with("runs", json!([run])));
    assert_eq!(bench.ask(&b, check, &one).await.status, 404);
    assert_eq!(bench.ask(&b, apply, &list).await.status, 404);
    assert_eq!(bench.ask(&viewer, apply, &list).await.status, 403);
    for path in [format!("/v1/runs/{run}/workflow"), format!("/v1/approvals/{approval}/history")] {
        assert_eq!(bench.ask(&b, &format!("GET {path}"), "").await.status, 404, "{path}");
        assert_eq!(bench.ask(&a, &format!("GET {path}"), "").await.status, 200, "{path}");
    }
    // One that is not seen keeps all of them where they are.
    let (other, _) = bench.asking(&namespace("b")).await;
    assert_eq!(bench.ask(&a, apply, &with("runs", json!([run, other]))).await.status, 404);
    for wrong in [json!([]), json!(vec![run.to_string(); 101])] {
        let refused = bench.ask(&a, apply, &with("runs", wrong)).await;
        assert_eq!(
            (refused.status, refused.body.contains("upgrade_runs_max (100)")),
            (422, true),
            "{}",
            refused.body
        );
    }
    let moved = bench.ask(&a, apply, &list).await.json();
    assert_eq!(moved["items"], json!([{ "run": run, "moved": true, "refused": null }]));
    let again = bench.ask(&a, apply, &list).await.json();
    assert_eq!(again["items"][0]["moved"], false, "{again}");
    let long = json!({ "source": ASKS, "file": "x".repeat(256) }).to_string();
    let refused = bench.ask(&a, "POST /v1/workflows", &long).await;
    assert!(refused.status == 422 || refused.status == 403, "{}", refused.body);
    let root = bench.token(new_token("root", Role::Admin, None)).await;
    let refused = bench.ask(&root, "POST /v1/workflows", &long).await;
    assert!(refused.status == 422 && refused.body.contains("file_max_bytes (255)"), "{}", refused.body);
}

#[tokio::test]
async fn an_approver_decides_what_asks_them_and_the_journal_says_who_it_was() {
    let bench = Bench::new().await;
    let (run, approval) = bench.asking(&pawl_core::Namespace::default()).await;
    let line = format!("POST /v1/approvals/{approval}/decide");
    let body = json!({ "action": "approve", "data": { "note": "ok" } }).to_string();
    let mut decided_with = None;
    for (name, role, status) in [
        ("ann", Role::Operator, 403),
        ("bob", Role::Approver, 403),
        // Not past what the approval says, whatever role somebody has.
        ("root", Role::Admin, 403),
        ("ann", Role::Approver, 200),
        ("ann", Role::Approver, 409),
    ] {
        let token = bench.token(new_token(name, role, None)).await;
        let answer = bench.ask(&token, &line, &body).await;
        assert_eq!(answer.status, status, "{name} {role}: {}", answer.body);
        decided_with = decided_with.or((status == 200).then_some(token));
    }
    let decided_with = decided_with.unwrap();
    let header = bench.engine.settled(run).await.unwrap();
    assert_eq!(header.outputs, Some(json!({ "by": "user:ann" })));
    let history = bench.engine.history(run).await.unwrap();
    let journal =
        serde_json::to_string(&history.envelopes.iter().map(crate::shape::event).collect::<Vec<_>>())
            .unwrap();
    // Whoever made the token could have used it; who that is stands beside the token.
    let said = format!("\"name\":\"user:ann\",\"operator\":false,\"via\":\"http token {}\"", decided_with.id);
    assert!(journal.contains(&said), "{said} {journal}");
    let root = bench.token(new_token("root", Role::Admin, None)).await;
    let listed = bench.ask(&root, "GET /v1/tokens", "").await.json();
    let mut listed = listed["items"].as_array().unwrap().iter();
    let token = listed.find(|token| token["id"] == decided_with.id.as_str()).unwrap();
    assert_eq!(token["made_by"], json!({ "name": "user:owner", "via": "cli" }));
    // Made over HTTP, it says so; and who took it back.
    let new = json!({ "name": "ann", "roles": ["viewer"] }).to_string();
    let made = bench.ask(&root, "POST /v1/tokens", &new).await.json();
    let by = json!({ "name": "user:root", "via": format!("http token {}", root.id) });
    assert_eq!((&made["made_by"], &made["revoked_by"]), (&by, &json!(null)));
    let line = format!("DELETE /v1/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.ask(&root, &line, "").await.json()["revoked_by"], by);
}

#[tokio::test]
async fn no_server_is_open_to_others_without_identity() {
    let bench = Bench::new().await;
    let elsewhere = ServerConfig { listen: ([0, 0, 0, 0], 0).into(), ..ServerConfig::default() };
    let refused = crate::Server::bind(bench.engine.clone(), &elsewhere).await.unwrap_err().to_string();
    assert!(refused.contains("pawl token create"), "{refused}");
    let off = ServerConfig { identity: crate::IdentityMode::Off, ..elsewhere.clone() };
    let refused = crate::Server::bind(bench.engine.clone(), &off).await.unwrap_err().to_string();
    assert!(refused.contains("other machines"), "{refused}");
    bench.token(new_token("root", Role::Admin, None)).await;
    let server = crate::Server::bind(bench.engine.clone(), &elsewhere).await.unwrap();
    assert!(server.requires_identity());
}

/// Waits for an event, in a run of its own that another one starts.
const LISTENS: &str = "
pawl: 1
workflow: listens
version: 1.0.0
steps:
  - id: heard
    wait: { topic: 'orders/>' }
";

#[tokio::test]
async fn an_event_is_heard_in_its_own_namespace() {
    let bench = Bench::new().await;
    let workflow = bench.engine.prepare_workflow("w.yaml", LISTENS, std::path::Path::new(".")).await.unwrap();
    let mut runs = Vec::new();
    for name in ["a", "b"] {
        let options = StartOptions { namespace: namespace(name), ..StartOptions::default() };
        let run = bench.engine.start(&workflow, json!({}), options).await.unwrap();
        bench.engine.settled(run).await.unwrap();
        runs.push(run);
    }
    let from = pawl_core::event::Origin { run: pawl_core::RunId::from_bytes([7; 16]), seq: 1 };
    for name in ["default", "b"] {
        bench.engine.publish(&namespace(name), "orders/1", json!(1), from).await.unwrap();
    }
    bench.engine.settled(runs[1]).await.unwrap();
    let status = async |run| bench.engine.store().run(run).await.unwrap().unwrap().status;
    assert_eq!(status(runs[1]).await, Status::Completed);
    assert_eq!(status(runs[0]).await, Status::Waiting);
    // What is made of a run is of its namespace.
    let again = bench.engine.rerun(runs[0], None, None, crate::caller::Caller::local().actor).await.unwrap();
    assert_eq!(bench.engine.store().run(again).await.unwrap().unwrap().namespace, namespace("a"));
}
