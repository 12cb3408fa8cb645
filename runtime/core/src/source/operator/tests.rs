use std::collections::BTreeSet;

use super::*;
use crate::Duration;
use crate::operator::{
    JwksPlace, KeyPlace, Login, NotifyOn, NotifyWay, PluginSource, Protocol, Provider, Registry, Remote,
    TrustedKey,
};

const GOOD: &str = "
models:
  default:
    provider: openai
    model: gpt-5
    base_url: http://127.0.0.1:8000/v1/
    key: { env: MODEL_KEY }
    timeout: 30s
    retries: 4
    requests_per_minute: 60
    fallbacks: [claude, demo]
  claude: { provider: anthropic, model: opus, key: { file: claude.key } }
  demo: { provider: scripted, script: demo.yaml }
";

#[test]
fn a_file_is_read_as_it_is_written() {
    let operator = load("pawl.yaml", GOOD).unwrap();
    let default = &operator.models["default"];
    assert_eq!(
        default.provider,
        Provider::Remote(Remote {
            protocol: Protocol::OpenAi,
            model: "gpt-5".to_owned(),
            base_url: "http://127.0.0.1:8000/v1".to_owned(),
            key: Some(KeyPlace::Env("MODEL_KEY".to_owned())),
        })
    );
    assert_eq!((default.timeout, default.retries), (Duration(30_000), 4));
    assert_eq!(default.requests_per_minute, Some(60));
    assert_eq!(default.fallbacks, ["claude", "demo"]);
    let claude = &operator.models["claude"];
    assert_eq!((claude.timeout, claude.retries, claude.requests_per_minute), (Duration(120_000), 2, None));
    assert!(
        matches!(&claude.provider, Provider::Remote(remote) if remote.base_url == "https://api.anthropic.com")
    );
    assert!(load("pawl.yaml", "models: {}\nx-free: 1\n").unwrap().models.is_empty());
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = "
modles: {}
models:
  a: { provider: opnai, model: m }
  b: { provider: ollama }
  c: { provider: scripted, script: s.yaml, model: m }
  d: { provider: openai, model: m, script: s.yaml, timeout: 0s, fallbacks: [d, cc] }
  e: { provider: openai, model: m, base_url: 'http://user:pass@host/v1' }
  f: { provider: openai, model: m, key: { env: A, file: B } }
  g g: { provider: ollama, model: m }
  h: { provider: ollama, model: m, retries: 11, timeout: 5 }
  i: { provider: ollama, model: '' }
";
    let problems = load("pawl.yaml", text).unwrap_err();
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn a_key_that_stands_in_the_file_is_refused_and_not_shown() {
    for text in [
        "models:\n  a: { provider: openai, model: m, key: sk-canary }\n",
        "models:\n  a: { provider: openai, model: m, api_key: sk-canary }\n",
        "modles: { a: { provider: opnai, headers: [{ Authorization: sk-canary }], key: sk-canary } }\n",
        "models:\n  a:\n    provider: openai\n    model: m\n    key: >\n      sk-canary\n",
    ] {
        let problems = load("pawl.yaml", text).unwrap_err();
        let shown = format!("{}\n{problems}\n{}", problems.render(false), problems.to_json());
        assert!(!shown.contains("sk-canary"), "{shown}");
    }
    let many: Vec<_> =
        (0..=MODELS_MAX).map(|n| format!("  m{n}: {{ provider: ollama, model: m }}\n")).collect();
    let many = many.concat();
    let problems = load("pawl.yaml", &format!("models:\n{many}")).unwrap_err();
    assert!(problems.render(false).contains("models_max is 100"));
}

#[test]
fn what_is_said_of_plugins_is_read_and_its_problems_are_told() {
    let text = "
plugins:
  triage: { capabilities: [classify, sort], labels: { lang: de }, priority: 10, cost: 0.002, enabled: false }
  orders: { capabilities: { lookup: find } }
";
    insta::assert_debug_snapshot!(load("pawl.yaml", text).unwrap().plugins);
    let text = "
plugins:
  'no name': {}
  a: { priority: 101 }
  b: { cost: -1 }
  c: { cost: cheap }
  d: { labels: { lang: 1 } }
  e: { capabilities: { lookup: 'no tool' } }
  f: { colour: red }
";
    insta::assert_snapshot!(load("pawl.yaml", text).unwrap_err().to_string());
    let many = |count: usize| (0..count).map(|n| format!("  p{n}: {{}}\n")).collect::<Vec<_>>().concat();
    assert!(load("pawl.yaml", &format!("plugins:\n{}", many(OPERATOR_PLUGINS_MAX))).is_ok());
    let problems = load("pawl.yaml", &format!("plugins:\n{}", many(OPERATOR_PLUGINS_MAX + 1))).unwrap_err();
    assert!(problems.render(false).contains("operator_plugins_max is 1000"));
}

#[test]
fn where_a_plugin_is_must_be_a_path_or_a_digest_in_a_registry() {
    let pinned = format!("oci://r.example.com/team/triage:1.0.0@sha256:{}", "0".repeat(64));
    let text =
        format!("plugins: {{ far: {{ from: '{pinned}' }}, near: {{ from: dist/near.wasm }}, none: {{}} }}");
    let sources = load("pawl.yaml", &text).unwrap().sources;
    let shown: Vec<_> = sources.iter().map(|(name, source)| format!("{name}: {source}")).collect();
    assert_eq!(shown, [format!("far: {pinned}"), "near: dist/near.wasm".to_owned()]);
    assert!(matches!(sources["far"], PluginSource::Registry(_)));
    for (name, from, says) in [
        ("a", "oci://r.example.com/team/a:1.0.0", "add @sha256:"),
        ("a", "oci://r.example.com", "no repository follows the host"),
        ("a", "''", "the path is empty"),
        ("mcp.a", "a.wasm", "'mcp.a' is an MCP server"),
    ] {
        let problems = load("pawl.yaml", &format!("plugins: {{ {name}: {{ from: {from} }} }}")).unwrap_err();
        assert!(problems.render(false).contains(says), "{from}: {}", problems.render(false));
    }
}

#[test]
fn a_script_is_read_and_its_problems_are_told() {
    let text = "
rules:
  - when: { turn: 0, last: A-1 }
    calls: [{ tool: orders.lookup, arguments: { id: A-1 } }]
    delay: 1s
  - when: { tool: orders.lookup }
    reply: { found: true }
    usage: { input: 3, output: 4 }
  - fail: { kind: transient, retry_after: 2s }
    times: 1
";
    insta::assert_debug_snapshot!(load_script("s.yaml", text).unwrap());
    let text = "
rules:
  - {}
  - { reply: a, calls: [] }
  - { calls: [] }
  - { fail: transient, usage: { input: 1, output: 1 } }
  - { reply: a, when: { lst: b } }
  - { fail: broken }
";
    insta::assert_snapshot!(load_script("s.yaml", text).unwrap_err().to_string());
    let many = "  - { reply: a }\n".repeat(MODEL_RULES_MAX + 1);
    let problems = load_script("s.yaml", &format!("rules:\n{many}")).unwrap_err();
    assert!(problems.render(false).contains("model_rules_max is 1000"));
}

#[test]
fn servers_are_read_as_they_are_written() {
    let text = "
mcp:
  files:
    command: mcp-server-filesystem
    args: [/srv/files]
    env: { LOG: warn, TOKEN: { file: t.key } }
    cwd: servers
    tools: [read_file, write_file]
    effects: { read_file: pure }
    timeout: 10s
    idle: 1m
  far: { url: 'https://h/mcp?team=a', headers: { Authorization: { env: T, prefix: 'Bearer ' } }, trust_annotations: true }
";
    let servers = load("pawl.yaml", text).unwrap().mcp;
    insta::assert_debug_snapshot!(servers);
}

#[test]
fn every_problem_of_a_server_is_told_with_its_place() {
    let text = "
mcp:
  a: { command: x, url: http://h/mcp }
  b: { args: [y] }
  c: { command: x, headers: { A: { env: B } } }
  d: { url: 'http://user:pass@h/mcp', env: { A: b } }
  e: { url: http://h/mcp, headers: { Authorization: Bearer sk-canary, Host: { env: B }, 'a b': { env: B } } }
  f: { command: x, tools: [read], effects: { raed: pure, read: safe } }
  g: { command: x, env: { A=B: c, D: { env: E, file: F } } }
  h h: { command: x }
  i: { command: x, timeout: 0s, idle: 5, tools: [] }
  j: { comand: x }
";
    let problems = load("pawl.yaml", text).unwrap_err();
    assert!(!format!("{}{problems}", problems.render(false)).contains("sk-canary"));
    insta::assert_snapshot!(problems.to_string());
    let many: Vec<_> = (0..=MCP_SERVERS_MAX).map(|n| format!("  s{n}: {{ command: x }}\n")).collect();
    let problems = load("pawl.yaml", &format!("mcp:\n{}", many.concat())).unwrap_err();
    assert!(problems.render(false).contains("mcp_servers_max is 100"));
}

#[test]
fn policies_and_grants_are_read_and_their_problems_told() {
    let text = "
policies:
  - { tool: payments.*, approval: required, when: arguments.amount > 100, to: group:finance, due: 24h, on_timeout: reject }
  - { tool: '*', approval: required, tainted: true }
untrusted: [mcp.web.*, http.get]
grants: { tools: [orders.*], models: [] }
";
    let policy = load("pawl.yaml", text).unwrap().policy;
    let first = &policy.approvals[0];
    assert_eq!((first.tool.as_str(), first.when.as_deref()), ("payments.*", Some("arguments.amount > 100")));
    assert_eq!((first.due, first.on_timeout.as_deref()), (Some(Duration(86_400_000)), Some("reject")));
    assert!(policy.approvals[1].tainted && policy.approvals.iter().all(|rule| rule.by == "the operator"));
    assert!(policy.untrusted.contains("mcp.web.*"));
    assert!(policy.grants.lets_tool("orders.lookup") && !policy.grants.lets_tool("payments.refund"));
    assert_eq!(policy.grants.models.as_ref().map(std::collections::BTreeSet::len), Some(0));
    assert!(policy.grants.http.is_none());
    let text = "
policies:
  - { tool: payments, approval: required }
  - { tool: pay.*.all, approval: required }
  - { tool: a.b, approval: sometimes }
  - { tool: a.b, approval: required, when: inputs.amount > 1 }
  - { tool: a.b, approval: required, when: arguments.amount > }
  - { tool: a.b, approval: required, due: 1h }
  - { tool: a.b, approval: required, due: 1h, on_timeout: wait }
  - { tool: a.b, approval: required, to: finance }
untrusted: [web]
grants: { tool: [a.b] }
";
    insta::assert_snapshot!(load("pawl.yaml", text).unwrap_err().to_string());
    let many = "  - { tool: a.b, approval: required }\n".repeat(crate::guard::GUARD_RULES_MAX + 1);
    let problems = load("pawl.yaml", &format!("policies:\n{many}")).unwrap_err();
    assert!(problems.render(false).contains("guard_rules_max is 100"));
}

#[test]
fn trusted_keys_and_registries_are_read() {
    let key = format!("ed25519:{}", "0f".repeat(32));
    let text = format!(
        "trusted_keys:
  release: {{ key: \"{key}\" }}
  team: {{ file: team.pub }}
registries:
  localhost:5000: {{ insecure: false }}
  r.example.com: {{ username: ann, password: {{ env: PASSWORD }} }}
"
    );
    let operator = load("pawl.yaml", &text).unwrap();
    assert_eq!(operator.trusted_keys["release"], TrustedKey::Key(key.parse().unwrap()));
    assert_eq!(operator.trusted_keys["team"], TrustedKey::File("team.pub".to_owned()));
    assert_eq!(operator.registries["localhost:5000"], Registry { insecure: Some(false), login: None });
    let login = Login { username: "ann".to_owned(), password: KeyPlace::Env("PASSWORD".to_owned()) };
    assert_eq!(operator.registries["r.example.com"], Registry { insecure: None, login: Some(login) });
}

#[test]
fn problems_of_trusted_keys_and_registries_are_told() {
    let text = "
trusted_keys:
  a: { key: \"ed25519:00\" }
  b: {}
  c: { key: \"ed25519:00\", file: f }
  d d: { file: f }
registries:
  https://r: {}
  h: { username: ann }
  i: { username: 'a:b', password: { env: A } }
  j: { username: ann, password: sk-canary }
  k: { insecure: 1, passwords: sk-canary }
";
    let problems = load("pawl.yaml", text).unwrap_err();
    let shown = format!("{problems}\n{}", problems.to_json());
    assert!(!shown.contains("sk-canary"), "{shown}");
    for part in [
        "a public key is",
        "a trusted key needs one of key and file",
        "'d d' cannot be the name of a trusted key",
        "is not the host of a registry",
        "a registry needs username and password",
        "username has a colon in it",
        "a password never stands in pawl.yaml",
        "insecure must be true or false",
        "a registry has no key 'passwords'",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let many = |what: &str, entry: &str, count: usize| {
        let entries: Vec<_> = (0..count).map(|n| format!("  m{n}: {{ {entry} }}\n")).collect();
        load("pawl.yaml", &format!("{what}:\n{}", entries.concat()))
    };
    assert!(many("trusted_keys", "file: f", TRUSTED_KEYS_MAX).is_ok());
    let problems = many("trusted_keys", "file: f", TRUSTED_KEYS_MAX + 1).unwrap_err();
    assert!(problems.render(false).contains("trusted_keys_max is 100"));
    assert!(many("registries", "", REGISTRIES_MAX).is_ok());
    let problems = many("registries", "", REGISTRIES_MAX + 1).unwrap_err();
    assert!(problems.render(false).contains("registries_max is 100"));
}

#[test]
fn whose_tokens_are_taken_is_read_and_its_problems_are_told() {
    let text = "
identity:
  issuer: https://login.example.com
  audience: pawl
  jwks_file: keys.json
  algorithms: ES256
  claims: { name: email, namespace: tenant }
  roles: { pawl-admins: admin }
";
    let identity = load("pawl.yaml", text).unwrap().identity.unwrap();
    assert_eq!(identity.jwks, JwksPlace::File("keys.json".to_owned()));
    assert_eq!(identity.algorithms, ["ES256"]);
    assert_eq!((&*identity.claims.name, &*identity.claims.groups), ("email", "groups"));
    assert_eq!(identity.claims.namespace.as_deref(), Some("tenant"));
    assert_eq!(identity.roles["pawl-admins"], "admin");
    let with = |keys: &str| format!("identity: {{ issuer: i, audience: a, {keys} }}\n");
    let many = (0..=IDENTITY_ROLES_MAX).map(|n| format!("r{n}: viewer")).collect::<Vec<_>>().join(", ");
    let cases = [
        ("identity: { issuer: i, jwks_file: f }\n".to_owned(), "audience"),
        (with("algorithms: [RS256]"), "one of jwks_url and jwks_file"),
        (with("jwks_file: f, jwks_url: 'https://a/b'"), "one of jwks_url and jwks_file"),
        (with("jwks_url: 'ftp://a/b'"), "jwks_url is no address"),
        (with("jwks_url: 'https://user:x@a/b'"), "jwks_url is no address"),
        (with("jwks_file: f, algorithms: [none]"), "tokens signed with 'none' are not taken"),
        (with("jwks_file: f, algorithms: [HS256]"), "tokens signed with 'HS256' are not taken"),
        (with("jwks_file: f, roles: { a: root }"), "there is no role 'root'"),
        (with(&format!("jwks_file: f, roles: {{ {many} }}")), "identity_roles_max is 100"),
    ];
    for (text, says) in cases {
        let told = load("pawl.yaml", &text).unwrap_err().render(false);
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn problems_of_secrets_and_folders_are_told() {
    let text = |text: &str| load("pawl.yaml", text).map_err(|problems| problems.render(false));
    let good = text(
        "secrets: { one: { env: A, hosts: a.test }, two: { file: b, hosts: [b.test:8443] } }\n\
         files: [{ path: data }, { path: /srv, mode: write }]\nnew_plugins: hold\n\
         grants: { http: [a.test, { host: b.test, methods: GET }], secrets: [one] }\n",
    )
    .unwrap();
    assert_eq!(good.secrets.len(), 2);
    assert_eq!(good.files.values().map(|mode| mode.name()).collect::<Vec<_>>(), ["write", "read"]);
    assert!(good.hold_new_plugins);
    assert_eq!(good.policy.grants.http.unwrap().to_string(), "a.test, b.test=GET");
    for (wrong, part) in [
        ("secrets: { one: sk-canary }", "a secret never stands in pawl.yaml"),
        ("secrets: { one: { env: A } }", "hosts"),
        ("secrets: { one: { env: A, file: b, hosts: a.test } }", "one of env and file"),
        ("secrets: { one: { env: A, hosts: [] } }", "hosts names no host"),
        ("secrets: { one: { env: A, hosts: ['*.a.test'] } }", "'*.a.test' is not a host"),
        ("secrets: { one: { env: A, hosts: [{ host: a.test, methods: GET }] } }", "have no methods"),
        ("files: [{ path: '' }]", "the path of a folder cannot be this"),
        ("files: [{ path: a, mode: append }]", "there is no mode 'append'"),
        ("files: [{ path: a }, { path: a, mode: write }]", "'a' stands here twice"),
        ("new_plugins: ask", "new_plugins cannot be 'ask'"),
        ("grants: { http: [{ host: a.test, methods: get }] }", "'get' is not a method"),
        ("grants: { http: [{ host: a.test, methods: [] }] }", "methods names no method"),
    ] {
        let told = text(wrong).unwrap_err();
        assert!(told.contains(part) && !told.contains("canary"), "{wrong}: {told}");
    }
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let secrets = |count| many(count, &|n| format!("  s{n}: {{ env: A, hosts: a.test }}\n"));
    assert!(text(&format!("secrets:\n{}", secrets(SECRETS_MAX))).is_ok());
    assert!(
        text(&format!("secrets:\n{}", secrets(SECRETS_MAX + 1))).unwrap_err().contains("secrets_max is 100")
    );
    let folders = |count| many(count, &|n| format!("  - {{ path: f{n} }}\n"));
    assert!(text(&format!("files:\n{}", folders(100))).is_ok());
    assert!(text(&format!("files:\n{}", folders(101))).unwrap_err().contains("folders_max is 100"));
}

#[test]
fn what_namespaces_are_given_is_read_and_lies_within_what_everybody_is() {
    let text = |text: &str| load("pawl.yaml", text).map_err(|problems| problems.render(false));
    let operator = text(
        "grants: { tools: [orders.*], models: [fast, slow], secrets: [one, two] }\nfiles: [{ path: all }]\n\
         namespaces:\n  acme: { grants: { tools: [orders.lookup, pay.*], secrets: [two] }, files: [{ path: own }] }\n  bare: {}\n",
    )
    .unwrap();
    let of = |name: &str| operator.namespaces[&name.parse().unwrap()].policy(&operator.policy);
    let acme = of("acme");
    let listed = |names: &Option<BTreeSet<String>>| names.iter().flatten().cloned().collect::<Vec<_>>();
    assert_eq!(listed(&acme.grants.tools), ["orders.lookup"]);
    assert_eq!(listed(&acme.grants.models), ["fast", "slow"]);
    assert_eq!(listed(&acme.grants.secrets), ["two"]);
    assert_eq!(acme.files.keys().collect::<Vec<_>>(), ["own"]);
    let bare = of("bare");
    assert_eq!(bare.grants.secrets, Some(BTreeSet::new()), "what is not given is not there");
    assert!(bare.files.is_empty());
    for (wrong, part) in [
        ("namespaces: { default: {} }", "nothing is said of 'default' here"),
        ("namespaces: { Acme: {} }", "'Acme' is not the name of a namespace"),
        ("namespaces: { acme: { models: [a] } }", "models"),
        ("namespaces: { acme: { files: [{ path: '' }] } }", "the path of a folder cannot be this"),
    ] {
        let told = text(wrong).unwrap_err();
        assert!(told.contains(part), "{wrong}: {told}");
    }
    let many = |count: usize| (0..count).map(|n| format!("  n{n}: {{}}\n")).collect::<Vec<_>>().concat();
    assert!(text(&format!("namespaces:\n{}", many(NAMESPACES_MAX))).is_ok());
    let told = text(&format!("namespaces:\n{}", many(NAMESPACES_MAX + 1))).unwrap_err();
    assert!(told.contains("namespaces_max is 1000"), "{told}");
}

#[test]
fn where_spans_go_is_read_and_no_key_of_it_stands_in_the_file() {
    use crate::operator::Content;
    let text = "
telemetry:
  endpoint: https://collector.example.com:4318/
  headers: { Authorization: { env: COLLECTOR_TOKEN, prefix: 'Bearer ' } }
  service: refunds
  timeout: 10m
  content: tools
";
    let operator = load("pawl.yaml", text).unwrap();
    let spans = &operator.telemetry;
    assert_eq!(spans.endpoint.as_deref(), Some("https://collector.example.com:4318"));
    assert_eq!(spans.timeout, Some(Duration(COLLECTOR_TIMEOUT_MAX_MS)));
    assert_eq!((spans.service.as_deref(), spans.content), (Some("refunds"), Content::Tools));
    assert!(spans.content.tools() && !spans.content.models());
    assert_eq!(spans.headers["authorization"].prefix, "Bearer ");
    let kept: Vec<_> = operator.kept().into_iter().map(|(what, _)| what).collect();
    assert_eq!(kept, ["the header 'authorization' of `telemetry`"]);
    assert_eq!(load("pawl.yaml", "telemetry: {}\n").unwrap(), Operator::default());
    for (wrong, told) in [
        ("endpoint: 'http://user:canary@host'", "endpoint is no address"),
        ("endpoint: 'grpc://host'", "write it as in http://127.0.0.1:4318"),
        ("headers: { Authorization: tok-canary }", "the value of a header never stands in pawl.yaml"),
        ("headers: { Content-Type: { env: A } }", "cannot be set"),
        ("timeout: 601s", "collector_timeout_max_ms is 600000"),
        ("timeout: 0s", "timeout is nothing"),
        ("content: tool", "did you mean 'tools'?"),
        ("sample: 1", "sample"),
    ] {
        let problems = load("pawl.yaml", &format!("telemetry: {{ {wrong} }}\n")).unwrap_err();
        let shown = problems.render(false);
        assert!(shown.contains(told) && !shown.contains("canary"), "{shown}");
    }
}

#[test]
fn who_is_told_is_read_and_its_problems_told() {
    let good = "
notify:
  desk: { url: 'http://127.0.0.1:9/x', secret: { env: S }, events: opened, links: 24h }
  chat: { tool: http.post_keyed, http: [chat.test], secrets: chat, with: { json: '${{ inputs.notification.id }}' } }
  x-note: free
";
    let read = load("pawl.yaml", good).unwrap();
    let desk = &read.notify["desk"];
    assert_eq!(desk.events.iter().map(|event| event.name()).collect::<Vec<_>>(), ["opened"]);
    assert_eq!(desk.links, Some(Duration(86_400_000)));
    let NotifyWay::Tool(tool) = &read.notify["chat"].told else { panic!("a tool") };
    assert_eq!(
        (&*tool.plugin, &*tool.tool, tool.http.to_string().as_str()),
        ("http", "post_keyed", "chat.test")
    );
    assert!(tool.secrets.contains("chat") && tool.with.is_some());
    assert_eq!(read.notify["chat"].events.len(), NotifyOn::ALL.len());
    assert_eq!(
        read.kept().iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(),
        ["the secret of notify 'desk'"]
    );
    let hook = |more: &str| format!("url: 'https://x/hunter2', secret: {{ env: S }}, {more}");
    for (entry, words) in [
        ("url: 'ftp://x', secret: { env: S }".to_owned(), "no address of a web hook"),
        ("url: 'https://ann:hunter2@x/', secret: { env: S }".to_owned(), "no address of a web hook"),
        ("url: 'http://desk.test/hunter2', secret: { env: S }".to_owned(), "is told over TLS"),
        ("url: 'https://x', secret: hunter2".to_owned(), "never stands in pawl.yaml"),
        ("url: 'https://x'".to_owned(), "needs the key 'secret'"),
        (hook("events: [closed]"), "'closed'"),
        (hook("links: 31d"), "cannot be good for 31d"),
        (hook("links: 0s"), "cannot be good for"),
        (hook("tool: http.get"), "one of url and tool"),
        (hook("with: { a: 1 }"), "has no 'with'"),
        ("events: opened".to_owned(), "one of url and tool"),
        ("tool: http".to_owned(), "'http' names no tool"),
        ("tool: http.*".to_owned(), "'http.*' names no tool"),
        ("tool: http.get, secret: { env: S }".to_owned(), "has no 'secret'"),
        ("tool: http.get, with: 3".to_owned(), "with must be a map"),
        ("tool: http.get, http: 'https://x'".to_owned(), "is not a host"),
    ] {
        let text = format!("notify:\n  desk: {{ {entry} }}\n");
        let problems = load("pawl.yaml", &text).unwrap_err().to_string();
        assert!(problems.contains(words) && !problems.contains("hunter2"), "{entry}: {problems}");
    }
    let many = |count: usize| {
        let entries = (0..count).map(|n| format!("  h{n}: {{ tool: http.get }}\n"));
        load("pawl.yaml", &format!("notify:\n{}", entries.collect::<String>()))
    };
    assert!(many(NOTIFY_MAX).is_ok());
    assert!(many(NOTIFY_MAX + 1).unwrap_err().render(false).contains("notify_max is 20"));
}
