//! What the server is set up with: the limits of pawl.yaml, what SIGHUP takes anew, and what the doctor finds of it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::home::{Home, Said, eventually};
use crate::models::{SCRIPTED, THINKS};
use crate::serve::{ask, served, start};

const CERT: &str = include_str!("../../../server/src/testdata/cert-1.pem");
const KEY: &str = include_str!("../../../server/src/testdata/key-1.pem");
const OTHER_KEY: &str = include_str!("../../../server/src/testdata/key-2.pem");

#[test]
fn limits_are_set_by_the_file_the_environment_and_flags() {
    let home = Home::new();
    home.write(
        "pawl.yaml",
        "server: { limits: { body_max_bytes: 2000, request_max_ms: 3000 }, token_requests_max: 7 }\n",
    );
    let (holder, at) = served(&home, &["--limit", "runs_scanned_max=77"]);
    let limits = ask(&at, "GET", "/v1/system", None).1["limits"].clone();
    let named = |name: &str| limits[name].as_u64().unwrap();
    assert_eq!(
        (named("body_max_bytes"), named("request_max_ms"), named("runs_scanned_max")),
        (2_000, 3_000, 77)
    );
    let long = json!({ "source": "x".repeat(2_000) });
    assert_eq!(ask(&at, "POST", "/v1/runs", Some(&long)).0, 413);
    holder.signal(Signal::TERM);
    assert_eq!(holder.said().code, Some(0));
    // Who is wrong is named: the file with its place, and the variable.
    home.write("pawl.yaml", "server: { limits: { request_max_ms: 1 } }\n");
    let said = home.pawl(&["serve"]);
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(
        said.stderr.contains("request_max_ms is 1") && said.stderr.contains("pawl.yaml:1:"),
        "{}",
        said.show()
    );
    home.write("pawl.yaml", "server: { limits: { request_max_ms: 1000 } }\n");
    let said = home.command(&["serve"]).env("PAWL_LIMITS", "request_max_ms=soon").output().unwrap();
    let said = Said::from(said);
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(said.stderr.contains("PAWL_LIMITS is 'request_max_ms=soon'"), "{}", said.show());
}

#[test]
fn models_are_read_anew() {
    let home = Home::new();
    let answers = |reply: &str| {
        home.write("script.yaml", &format!("rules: [{{ reply: {reply} }}]\n"));
        home.write("pawl.yaml", SCRIPTED);
    };
    answers("Hello.");
    let (mut holder, at) = served(&home, &[]);
    let answered = || {
        let run = start(&at, THINKS);
        eventually(|| {
            let shown = ask(&at, "GET", &format!("/v1/runs/{run}"), None).1;
            (shown["status"] == "completed").then(|| shown["outputs"]["answer"].clone())
        })
    };
    assert_eq!(answered(), "Hello.");
    answers("Goodbye.");
    holder.signal(Signal::HUP);
    holder.says("pawl.yaml was read anew");
    assert_eq!(answered(), "Goodbye.");
}

/// A hook that takes everything, and tells the bodies.
fn hook() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Some(body) = taken(stream.unwrap()) else { continue };
            if tell.send(body).is_err() {
                return;
            }
        }
    });
    (at, told)
}

/// Takes one request, and gives its body.
fn taken(mut stream: TcpStream) -> Option<Value> {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).ok()?;
        request.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&request);
        if let Some(body) = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok())
        {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
            return Some(body);
        }
        if count == 0 {
            return None;
        }
    }
}

