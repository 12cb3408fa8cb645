//! The operator's file, and a key that must stand nowhere.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use crate::home::{Home, same, workflow};

const KEY: &str = "sk-canary-0123456789";

pub(crate) const THINKS: &str = "\
pawl: 1
workflow: thinks
version: 1.0.0
permissions: { models: [default] }
steps:
  - id: think
    agent: assistant
    with: { task: Say hello. }
outputs: { answer: \"${{ steps.think.output.answer }}\" }
";

pub(crate) const SCRIPTED: &str = "models: { default: { provider: scripted, script: script.yaml } }\n";

#[test]
fn a_model_is_found_in_the_operators_file() {
    let home = Home::new();
    home.write("thinks.yaml", THINKS);
    same!("models_none", home.pawl(&["run", "thinks.yaml"]));
    home.write("script.yaml", "rules: [{ reply: Hello. }]\n");
    home.write("pawl.yaml", &SCRIPTED.replace("default", "defualt"));
    same!("models_near", home.pawl(&["check", "thinks.yaml"]));
    // The data folder's comes before that of the current folder, and the one that is named before both.
    home.write("data/pawl.yaml", &SCRIPTED.replace("script.yaml", "../script.yaml"));
    same!("models_run", home.pawl(&["run", "thinks.yaml"]));
    home.write("broken.yaml", "models: { default: { provider: opnai, key: sk-canary } }\n");
    let broken = home.pawl(&["--config", "broken.yaml", "run", "thinks.yaml"]);
    assert!(!broken.show().contains("canary"), "{}", broken.show());
    same!("models_broken", broken);
    same!("models_missing", home.pawl(&["--config", "nowhere.yaml", "check", "thinks.yaml"]));
    // One that never ends, neither as the file nor as a script.
    let endless = home.pawl(&["--config", "/dev/zero", "check", "thinks.yaml"]).show();
    assert!(endless.contains("it is not a file"), "{endless}");
    home.write("endless.yaml", &SCRIPTED.replace("script.yaml", "/dev/zero"));
    let endless = home.pawl(&["--config", "endless.yaml", "check", "thinks.yaml"]).show();
    assert!(endless.contains("it is not a file"), "{endless}");
    let mut by_env = home.command(&["check", "thinks.yaml"]);
    by_env.env("PAWL_CONFIG", "broken.yaml");
    let output = by_env.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no provider 'opnai'"));
}

#[test]
fn what_a_model_says_is_shown_while_it_says_it_and_is_not_in_the_journal() {
    let home = Home::new();
    home.write("thinks.yaml", THINKS);
    home.write("script.yaml", "rules: [{ reply: \"Hello,\\nhow are you?\", delay: 500ms }]\n");
    home.write("pawl.yaml", SCRIPTED);
    let said = |shown: &str| shown.lines().filter(|line| line.contains('›')).count();
    assert_eq!(said(&home.pawl(&["run", "thinks.yaml"]).show()), 0);
    let plain = home.pawl(&["events", &home.newest()]);
    let aloud = home.pawl(&["run", "thinks.yaml", "--tokens"]);
    assert_eq!(aloud.code, Some(0));
    assert!(aloud.stderr.contains("      › think: Hello,"), "{}", aloud.show());
    assert!(aloud.stderr.contains("      › think: how are you?"), "{}", aloud.show());
    assert!(!aloud.stdout.contains('›'), "{}", aloud.show());
    let events = home.pawl(&["events", &home.newest()]);
    assert_eq!(events.stdout.lines().count(), plain.stdout.lines().count());
}

#[test]
fn what_a_model_says_at_a_server_is_heard_elsewhere_while_it_says_it() {
    let home = Home::new();
    let source = THINKS.replace("steps:\n", "steps:\n  - { id: go, signal: { name: go, due: 1h } }\n");
    home.write("thinks.yaml", &source);
    home.write("script.yaml", "rules: [{ reply: \"Hello,\\nhow are you?\" }]\n");
    home.write("pawl.yaml", SCRIPTED);
    let server = home.holder(&["serve", "--listen", "127.0.0.1:0"], "; stop it with");
    let url = server.heard().split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let url = url.trim_end_matches(';').to_owned();
    for (tokens, lines) in [(true, 2), (false, 0)] {
        let started = home.pawl(&["--server", &url, "run", "thinks.yaml", "--no-interactive"]);
        assert_eq!(started.code, Some(3), "{}", started.show());
        let run = home.newest();
        let mut words = vec!["--server", &url, "events", &run, "--follow"];
        words.extend(tokens.then_some("--tokens"));
        let mut follower = home.holder(&words, "follows run");
        // Whoever is told of the first event listens.
        let mut first = Vec::new();
        while !first.ends_with(b"\n") {
            let mut byte = [0];
            follower.child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            first.extend(byte);
        }
        assert_eq!(home.pawl(&["--server", &url, "signal", &run, "go"]).code, Some(0));
        let heard = follower.said();
        let said: Vec<_> = heard.stderr.lines().filter(|line| line.contains("› think:")).collect();
        assert_eq!(said.len(), lines, "{}", heard.show());
    }
    drop(server);
}

#[test]
fn the_research_of_the_project_runs_without_a_network() {
    let home = Home::new();
    let config = workflow("../pawl.yaml");
    let said = home.pawl(&["--config", &config, "run", &workflow("research.yaml")]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(said.stdout.contains("A-1003"), "{}", said.show());
    let tests = home.pawl(&["test", &workflow("research.test.yaml"), "--crash-at-every-event"]);
    assert_eq!(tests.code, Some(0), "{}", tests.show());
}

/// A server that takes requests for ever, and repeats each in its answer, status by status.
fn repeating(statuses: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (stream, status) in listener.incoming().zip(statuses.iter().cycle()) {
            let mut stream = stream.unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"}") {
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            assert!(request.contains(KEY), "{request}");
            let choice = serde_json::json!({ "message": { "content": request }, "finish_reason": "stop" });
            let error = serde_json::json!({ "message": request });
            let body = serde_json::json!({ "model": KEY, "choices": [choice], "error": error }).to_string();
            let head =
                format!("HTTP/1.1 {status}\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    format!("http://{address}/v1")
}

/// Every file below a folder, links left out.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn a_key_stands_nowhere_but_in_the_request() {
    let home = Home::new();
    home.write("thinks.yaml", THINKS);
    let url = repeating(&["200 OK", "500 Internal Server Error", "401 Unauthorized", "400 Bad Request"]);
    home.write(
        "pawl.yaml",
        &format!("models: {{ default: {{ provider: openai, model: m, base_url: '{url}', retries: 0, key: {{ env: MODEL_KEY }} }} }}\n"),
    );
    let pawl = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("MODEL_KEY", KEY).env("RUST_LOG", "trace");
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            !String::from_utf8_lossy(&said).contains("canary"),
            "{args:?}: {}",
            String::from_utf8_lossy(&said)
        );
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = pawl(&["run", "thinks.yaml", "-vv"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Bearer [key]"), "{said}");
    for status in ["500", "401", "400"] {
        let (code, said) = pawl(&["run", "thinks.yaml", "-vv"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(status), "{said}");
    }
    let (_, said) = pawl(&["runs", "--json"]);
    assert!(said.contains("thinks"), "{said}");
    let run = home.newest();
    pawl(&["events", &run, "--json"]);
    pawl(&["show", &run, "--json"]);
    pawl(&["replay", &run]);
    let mut found = Vec::new();
    files(&home.path("data"), &mut found);
    assert!(!found.is_empty());
    for file in found {
        assert!(
            !file.windows(9).any(|part| part == b"sk-canary"),
            "a file of {} bytes has the key",
            file.len()
        );
    }
}

#[test]
fn a_key_that_is_not_there_is_named_by_its_place() {
    let home = Home::new();
    home.write("thinks.yaml", THINKS);
    home.write(
        "pawl.yaml",
        "models: { default: { provider: anthropic, model: m, key: { env: NO_SUCH_KEY } } }\n",
    );
    let said = home.pawl(&["run", "thinks.yaml"]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(
        said.stderr.contains("the variable NO_SUCH_KEY, which `key` in pawl.yaml names"),
        "{}",
        said.show()
    );
}
