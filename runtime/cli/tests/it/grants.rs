//! What tools may do outside: methods of requests, secrets that they never see, folders, and plugins that ask for more.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use crate::home::{Home, Said};

const SECRET: &str = "sk-canary-0123456789";

/// A server that says in field and body what it was asked, and tells it.
fn echoing() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let count = stream.read(&mut piece).unwrap();
                if count == 0 {
                    break;
                }
                request.extend_from_slice(&piece[..count]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let body = json!({ "heard": request }).to_string();
            let field =
                request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-heard: {field}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
            if tell.send(request).is_err() {
                return;
            }
        }
    });
    (authority, told)
}

fn workflow(tool: &str, with: &str, permissions: &str) -> String {
    format!(
        "pawl: 1\nworkflow: web\nversion: 1.0.0\nsteps:\n  - id: call\n    tool: {tool}\n    with: {with}\n    \
         permissions: {permissions}\noutputs: {{ answer: \"${{{{ steps.call.output }}}}\" }}\n"
    )
}

/// Every file below a folder, links left out.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(fs::read(entry.path()).unwrap());
        }
    }
}

/// Runs a command with the secret in its environment; it must not be in anything that is said or written.
fn hiding(home: &Home, args: &[&str]) -> Said {
    let mut command = home.command(args);
    command.env("STRIPE_KEY", SECRET).env("RUST_LOG", "trace");
    let said = Said::from(command.output().unwrap());
    assert!(!said.show().contains("canary"), "{args:?}: {}", said.show());
    let mut found = Vec::new();
    files(&home.path("data"), &mut found);
    for file in found {
        let has = file.windows(9).any(|part| part == b"sk-canary");
        assert!(!has, "after {args:?} a file of {} bytes has the secret", file.len());
    }
    said
}

#[test]
fn only_granted_methods_are_used() {
    let home = Home::new();
    let (authority, told) = echoing();
    let get = format!("{{ http: [{{ host: \"{authority}\", methods: [GET] }}] }}");
    let with = format!("{{ url: \"http://{authority}/x\" }}");
    home.write("get.yaml", &workflow("http.get", &with, &get));
    home.write("put.yaml", &workflow("http.put", &with, &get));
    home.write("any.yaml", &workflow("http.put", &with, &format!("{{ http: [\"{authority}\"] }}")));
    let run = |file: &str, allow: &str| home.pawl(&["run", file, "--allow-http", allow]);
    let said = run("get.yaml", &authority);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(told.recv().unwrap().starts_with("GET /x"));
    // By the workflow, and by the operator.
    let only_get = format!("{authority}=GET,HEAD");
    for (file, allow) in [("put.yaml", &authority), ("any.yaml", &only_get)] {
        let said = run(file, allow);
        assert_eq!(said.code, Some(1), "{}", said.show());
        assert!(said.stderr.contains("lists it without the method PUT"), "{}", said.show());
    }
    let said = run("put.yaml", &format!("{authority}=PUT"));
    assert!(
        said.stderr.contains("permissions.http does not list it") || said.stderr.contains("not granted"),
        "{}",
        said.show()
    );
    let said = run("any.yaml", &format!("{authority}=PUT"));
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(told.recv().unwrap().starts_with("PUT /x"), "the refused ones never came");
    let wrong = run("any.yaml", &format!("{authority}=put"));
    assert!(wrong.code == Some(2) && wrong.stderr.contains("'put' is not a method"), "{}", wrong.show());
    home.write("pawl.yaml", &format!("grants: {{ http: [{{ host: \"{authority}\", methods: [GET] }}] }}\n"));
    let said = run("any.yaml", &authority);
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(said.stderr.contains(&format!("http: {authority}")), "{}", said.show());
    assert_eq!(run("get.yaml", &authority).code, Some(0));
}