#[test]
fn who_is_told_is_read_anew_and_what_could_never_be_told_changes_nothing() {
    let home = Home::new();
    let (at_hook, told) = hook();
    home.write("pawl.yaml", "description: nobody is told\n");
    let (mut holder, at) = served(&home, &[]);
    let asks = "pawl: 1\nworkflow: asks\nversion: 1.0.0\nsteps:\n  - { id: ask, human: { title: Pay? } }\n";
    let first = start(&at, asks);
    let waits = |run: &str| {
        let waiting =
            || (ask(&at, "GET", &format!("/v1/runs/{run}"), None).1["status"] == "waiting").then_some(());
        eventually(waiting);
    };
    waits(&first);
    let notify =
        format!("notify: {{ desk: {{ url: \"http://{at_hook}/\", secret: {{ file: hook.key }} }} }}\n");
    home.write("pawl.yaml", &notify);
    holder.signal(Signal::HUP);
    holder.says("what was read before holds");
    home.write("hook.key", "a secret of the test");
    holder.signal(Signal::HUP);
    holder.says("pawl.yaml was read anew");
    let second = start(&at, asks);
    let body = told.recv_timeout(Duration::from_mins(1)).expect("desk is told");
    // What happened before anybody was named is not told.
    assert_eq!((&body["event"], &body["approval"]["run"]), (&json!("opened"), &json!(second)), "{body}");
}

/// What the doctor says of one part.
fn check(home: &Home, what: &str) -> (bool, String) {
    let said = home.json(&["doctor"]);
    let checks = said["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == what);
    let found = found.unwrap_or_else(|| panic!("nothing is said of {what}: {said}"));
    assert_eq!(said["ok"] == true, checks.iter().all(|check| check["ok"] == true));
    (found["ok"] == true, found["message"].as_str().unwrap().to_owned())
}

#[test]
fn the_doctor_looks_at_what_serving_needs() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|at| (taken, at)).unwrap();
    let well = "listen: \"127.0.0.1:0\"";
    for (name, text) in
        [("cert.pem", CERT), ("key.pem", KEY), ("other.pem", OTHER_KEY), ("empty.json", "{\"keys\": []}")]
    {
        home.write(name, text);
    }
    let issuer = |file: &str| {
        format!(
            "server: {{ {well} }}\nidentity: {{ issuer: \"https://i.test\", audience: pawl, jwks_file: {file} }}\n"
        )
    };
    let tls = |key: &str| format!("server: {{ {well}, tls_cert: cert.pem, tls_key: {key} }}\n");
    let told = |links: &str| {
        format!(
            "server: {{ {well} }}\nnotify: {{ desk: {{ url: \"http://127.0.0.1:1/\", secret: {{ file: key.pem }}{links} }} }}\n"
        )
    };
    let cases = [
        (format!("server: {{ {well} }}\n"), "server", true, "127.0.0.1:0 is free"),
        (
            format!("server: {{ listen: \"{}\" }}\n", taken.1),
            "server",
            false,
            "(server.listen in pawl.yaml says so)",
        ),
        (
            format!("server: {{ {well}, tls_key: key.pem }}\n"),
            "server",
            false,
            "nothing names its certificate",
        ),
        (tls("key.pem"), "tls", true, "and its key fit"),
        (tls("gone.pem"), "tls", false, "gone.pem"),
        (tls("other.pem"), "tls", false, "(server.tls_cert in pawl.yaml says so)"),
        (issuer("gone.json"), "issuer", false, "gone.json"),
        (issuer("empty.json"), "issuer", false, "there is none that can be used"),
        (told(""), "notify", true, "1 can be told"),
        (told(", links: 1h"), "notify", false, "nobody elsewhere could open them"),
        (told("").replace("key.pem", "gone.key"), "notify", false, "gone.key"),
    ];
    for (yaml, what, well, words) in cases {
        home.write("pawl.yaml", &yaml);
        let (ok, message) = check(&home, what);
        assert_eq!(ok, well, "{yaml}{message}");
        assert!(message.contains(words), "{yaml}{message}");
    }
    home.write("pawl.yaml", &format!("server: {{ {well} }}\n"));
    let (holder, _) = served(&home, &[]);
    holder.signal(Signal::TERM);
    assert_eq!(holder.said().code, Some(0));
    let key = home.path("data/link.key");
    assert!(check(&home, "link key").0);
    let mode = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    let (ok, message) = check(&home, "link key");
    assert!(!ok && message.contains("mode 644: others can read"), "{message}");
    assert_eq!(home.pawl(&["doctor"]).code, Some(1));
    mode(0o600);
    assert_eq!(home.pawl(&["doctor"]).code, Some(0));
}
