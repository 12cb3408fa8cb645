//! Tokens of an issuer, good ones and all kinds of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::{JWKS_AGE_MAX_MS, JWKS_FRESH_MS, JWKS_REFRESH_MIN_MS};
use super::*;

/// An RSA key's modulus, and a token that was signed with the key, good until 2100. The key itself is gone.
const RSA_N: &str = concat!(
    "szKNeEPgf0z-Hbbld1_gEf7WrTAh4SO01j0jLCIVb01QOBIbCBkr0DxjzGFHfujgz5lI-K1hxDYEueSJelp-",
    "K8KbH_9ZEQp1D2Q2HL6XqRHc3UAmA-oYGJRmNTw0B2yzIW9binigoEeGz0j9Dq0aZ3rO-bER3feYMjOkiGFu9STLefOp7lSwpcad",
    "kGgJ9Zwv_ZxYqGPS7u7I8gID7Kg2JphQgHhshU3DLlz15xqa0aElkoKD1y7NCIkXudW10dM7zikiM9mYM9DgIK9fI_HQOvTAqHe_",
    "RbVa74JQn0gO4e5XDoZMdFPOxgJN1wNaCZb5pO1tndnqzq2OffJuQ-Fe4w",
);
const RSA_TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJh",
    "dWQiOlsib3RoZXIiLCJwYXdsIl0sInN1YiI6ImFubiIsImV4cCI6NDEwMjQ0NDgwMCwicm9sZXMiOlsiYXBwcm92ZXIiXSwiZ3Jv",
    "dXBzIjpbImZpbmFuY2UiXX0.i1kLhVn5-9QbHxBuo_tdk3jl5Ukv0hAkuG2Pyvau3Ua5z-Km41lRCb7XiH-iBudxe-rBjpxU1d6L",
    "DBqYOXA4-YwCDV46wLJy5LWWx8Pn1ul12HzDJVHf8lNUPi9qapqd0rg-0ue1j5yp7tmk15A-",
    "NRGf2UZuQJ_R5rb9HXllrT_pAL5K2t6TBQ78IAxdihx9uuergpyGjtQzJ7N_2ipgW3C148xFjvPJAGj1QHsNLL_bhkxQF7uE-",
    "mcEf1pEd7LadBDu6PY0sRe-fS4yz2LQPx3NSmVrTAZwrkvw7u9CnJhBSoQKP8KhumJEfeJPxvOY_YQ5OGzzpTf8egpKIfoCNg",
);

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One who signs.
struct Signer {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let chance = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&chance).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance).unwrap();
        Self {
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &chance).unwrap(),
        }
    }

    fn ed_key(&self, kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(self.ed.public_key()) })
    }

    fn ec_key(&self, kid: &str) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": b64(&point[1..33]), "y": b64(&point[33..]) })
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = match header["alg"].as_str() {
            Some("ES256") => b64(self.ec.sign(&SystemRandom::new(), signed.as_bytes()).unwrap()),
            _ => b64(self.ed.sign(signed.as_bytes())),
        };
        format!("{signed}.{signature}")
    }
}

fn config(keys: KeySource) -> IssuerConfig {
    IssuerConfig {
        issuer: "https://login.example".into(),
        audience: "pawl".into(),
        keys,
        algorithms: Algorithm::ALL.into_iter().collect(),
        name_claim: "sub".into(),
        roles_claim: "roles".into(),
        groups_claim: "groups".into(),
        namespace_claim: "tenant".into(),
        roles: BTreeMap::from([("pawl-admins".to_owned(), Role::Admin)]),
    }
}

/// Keys are asked for whenever one is not known.
fn often() -> KeyTimes {
    KeyTimes { refresh_min_ms: 0, ..KeyTimes::default() }
}