#[test]
fn a_secret_stands_nowhere_but_in_the_request_to_its_host() {
    let home = Home::new();
    let (authority, told) = echoing();
    let (other, others) = echoing();
    let operator = |hosts: &str| {
        home.write(
            "pawl.yaml",
            &format!("secrets: {{ stripe: {{ env: STRIPE_KEY, hosts: [\"{hosts}\"] }} }}\n"),
        );
    };
    operator(&authority);
    let granted = |secrets: &str| format!("{{ http: [\"{authority}\", \"{other}\"], secrets: {secrets} }}");
    let with = |to: &str| {
        format!(
            "{{ url: \"http://{to}/\", secrets: {{ Authorization: {{ secret: stripe, prefix: \"Bearer \" }} }} }}"
        )
    };
    home.write("good.yaml", &workflow("http.get", &with(&authority), &granted("[stripe]")));
    home.write("away.yaml", &workflow("http.get", &with(&other), &granted("[stripe]")));
    home.write("none.yaml", &workflow("http.get", &with(&authority), &granted("[]")));
    home.write("late.yaml", &workflow("http.get", &with(&authority), &granted("[paypal]")));
    let run =
        |file: &str| hiding(&home, &["run", file, "-vv", "--allow-http", &authority, "--allow-http", &other]);
    let said = run("good.yaml");
    assert_eq!(said.code, Some(0), "{}", said.show());
    let heard = told.recv().unwrap();
    assert!(heard.contains(&format!("authorization: Bearer {SECRET}")), "{heard}");
    assert!(said.stdout.contains("Bearer ****"), "what comes back is covered: {}", said.show());
    let run_id = home.newest();
    for args in [["events", &run_id, "--json"], ["show", &run_id, "--json"], ["verify", &run_id, "--json"]] {
        hiding(&home, &args);
    }
    let said = run("away.yaml");
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(said.stderr.contains("may not go to"), "{}", said.show());
    assert!(others.try_recv().is_err(), "no request went");
    let said = run("none.yaml");
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(said.stderr.contains("`permissions: secrets`"), "{}", said.show());
    let said = run("late.yaml");
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(said.stderr.contains("step 'call': secrets: paypal"), "{}", said.show());
    home.write(
        "pawl.yaml",
        "secrets: { stripe: { env: STRIPE_KEY, hosts: [a.test] } }\ngrants: { secrets: [] }\n",
    );
    let said = run("good.yaml");
    assert_eq!(said.code, Some(2), "{}", said.show());
    assert!(said.stderr.contains("secrets: stripe"), "{}", said.show());
    home.write("pawl.yaml", &format!("secrets: {{ stripe: {SECRET} }}\n"));
    let said = run("good.yaml");
    assert!(said.code == Some(2) && said.stderr.contains("never stands in pawl.yaml"), "{}", said.show());
    assert!(told.try_recv().is_err(), "no more requests came");
}

#[test]
fn folders_are_refused_that_the_operator_does_not_name() {
    let home = Home::new();
    for folder in ["data-in", "out"] {
        fs::create_dir(home.path(folder)).unwrap();
    }
    let with = "{ text: hello }";
    home.write("read.yaml", &workflow("echo.say", with, "{ files: [{ path: ./data-in }] }"));
    home.write("write.yaml", &workflow("echo.say", with, "{ files: [{ path: data-in/deep, mode: write }] }"));
    home.write("above.yaml", &workflow("echo.say", with, "{ files: [{ path: ./out/../.. }] }"));
    let refused = |file: &str, part: &str| {
        let said = home.pawl(&["run", file]);
        assert!(said.code == Some(2) && said.stderr.contains(part), "{file}: {}", said.show());
    };
    refused("read.yaml", "data-in (read)");
    home.write("pawl.yaml", "files: [{ path: data-in, mode: read }, { path: out, mode: write }]\n");
    assert_eq!(home.pawl(&["run", "read.yaml"]).code, Some(0));
    refused("write.yaml", "data-in/deep (write)");
    refused("above.yaml", "files: ");
    home.write("pawl.yaml", "files: [{ path: nowhere }]\n");
    refused("read.yaml", "a folder under `files`");
}

fn uses_mine(tool: &str, with: &str) -> String {
    let permissions = "{ http: [localhost], secrets: [] }";
    workflow(&format!("mine.{tool}"), with, permissions)
        .replace("steps:", "plugins: { mine: ./mine.wasm }\nsteps:")
}

