//! `pawl token`, `pawl namespace` and what `pawl serve` does with them, directly and through the process that serves.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::home::Home;

/// The status of an answer, and its body.
fn get(url: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{token}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn create(home: &Home, args: &[&str]) -> Value {
    home.json(&[&["token", "create"], args].concat())
}

#[test]
fn a_token_is_made_listed_and_taken_back_with_and_without_a_server() {
    let home = Home::new();
    let direct =
        create(&home, &["--name", "ann", "--role", "operator", "--role", "approver", "--expires", "8h"]);
    let secret = direct["secret"].as_str().unwrap();
    let server = home.holder(&["serve", "--listen", "127.0.0.1:0", "--identity", "required"], "serves http");
    let url = server.heard().split("serves ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(get(&url, "/v1/runs", None).0, 401);
    assert_eq!(get(&url, "/v1/runs", Some(secret)).0, 200);
    let (_, me) = get(&url, "/v1/me", Some(secret));
    let me: Value = serde_json::from_str(&me).unwrap();
    assert_eq!((&me["name"], &me["namespace"]), (&"user:ann".into(), &"default".into()));
    assert_eq!(me["roles"], serde_json::json!(["operator", "approver"]));
    // Through the process that serves.
    let through = create(&home, &["--name", "root", "--role", "admin"]);
    assert_eq!(get(&url, "/v1/tokens", through["secret"].as_str()).0, 200);
    let listed = home.pawl(&["token", "list"]);
    assert!(
        listed.stdout.contains("operator approver") && listed.stdout.contains("all"),
        "{}",
        listed.show()
    );
    assert!(!listed.stdout.contains(secret) && !home.json(&["token", "list"]).to_string().contains("secret"));
    assert_eq!(listed.stdout.matches("user:ann via cli").count(), 2, "who made them: {}", listed.show());
    let revoked = home.pawl(&["token", "revoke", direct["id"].as_str().unwrap()]);
    assert_eq!(revoked.code, Some(0), "{}", revoked.show());
    let known = home.json(&["token", "list"]);
    let known = known.as_array().unwrap().iter().find(|token| token["id"] == direct["id"]).unwrap();
    let by = serde_json::json!({ "name": "user:ann", "via": "cli" });
    assert_eq!((&known["made_by"], &known["revoked_by"]), (&by, &by));
    let (status, body) = get(&url, "/v1/runs", Some(secret));
    assert!(status == 401 && body.contains("was revoked"), "{status} {body}");
}

#[test]
fn what_cannot_be_a_token_or_a_namespace_says_what_to_do() {
    let home = Home::new();
    let cases: [(&[&str], &str); 5] = [
        (&["token", "create", "--name", "ann", "--role", "root"], "viewer, operator, approver, admin"),
        (
            &["token", "create", "--name", "ann", "--role", "viewer", "--namespace", "x"],
            "pawl namespace set x",
        ),
        (&["token", "create", "--name", "ann", "--role", "viewer", "--group", "finance"], "group:finance"),
        (&["token", "revoke", "0123456789abcdef"], "pawl token list"),
        (&["namespace", "set", "No Name"], "lower-case letters"),
    ];
    for (args, says) in cases {
        let said = home.pawl(args);
        assert!(said.code == Some(2) && said.stderr.contains(says), "{}", said.show());
    }
    let set = home.pawl(&["namespace", "set", "team-a", "--runs-max", "3"]);
    assert_eq!((set.code, set.stdout.trim()), (Some(0), "namespace team-a: 3 runs that are not over"));
    let token = create(&home, &["--name", "ann", "--role", "viewer", "--namespace", "team-a"]);
    assert_eq!(token["namespace"], "team-a");
    let listed = home.pawl(&["namespace", "list"]).stdout;
    assert!(listed.contains("default") && listed.contains("team-a"), "{listed}");
}

#[test]
fn a_server_that_others_reach_wants_to_know_who_asks() {
    let home = Home::new();
    let refused = home.pawl(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("pawl token create"), "{}", refused.show());
    let refused = home.pawl(&["serve", "--listen", "0.0.0.0:0", "--identity", "off"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("127.0.0.1"), "{}", refused.show());
    let refused =
        home.pawl(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", "no.pem", "--tls-key", "no.pem"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("no.pem"), "{}", refused.show());
    home.write("pawl.yaml", "identity: { issuer: i, audience: pawl, jwks_file: keys.json }\n");
    home.write("keys.json", "{\"keys\": []}");
    let server = home.holder(&["serve", "--listen", "127.0.0.1:0"], "serves http");
    let url = server.heard().split("serves ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(get(&url, "/v1/runs", None).0, 401, "an issuer is named: identity is on, on loopback too");
    let (status, body) = get(&url, "/v1/runs", Some("a.b.c"));
    assert!(status == 401 && body.contains("does not read"), "{body}");
}
