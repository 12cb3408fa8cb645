//! Web hooks and tools are told of approvals.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_core::ApprovalId;
use pawl_core::operator::{KeyPlace, Notify, NotifyOn, NotifyTool, NotifyWay, Secret};
use pawl_core::plugin::Hosts;
use pawl_core::{FailureKind, RunId};
use pawl_engine::{EngineError, HandCall, Secrets, SystemClock};
use pawl_server::notify::{NOTIFY_REQUEST_MAX_MS, Notifier, Notifying, signature};
use pawl_server::{Server, ServerConfig};
use pawl_tests::HookAnswer::{Elsewhere, Never, Status};
use pawl_tests::{Hook, HookRequest, Pawl, Scene, Serving, ask, patiently, person, root};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

const SECRET: &str = "a secret of the test";

/// A workflow that asks, with more of the question.
fn asks(more: &str) -> String {
    format!(
        "pawl: 1\nworkflow: asks\nversion: 1.0.0\nsteps:\n  - id: ask\n    human: {{ title: Pay?, to: user:ann, {more} }}\n"
    )
}

/// The engine, and what the operator has beside.
struct Bench {
    scene: Scene,
    folder: TempDir,
}

impl Bench {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("hook.key"), SECRET)?;
        std::fs::write(folder.path().join("chat.key"), "sk-chat-canary")?;
        let hosts: Hosts = "127.0.0.1".parse().map_err(anyhow::Error::msg)?;
        let chat = Secret { place: KeyPlace::File("chat.key".to_owned()), hosts };
        let secrets = Secrets::new(BTreeMap::from([("chat".to_owned(), chat)]), folder.path());
        let scene = Scene::with(|config| {
            config.clock = Arc::new(SystemClock);
            config.secrets = Some(Arc::new(secrets));
        });
        Ok(Self { scene: scene.await?, folder })
    }

    fn notifying(&self, notify: Notify) -> Notifying {
        Notifying {
            told: BTreeMap::from([("desk".to_owned(), notify)]),
            folder: self.folder.path().to_owned(),
        }
    }

    /// A server that tells somebody, until what comes back is dropped.
    async fn serve(&self, notify: Notify) -> Result<Running> {
        let public_url = notify.links.map(|_| "http://pawl.test".to_owned());
        let config = ServerConfig {
            listen: any_port(),
            notify: self.notifying(notify),
            public_url,
            ..ServerConfig::default()
        };
        let server = Server::bind(self.scene.engine.clone(), &config).await?;
        let (address, (end, ended)) = (server.address(), oneshot::channel());
        let notifier = server.notifier();
        tokio::spawn(server.serve(async move {
            let _ = ended.await;
        }));
        Ok(Running { address, notifier, _end: end })
    }
}