/// So long after [`NOW`].
fn later(ms: u64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

/// An issuer whose keys are in a file.
fn issuer(keys: &[Value]) -> (Issuer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    (Issuer::new(config(KeySource::File(path))), folder)
}

fn claims() -> Value {
    until(60)
}

/// Claims that are good for so many seconds.
fn until(seconds: u64) -> Value {
    json!({ "iss": "https://login.example", "aud": "pawl", "sub": "ann", "exp": NOW.0 / 1_000 + seconds,
        "roles": "operator pawl-admins nothing", "groups": ["finance"], "tenant": "t" })
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_taken_and_say_who_it_is() {
    let signer = Signer::new();
    let rsa = json!({ "kty": "RSA", "kid": "rsa-1", "n": RSA_N, "e": "AQAB", "alg": "RS256" });
    let (issuer, _folder) = issuer(&[signer.ed_key("a"), signer.ec_key("b"), rsa]);
    for (alg, kid) in [("EdDSA", "a"), ("ES256", "b")] {
        let token = signer.token(&json!({ "alg": alg, "kid": kid }), &claims());
        let claimed = issuer.check(&token, NOW).await.unwrap();
        assert_eq!(claimed.name, "ann");
        assert_eq!(claimed.roles, BTreeSet::from([Role::Operator, Role::Admin]));
        assert_eq!(claimed.groups, BTreeSet::from(["group:finance".to_owned()]));
        assert_eq!(claimed.namespace, Some("t".parse().unwrap()));
    }
    let claimed = issuer.check(RSA_TOKEN, NOW).await.unwrap();
    assert_eq!((claimed.roles, claimed.namespace), (BTreeSet::from([Role::Approver]), None));
    // Without a kid, where only one key fits.
    let token = signer.token(&json!({ "alg": "EdDSA" }), &claims());
    assert!(issuer.check(&token, NOW).await.is_ok());
}

#[tokio::test]
async fn what_a_token_claims_is_checked() {
    let signer = Signer::new();
    let (issuer, _folder) = issuer(&[signer.ed_key("a")]);
    let seconds = NOW.0 / 1_000;
    let cases = [
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", Value::Null, "another issuer"),
        ("aud", json!("another"), "made for somebody else"),
        ("aud", json!(["another"]), "made for somebody else"),
        ("aud", Value::Null, "made for somebody else"),
        ("exp", json!(seconds - 61), "has expired"),
        ("exp", json!("never"), "no number"),
        ("exp", json!(-1), "no number"),
        ("nbf", json!(seconds + 61), "not good yet"),
        ("sub", json!(""), "does not say who"),
        ("sub", json!(5), "does not say who"),
        ("sub", json!("x".repeat(TOKEN_NAME_MAX_BYTES + 1)), "does not say who"),
        ("tenant", json!("No Name"), "not the name of a namespace"),
        ("tenant", json!(5), "not the name of a namespace"),
    ];
    for (name, value, says) in cases {
        let mut claims = claims();
        claims[name] = value;
        let token = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims);
        let refused = issuer.check(&token, NOW).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{name}: {refused}");
    }
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    let token = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &endless);
    assert!(issuer.check(&token, NOW).await.unwrap_err().to_string().contains("no `exp`"));
    // A minute between the clocks is nothing.
    let mut late = claims();
    late["exp"] = json!(seconds - 59);
    late["nbf"] = json!(seconds + 59);
    let token = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &late);
    assert!(issuer.check(&token, NOW).await.is_ok());
}

#[tokio::test]
async fn no_algorithm_is_taken_that_is_not_the_keys() {
    let (signer, other) = (Signer::new(), Signer::new());
    let (issuer, _folder) = issuer(&[signer.ed_key("a"), signer.ec_key("b")]);
    let good = signer.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let with =
        |header: Value, signature: &str| format!("{}.{}.{signature}", b64(header.to_string()), parts[1]);
    // The public key as the secret of an HMAC: the oldest trick.
    let secret = URL_SAFE_NO_PAD.decode(signer.ed_key("a")["x"].as_str().unwrap()).unwrap();
    let head = json!({ "alg": "HS256", "kid": "a" });
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    let tag = ring::hmac::sign(&key, format!("{}.{}", b64(head.to_string()), parts[1]).as_bytes());
    let cases = [
        (with(head, &b64(tag)), "'HS256', which is not allowed"),
        (with(json!({ "alg": "none" }), ""), "'none', which is not allowed"),
        (with(json!({ "alg": "None" }), ""), "not allowed"),
        (with(json!({}), parts[2]), "not allowed"),
        (with(json!({ "alg": "EdDSA", "kid": "a", "crit": ["x"] }), parts[2]), "extensions"),
        // The right signature under another header is none.
        (with(json!({ "alg": "EdDSA", "kid": "a", "typ": "JWT" }), parts[2]), "signature is wrong"),
        (with(json!({ "alg": "ES256", "kid": "b" }), parts[2]), "signature is wrong"),
        (with(json!({ "alg": "ES256", "kid": "a" }), parts[2]), "does not have"),
        (with(json!({ "alg": "RS256", "kid": "a" }), parts[2]), "does not have"),
        (other.token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims()), "signature is wrong"),
        (other.token(&json!({ "alg": "EdDSA", "kid": "z" }), &claims()), "does not have"),
        (format!("{}.{}", parts[0], parts[1]), "three parts"),
        (format!("{good}.x"), "three parts"),
        ("a.b.c".to_owned(), "does not read"),
        ("x".repeat(JWT_MAX_BYTES + 1), "too long"),
    ];
    for (token, says) in cases {
        let refused = issuer.check(&token, NOW).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
    assert!(issuer.check(&good, NOW).await.is_ok());
}