#[test]
fn a_plugin_that_asks_for_more_is_held_until_it_is_accepted() {
    let home = Home::new();
    home.component("echo", "mine.wasm");
    let says = uses_mine("say", "{ text: hello }");
    let waits = says.replace("  - id: call", "  - { id: before, human: { title: Go on? } }\n  - id: call");
    home.write("says.yaml", &says);
    home.write("waits.yaml", &waits);
    home.write("gets.yaml", &uses_mine("get", "{ url: \"http://localhost:1/\" }"));
    assert_eq!(home.pawl(&["run", "waits.yaml"]).code, Some(3));
    assert_eq!(home.json(&["plugin", "accept"]), json!({ "held": [] }));
    home.component("http", "mine.wasm");
    let held = |said: &Said| {
        assert_eq!(said.code, Some(1), "{}", said.show());
        assert!(
            said.stderr.contains("plugin 'mine' asks for more than was accepted: needs http"),
            "{}",
            said.show()
        );
        assert!(said.stderr.contains("pawl plugin accept mine"), "{}", said.show());
    };
    for _ in 0..2 {
        held(&home.pawl(&["run", "gets.yaml"]));
    }
    // Nor by a version that is registered, nor by a run that is moved to another.
    held(&home.pawl(&["workflow", "register", "gets.yaml"]));
    let gets = uses_mine("get", "{ url: \"http://localhost:1/\" }").replace("1.0.0", "1.1.0");
    let moves = gets.replace("  - id: call", "  - { id: before, human: { title: Go on? } }\n  - id: call");
    home.write("moves.yaml", &moves);
    held(&home.pawl(&["upgrade", "apply", "moves.yaml", "--run", &home.newest()]));
    // The run that was there before goes on with the bytes that it has.
    let said = home.pawl(&["approve", &home.approval()]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    let listed = home.json(&["plugin", "accept"]);
    assert_eq!(listed["held"][0]["name"], "mine", "{listed}");
    let more = listed["held"][0]["more"].to_string();
    assert!(more.contains("needs http") && more.contains("its tool post is new, and at-most-once"), "{more}");
    assert_eq!(home.pawl(&["plugin", "accept", "mine", "other"]).code, Some(2), "all, or none");
    held(&home.pawl(&["run", "gets.yaml"]));
    assert_eq!(home.json(&["plugin", "accept", "mine"])["accepted"][0]["name"], "mine");
    let said = home.pawl(&["run", "gets.yaml"]);
    assert!(!said.stderr.contains("asks for more"), "it runs, and finds nobody there: {}", said.show());
    // What asks for less was accepted with the rest, there and back.
    home.component("echo", "mine.wasm");
    assert_eq!(home.pawl(&["run", "says.yaml"]).code, Some(0));
    home.component("http", "mine.wasm");
    let said = home.pawl(&["run", "gets.yaml"]);
    assert!(!said.stderr.contains("asks for more"), "{}", said.show());
}

#[test]
fn a_new_plugin_is_held_where_the_operator_says_so_and_a_lock_accepts() {
    let home = Home::new();
    home.write("pawl.yaml", "new_plugins: hold\n");
    home.component("echo", "mine.wasm");
    home.write("says.yaml", &uses_mine("say", "{ text: hello }"));
    let said = home.pawl(&["run", "says.yaml"]);
    assert!(
        said.code == Some(1) && said.stderr.contains("plugin 'mine' was never used here"),
        "{}",
        said.show()
    );
    assert_eq!(home.pawl(&["plugin", "accept", "mine"]).code, Some(0));
    assert_eq!(home.pawl(&["run", "says.yaml"]).code, Some(0));
    // What ships with pawl is accepted as pawl is.
    home.write("ships.yaml", &workflow("echo.say", "{ text: hello }", "{}"));
    assert_eq!(home.pawl(&["run", "ships.yaml"]).code, Some(0));
    home.component("http", "mine.wasm");
    home.write("says.yaml", &uses_mine("get", "{ url: \"http://localhost:1/\" }"));
    assert_eq!(home.pawl(&["lock", "says.yaml", "--accept"]).code, Some(0));
    let said = home.pawl(&["run", "says.yaml"]);
    assert!(!said.stderr.contains("asks for more"), "{}", said.show());
}

#[test]
fn a_plugin_that_a_route_would_choose_is_held_too() {
    let home = Home::new();
    let routed = "pawl: 1\nworkflow: finds\nversion: 1.0.0\npermissions: { http: [localhost] }\nsteps:\n  - id: call\n    \
                  tool: { match: { capability: get, labels: { domain: network } } }\n    with: { url: \"http://localhost:1/\" }\n";
    home.write("finds.yaml", routed);
    fs::create_dir_all(home.path("data/plugins")).unwrap();
    home.component("http", "data/plugins/http.wasm");
    home.write("pawl.yaml", "new_plugins: hold\n");
    let said = home.pawl(&["run", "--allow-http", "localhost", "finds.yaml"]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(said.stderr.contains("plugin 'http' was never used here"), "{}", said.show());
    assert_eq!(home.pawl(&["plugin", "accept", "http"]).code, Some(0));
    let said = home.pawl(&["run", "--allow-http", "localhost", "finds.yaml"]);
    assert!(!said.stderr.contains("never used"), "{}", said.show());
}

#[test]
fn an_agent_lists_the_agents_that_it_was_granted_and_no_others() {
    let home = Home::new();
    home.write(
        "asks.yaml",
        "pawl: 1\nworkflow: asks\nversion: 1.0.0\npermissions: { models: [default], agents: [reviewer] }\nsteps:\n  - id: think\n    \
         agent: assistant\n    with: { task: Say hello., agents: [{ name: reviewer }] }\n",
    );
    home.write("script.yaml", "rules: [{ reply: Hello. }]\n");
    home.write("pawl.yaml", "models: { default: { provider: scripted, script: script.yaml } }\n");
    let said = home.pawl(&["run", "asks.yaml"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    let events = home.pawl(&["events", &home.newest(), "--json"]).stdout;
    assert!(events.contains("agent-list"), "{events}");
    let described = &home.json(&["plugin", "inspect", "reviewer"])["description"];
    let summary = described["agent"]["summary"].as_str().or_else(|| described["summary"].as_str());
    assert!(events.contains(summary.unwrap_or("Scores")), "{events}");
    assert!(!events.contains("\"name\":\"planner\""), "{events}");
    assert_eq!(home.pawl(&["replay", &home.newest()]).code, Some(0));
    let other = fs::read_to_string(home.path("asks.yaml"))
        .unwrap()
        .replace("{ name: reviewer }", "{ name: planner }");
    home.write("asks.yaml", &other);
    let said = home.pawl(&["run", "asks.yaml"]);
    assert!(
        said.code == Some(1) && said.stderr.contains("names planner, which the step may not ask"),
        "{}",
        said.show()
    );
}