struct Running {
    address: SocketAddr,
    notifier: Notifier,
    _end: oneshot::Sender<()>,
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A hook that is told of everything, at this address.
fn hook_at(address: SocketAddr) -> Notify {
    let (url, secret) = (format!("http://{address}/hook"), KeyPlace::File("hook.key".to_owned()));
    Notify { told: NotifyWay::Hook { url, secret }, events: NotifyOn::ALL.into(), links: None }
}

/// The next delivery of a hook, whose signature is right.
async fn next(hook: &mut Hook) -> Result<(String, Value)> {
    signed(&patiently("a delivery", hook.next()).await??)
}

fn signed(request: &HookRequest) -> Result<(String, Value)> {
    ensure!(request.path == "/hook", "{request:?}");
    let (timestamp, said) = (request.header("pawl-timestamp")?, request.header("pawl-signature")?);
    ensure!(said == signature(SECRET, timestamp, &request.body), "the signature does not fit");
    ensure!(said != signature("another secret of it", timestamp, &request.body));
    let body: Value = serde_json::from_slice(&request.body)?;
    let id = request.header("pawl-delivery")?;
    ensure!(body["id"] == id, "{id} {body}");
    Ok((id.to_owned(), body))
}

fn approval(body: &Value) -> Result<ApprovalId> {
    Ok(body["approval"]["id"].as_str().context("an id")?.parse()?)
}

#[tokio::test]
async fn a_hook_is_told_in_order_until_it_takes_it_and_across_restarts() -> Result<()> {
    let bench = Bench::new().await?;
    let scene = &bench.scene;
    let mut hook = Hook::start(&[Status(500), Elsewhere])?;
    let running = bench.serve(hook_at(hook.address)).await?;
    let run = scene.start(&asks("quorum: 2, escalate: [{ after: 1s, to: user:bob }]"), json!({})).await?;
    let (first, body) = next(&mut hook).await?;
    ensure!(body["event"] == "opened" && body["approval"]["title"] == "Pay?", "{body}");
    ensure!(body["links"] == json!([]) && body["decision"].is_null(), "{body}");
    // It was not taken, so it comes again, under the same name; a redirect is not followed.
    for _ in 0..2 {
        let (again, body) = next(&mut hook).await?;
        ensure!(first == again && body["event"] == "opened", "{first} {again} {body}");
    }
    let (_, body) = next(&mut hook).await?;
    ensure!(body["event"] == "escalated" && body["approval"]["escalation"]["level"] == 1, "{body}");
    let id = approval(&body)?;
    let cat = ["user:cat".to_owned()].to_vec();
    scene.engine.delegate(&id, cat, person("user:ann", &[], false), None).await?;
    let (delegated, body) = next(&mut hook).await?;
    ensure!(
        body["event"] == "delegated" && body["approval"]["delegations"][0]["to"][0] == "user:cat",
        "{body}"
    );

    drop(running);
    scene.answer_as(&id, "approve", Value::Null, person("user:ann", &[], false)).await?;
    scene.answer_as(&id, "approve", Value::Null, person("user:bob", &[], false)).await?;
    scene.ended(run).await?;
    // What happened while nobody told it is told now; a vote is no news. What came last may come again, where it ended
    // before that was noted.
    let _running = bench.serve(hook_at(hook.address)).await?;
    let (mut name, mut body) = next(&mut hook).await?;
    if name == delegated {
        (name, body) = next(&mut hook).await?;
    }
    ensure!(body["event"] == "decided" && name != first, "{name} {body}");
    ensure!(body["decision"] == json!({ "action": "approve", "by": "user:bob", "comment": null }), "{body}");
    ensure!(!hook.has_more());
    Ok(())
}

#[tokio::test]
async fn what_a_hook_refuses_is_not_sent_again_and_every_end_is_told() -> Result<()> {
    let bench = Bench::new().await?;
    let mut hook = Hook::start(&[Status(400)])?;
    let _running = bench.serve(hook_at(hook.address)).await?;
    for (more, end) in
        [("due: 1s, on_timeout: reject", "expired"), ("due: 1h, on_timeout: reject", "withdrawn")]
    {
        let run = bench.scene.start(&asks(more), json!({})).await?;
        let (_, body) = next(&mut hook).await?;
        ensure!(body["event"] == "opened", "{body}");
        if end == "withdrawn" {
            bench.scene.asked(run).await?;
            bench.scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
        }
        let (_, body) = next(&mut hook).await?;
        ensure!(body["event"] == end && body["approval"]["run"] == run.to_string(), "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hook_that_cannot_be_reached_is_told_when_it_can() -> Result<()> {
    let bench = Bench::new().await?;
    let address = TcpListener::bind(any_port())?.local_addr()?;
    let _running = bench.serve(hook_at(address)).await?;
    // When it is due, a second later, nobody has taken the first delivery.
    let run = bench.scene.start(&asks("due: 1s, on_timeout: reject"), json!({})).await?;
    bench.scene.named(run, "approval-decided").await?;
    let mut hook = Hook::on(TcpListener::bind(address)?, &[])?;
    for event in ["opened", "expired"] {
        let (_, body) = next(&mut hook).await?;
        ensure!(body["event"] == event, "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hook_that_does_not_answer_delays_no_run() -> Result<()> {
    let bench = Bench::new().await?;
    let mut hook = Hook::start(&[Never; 100])?;
    let _running = bench.serve(hook_at(hook.address)).await?;
    let began = Instant::now();
    for _ in 0..20 {
        let run = bench.scene.start(&asks("due: 1h, on_timeout: reject"), json!({})).await?;
        let id = bench.scene.asked(run).await?;
        bench.scene.answer(&id, "approve", Value::Null).await?;
        bench.scene.ended(run).await?;
    }
    next(&mut hook).await?;
    // The first delivery is still under way.
    ensure!(began.elapsed() < Duration::from_millis(NOTIFY_REQUEST_MAX_MS), "{:?}", began.elapsed());
    ensure!(!hook.has_more());
    Ok(())
}

#[test]
fn a_delivery_that_was_cut_off_by_a_kill_is_made_once_more() -> Result<()> {
    let pawl = Pawl::new()?;
    let mut hook = Hook::start(&[Never])?;
    std::fs::write(pawl.folder().join("hook.key"), SECRET)?;
    let entry = format!("{{ url: 'http://{}/hook', secret: {{ file: hook.key }} }}", hook.address);
    std::fs::write(pawl.folder().join("pawl.yaml"), format!("notify: {{ desk: {entry} }}\n"))?;
    let run = |server: &Serving| -> Result<String> {
        let source = json!({ "source": asks("due: 1h, on_timeout: reject") });
        let (status, run) = ask(&server.address, "POST", "/v1/runs", &[], Some(&source))?;
        ensure!(status == 201, "{status} {run}");
        Ok(run["id"].as_str().context("an id")?.to_owned())
    };
    let server = Serving::start(pawl.command(&[])?)?;
    let asked = run(&server)?;
    let (first, body) = signed(&hook.next_blocking()?)?;
    ensure!(body["approval"]["run"] == asked, "{body}");
    server.kill()?;
    let server = Serving::start(pawl.command(&[])?)?;
    let (again, _) = signed(&hook.next_blocking()?)?;
    ensure!(first == again, "{first} {again}");
    // It was taken now, and what comes next is the next thing.
    let other = run(&server)?;
    let (_, body) = signed(&hook.next_blocking()?)?;
    ensure!(body["approval"]["run"] == other && body["event"] == "opened", "{body}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_at_the_start_and_a_wrong_secret_is_not_shown() -> Result<()> {
    let bench = Bench::new().await?;
    let refused = async |notify: Notify| {
        let config =
            ServerConfig { listen: any_port(), notify: bench.notifying(notify), ..ServerConfig::default() };
        let error = Server::bind(bench.scene.engine.clone(), &config).await.err().context("an error")?;
        Ok::<_, anyhow::Error>(error.to_string())
    };
    std::fs::write(bench.folder.path().join("hook.key"), "hunter2")?;
    let why = refused(hook_at(any_port())).await?;
    ensure!(why.contains("'desk'") && why.contains("hook.key") && !why.contains("hunter2"), "{why}");
    std::fs::remove_file(bench.folder.path().join("hook.key"))?;
    let why = refused(hook_at(any_port())).await?;
    ensure!(why.contains("'desk'") && why.contains("hook.key"), "{why}");
    std::fs::write(bench.folder.path().join("hook.key"), SECRET)?;
    let why = refused(Notify { links: Some(pawl_core::Duration(1_000)), ..hook_at(any_port()) }).await?;
    ensure!(why.contains("'desk'") && why.contains("server.public_url"), "{why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_person_who_is_asked_by_name_has_a_link_that_is_good_once() -> Result<()> {
    let bench = Bench::new().await?;
    let mut hook = Hook::start(&[])?;
    let notify = Notify { links: Some(pawl_core::Duration(3_600_000)), ..hook_at(hook.address) };
    let running = bench.serve(notify).await?;
    let text = asks("due: 1h, on_timeout: reject").replace("user:ann", "[user:ann, group:desk, user:bob]");
    let run = bench.scene.start(&text, json!({})).await?;
    let (_, body) = next(&mut hook).await?;
    let links = body["links"].as_array().context("links")?;
    let people: Vec<_> = links.iter().map(|link| &link["for"]).collect();
    ensure!(people == ["user:ann", "user:bob"], "{body}");
    let path = |link: &Value| {
        let url = link["url"].as_str().unwrap_or_default();
        url.strip_prefix("http://pawl.test").map(str::to_owned).with_context(|| url.to_owned())
    };
    let (ann, bob) = (path(&links[0])?, path(&links[1])?);
    let page = page(running.address, "GET", &ann, "")?;
    ensure!(page.contains(" 200 ") && page.contains("Pay?") && page.contains("user:ann"), "{page}");
    let token = page.split("name=\"_form\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let form = format!("_form={}&_action=approve", token.context("a token")?);
    ensure!(self::page(running.address, "POST", &ann, &form)?.contains(" 200 "));
    for used in [&ann, &bob] {
        let page = self::page(running.address, "GET", used, "")?;
        ensure!(page.contains(" 410 "), "{page}");
    }
    bench.scene.ended(run).await?;
    let (_, body) = next(&mut hook).await?;
    ensure!(body["event"] == "decided" && body["decision"]["by"] == "user:ann", "{body}");
    ensure!(body["links"] == json!([]), "{body}");
    Ok(())
}

/// What a browser gets.
fn page(address: SocketAddr, method: &str, path: &str, form: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let (kind, length) = ("application/x-www-form-urlencoded", form.len());
    let head = format!("host: {address}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{method} {path} HTTP/1.0\r\n{head}\r\n{form}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A call of the shipped `http` that sends the notification on.
fn tool_at(address: SocketAddr) -> Result<NotifyTool> {
    Ok(NotifyTool {
        plugin: "http".to_owned(),
        tool: "post_keyed".to_owned(),
        with: Some(json!({
            "url": format!("http://{address}/chat"),
            "json": { "text": "${{ inputs.notification.approval.title }}", "all": "${{ inputs.notification }}" },
            "secrets": { "Authorization": { "secret": "chat", "prefix": "Bearer " } },
        })),
        http: address.to_string().parse::<Hosts>().map_err(anyhow::Error::msg)?,
        secrets: BTreeSet::from(["chat".to_owned()]),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_told_with_grants_of_its_own_and_again_until_it_succeeds() -> Result<()> {
    let bench = Bench::new().await?;
    let mut chat = Hook::start(&[Status(503), Status(200)])?;
    // Secrets go to hosts with their ports.
    let hosts: Hosts = chat.address.to_string().parse().map_err(anyhow::Error::msg)?;
    let kept = Secret { place: KeyPlace::File("chat.key".to_owned()), hosts };
    let says = pawl_engine::OperatorSays {
        secrets: Some(Arc::new(Secrets::new(
            BTreeMap::from([("chat".to_owned(), kept)]),
            bench.folder.path(),
        ))),
        ..pawl_engine::OperatorSays::of(&pawl_engine::EngineConfig::default())
    };
    bench.scene.engine.reload(says).await;
    let events = BTreeSet::from([NotifyOn::Opened, NotifyOn::Decided]);
    let notify = Notify { told: NotifyWay::Tool(tool_at(chat.address)?), events, links: None };
    let _running = bench.serve(notify).await?;
    let run = bench.scene.start(&asks("due: 1h, on_timeout: reject"), json!({})).await?;
    let (mut keys, mut bodies) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let request = patiently("a call", chat.next()).await??;
        ensure!(request.path == "/chat" && request.header("authorization")? == "Bearer sk-chat-canary");
        keys.push(request.header("idempotency-key")?.to_owned());
        bodies.push(serde_json::from_slice::<Value>(&request.body)?);
    }
    // A call that is made again is the same.
    ensure!(keys[0] == keys[1] && bodies[0] == bodies[1], "{keys:?} {bodies:?}");
    ensure!(bodies[0]["text"] == "Pay?" && bodies[0]["all"]["event"] == "opened", "{}", bodies[0]);
    let id = bench.scene.asked(run).await?;
    bench.scene.answer(&id, "approve", Value::Null).await?;
    let request = patiently("a call", chat.next()).await??;
    let body: Value = serde_json::from_slice(&request.body)?;
    ensure!(body["all"]["event"] == "decided" && request.header("idempotency-key")? != keys[0], "{body}");
    // Nothing of it is a run that anybody sees.
    let page = pawl_store::Page { after: None, limit: 10 };
    let runs = bench.scene.engine.store().runs(&pawl_store::RunFilter::default(), &page).await?.runs;
    ensure!(runs.iter().map(|header| header.id).collect::<Vec<RunId>>() == [run]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_told_can_do_no_more_than_it_was_granted() -> Result<()> {
    let mut web = Hook::start(&[])?;
    let call = |tool: &str, with: Value, secrets: &[&str]| HandCall {
        tool: tool.to_owned(),
        with,
        input: "notification",
        http: Hosts::default(),
        secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
        timeout_ms: 5_000,
        by: person("notify:desk", &[], true),
    };
    let run = RunId::from_bytes([7; 16]);
    let bench = Bench::new().await?;
    let url = json!({ "url": format!("http://{}/", web.address) });
    let engine = &bench.scene.engine;
    let failure = engine.call_by_hand(&call("http.post_keyed", url.clone(), &[]), run, json!({})).await?;
    let failure = failure.err().context("a failure")?;
    ensure!(failure.kind == FailureKind::Denied, "{failure}");
    ensure!(!web.has_more());
    let unknown = engine.call_by_hand(&call("http.post_keyed", url, &["paypal"]), run, json!({})).await;
    ensure!(matches!(&unknown, Err(error) if error.to_string().contains("paypal")), "{unknown:?}");
    let absent = engine.check_by_hand(&call("nobody.tell", json!({}), &[])).await;
    ensure!(matches!(&absent, Err(error) if error.to_string().contains("nobody")), "{absent:?}");

    // A plugin that nobody has accepted is held here as for runs.
    let plugins = tempfile::tempdir()?;
    let guest = root().join("plugins/dist/echo.wasm");
    std::fs::copy(&guest, plugins.path().join("mine.wasm"))?;
    let held = Scene::with(|config| {
        config.plugin_folder = Some(plugins.path().to_owned());
        config.hold_new_plugins = true;
    });
    let held = held.await?;
    let tell = call("mine.say", json!({ "text": "${{ inputs.notification.title }}" }), &[]);
    let input = json!({ "title": "Pay?" });
    let refused = held.engine.call_by_hand(&tell, run, input.clone()).await;
    ensure!(matches!(refused, Err(EngineError::Held { .. })), "{refused:?}");
    held.engine.accept_plugin("mine").await?.context("what was held")?;
    let said = held.engine.call_by_hand(&tell, run, input).await?;
    ensure!(said == Ok(json!({ "text": "Pay?" })), "{said:?}");
    Ok(())
}

/// What `pawl.yaml` says reaches the server, and what is wrong in it ends it.
#[test]
fn pawl_serve_refuses_a_secret_that_it_cannot_use() -> Result<()> {
    let pawl = Pawl::new()?;
    write_config(pawl.folder())?;
    let served = pawl.run(&["serve", "--listen", "127.0.0.1:0"])?;
    ensure!(served.code() != 0, "{served:?}");
    ensure!(served.stderr.contains("'desk'") && served.stderr.contains("hook.key"), "{}", served.stderr);
    ensure!(!served.stderr.contains("hunter2"), "{}", served.stderr);
    Ok(())
}

fn write_config(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("hook.key"), "hunter2")?;
    let entry = "{ url: 'https://desk.test/hunter2', secret: { file: hook.key } }";
    std::fs::write(folder.join("pawl.yaml"), format!("notify: {{ desk: {entry} }}\n"))?;
    Ok(())
}

/// What the server counts under this name and these labels.
fn counted(running: &Running, line: &str) -> Result<Option<u64>> {
    let mut stream = TcpStream::connect(running.address)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let value = text.lines().find_map(|one| one.strip_prefix(line)?.trim().parse().ok());
    Ok(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_changes_while_the_server_serves_and_what_is_told_is_counted() -> Result<()> {
    let bench = Bench::new().await?;
    let (mut before, mut after) = (Hook::start(&[Status(403)])?, Hook::start(&[])?);
    let running = bench.serve(hook_at(before.address)).await?;
    bench.scene.start(&asks("due: 1d, on_timeout: reject"), json!({})).await?;
    next(&mut before).await?;
    let desk = |outcome: &str| format!("pawl_notifications_total{{notify=\"desk\",outcome=\"{outcome}\"}}");
    let until = async |outcome: &str, number: u64| -> Result<()> {
        while counted(&running, &desk(outcome))? != Some(number) {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    patiently("the refusal is counted", until("refused", 1)).await??;
    // One that could never be told changes nothing.
    let wrong = NotifyWay::Hook { url: String::new(), secret: KeyPlace::File("gone.key".to_owned()) };
    let wrong = bench.notifying(Notify { told: wrong, ..hook_at(after.address) });
    ensure!(running.notifier.reload(&wrong).await.is_err());
    running.notifier.reload(&bench.notifying(hook_at(after.address))).await?;
    bench.scene.start(&asks("due: 2d, on_timeout: reject"), json!({})).await?;
    let (id, body) = next(&mut after).await?;
    ensure!(body["event"] == "opened", "{id} {body}");
    while counted(&running, &desk("sent"))?.context("desk is told")? == 0 {
        tokio::task::yield_now().await;
    }
    running.notifier.reload(&Notifying::default()).await?;
    ensure!(counted(&running, &desk("sent"))?.is_none(), "nobody is told any more");
    Ok(())
}