/// A server that gives whatever keys there are now, and counts how often it was asked.
async fn served(keys: Arc<std::sync::Mutex<Value>>) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2_048];
            let _ = stream.read(&mut request).await;
            count.fetch_add(1, Ordering::SeqCst);
            let body = keys.lock().unwrap().to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn keys_are_fetched_again_when_they_change_and_not_for_every_stranger() {
    let (old, new) = (Signer::new(), Signer::new());
    let keys = Arc::new(std::sync::Mutex::new(json!({ "keys": [old.ed_key("old")] })));
    let (url, asked) = served(Arc::clone(&keys)).await;
    let issuer = Issuer::within(config(KeySource::Url(url.clone())), often());
    let token = |signer: &Signer, kid: &str| signer.token(&json!({ "alg": "EdDSA", "kid": kid }), &claims());
    for _ in 0..3 {
        assert!(issuer.check(&token(&old, "old"), NOW).await.is_ok());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "known keys are not fetched again");
    *keys.lock().unwrap() = json!({ "keys": [new.ed_key("new")] });
    assert!(issuer.check(&token(&new, "new"), NOW).await.is_ok());
    assert!(issuer.check(&token(&old, "old"), NOW).await.is_err(), "what was taken away is good no more");
    // Strangers, at the usual rate.
    asked.store(0, Ordering::SeqCst);
    let issuer = Issuer::new(config(KeySource::Url(url)));
    for number in 0..5 {
        assert!(issuer.check(&token(&old, &format!("stranger-{number}")), NOW).await.is_err());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_told() {
    let keys = Arc::new(std::sync::Mutex::new(json!("x".repeat(super::super::JWKS_MAX_BYTES))));
    let (large, _) = served(keys).await;
    // It takes connections, and nobody answers on them.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let none = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let token = Signer::new().token(&json!({ "alg": "EdDSA", "kid": "a" }), &claims());
    let cases = [
        (KeySource::Url(large), "length limit"),
        (KeySource::Url(format!("http://{none}/")), "refused"),
        (KeySource::Url("http://192.0.2.1/keys".into()), "over https"),
        (KeySource::Url(format!("http://{silent}/")), "jwks_request_max_ms (500)"),
        (KeySource::File("/nowhere/keys.json".into()), "cannot read /nowhere/keys.json"),
    ];
    for (source, says) in cases {
        let refused = Issuer::within(config(source), KeyTimes { request_max_ms: 500, ..often() })
            .check(&token, NOW)
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("cannot be had") && refused.contains(says), "{refused}");
    }
}

/// A token that is good for long enough.
fn lasting(signer: &Signer, kid: &str) -> String {
    signer.token(&json!({ "alg": "EdDSA", "kid": kid }), &until(100_000))
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_again_are_used_for_so_long_and_no_longer() {
    let signer = Signer::new();
    let (issuer, folder) = issuer(&[signer.ed_key("a")]);
    let (path, aside) = (folder.path().join("keys.json"), folder.path().join("aside.json"));
    let token = lasting(&signer, "a");
    assert!(issuer.check(&token, NOW).await.is_ok());
    std::fs::rename(&path, &aside).unwrap();
    let at = |ms| issuer.check(&token, later(ms));
    for good in [JWKS_FRESH_MS, JWKS_FRESH_MS + 1, JWKS_AGE_MAX_MS] {
        assert!(at(good).await.is_ok(), "after {good} ms");
    }
    let refused = at(JWKS_AGE_MAX_MS + 1).await.unwrap_err().to_string();
    assert!(refused.contains("cannot read") && refused.contains("jwks_age_max_ms (3600000)"), "{refused}");
    // Whether or not it is tried again: nobody is let in meanwhile.
    let again = at(JWKS_AGE_MAX_MS + 2).await.unwrap_err().to_string();
    assert_eq!(again, refused);
    std::fs::rename(&aside, &path).unwrap();
    assert!(at(JWKS_AGE_MAX_MS + 2).await.is_err(), "it is not asked again so soon");
    assert!(at(JWKS_AGE_MAX_MS + 1 + JWKS_REFRESH_MIN_MS).await.is_ok());
    // A clock that went back makes no key younger.
    std::fs::remove_file(&path).unwrap();
    assert!(issuer.check(&token, NOW).await.is_err());
}

#[tokio::test]
async fn a_key_that_was_taken_away_is_good_no_more_once_keys_are_asked_for_again() {
    let (old, new) = (Signer::new(), Signer::new());
    let (issuer, folder) = issuer(&[old.ed_key("old")]);
    let (before, after) = (lasting(&old, "old"), lasting(&new, "new"));
    assert!(issuer.check(&before, NOW).await.is_ok());
    let keys = json!({ "keys": [new.ed_key("new")] }).to_string();
    std::fs::write(folder.path().join("keys.json"), keys).unwrap();
    assert!(issuer.check(&before, later(JWKS_FRESH_MS)).await.is_ok(), "nobody has asked yet");
    assert!(issuer.check(&before, later(JWKS_FRESH_MS + 1)).await.is_err());
    assert!(issuer.check(&after, later(JWKS_FRESH_MS + 1)).await.is_ok());
}

/// A server that gives these keys to the first who asks, and lets all others wait. It tells of each who asks.
async fn stuck(keys: Value) -> (String, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let (tell, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 2_048]).await;
            if waiting.is_empty() {
                let body = keys.to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
            waiting.push(stream);
            let _ = tell.send(());
        }
    });
    (url, asked)
}

#[tokio::test]
async fn who_is_known_waits_for_nobody_and_one_asks_at_a_time() {
    let signer = Signer::new();
    let (url, mut asked) = stuck(json!({ "keys": [signer.ed_key("a")] })).await;
    // Long enough that the test fails where somebody waits for it.
    let times = KeyTimes { request_max_ms: 600_000, ..often() };
    let issuer = Arc::new(Issuer::within(config(KeySource::Url(url)), times));
    let known = lasting(&signer, "a");
    assert!(issuer.check(&known, NOW).await.is_ok());
    asked.recv().await.unwrap();
    let mut strangers = Vec::new();
    for number in 0..5 {
        let (issuer, token) = (Arc::clone(&issuer), lasting(&signer, &format!("stranger-{number}")));
        strangers.push(tokio::spawn(async move { issuer.check(&token, NOW).await }));
    }
    asked.recv().await.unwrap();
    // Also where the keys are to be asked for again: that is under way.
    for now in [NOW, later(JWKS_FRESH_MS + 1), later(JWKS_AGE_MAX_MS)] {
        let checked = tokio::time::timeout(std::time::Duration::from_secs(30), issuer.check(&known, now));
        assert!(checked.await.expect("it waits for nobody").is_ok());
    }
    assert!(asked.try_recv().is_err(), "one at a time");
    for stranger in strangers {
        assert!(!stranger.is_finished());
        stranger.abort();
    }
}

#[tokio::test]
async fn those_who_come_before_there_are_keys_wait_for_one_fetching() {
    let signer = Signer::new();
    let keys = Arc::new(std::sync::Mutex::new(json!({ "keys": [signer.ed_key("a")] })));
    let (url, asked) = served(keys).await;
    let issuer = Issuer::within(config(KeySource::Url(url)), often());
    let token = lasting(&signer, "a");
    // Their clocks were looked at in another order.
    let checks = (0..10).rev().map(|late| issuer.check(&token, later(late)));
    let checks = futures_util::future::join_all(checks).await;
    assert!(checks.iter().all(Result::is_ok));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
