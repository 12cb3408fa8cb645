//! One order for all settings, and errors that say who set what cannot be used.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};
use pawl_core::language::Shape;
use pawl_core::language::operator::{RETENTION, SERVER, SERVER_LIMITS};
use pawl_core::operator::Operator;
use pawl_core::source::operator;
use pawl_server::ServerError;

use super::{Layers, Setup};
use crate::args::{Cli, Command};
use crate::backend::retention;
use crate::fault::Fault;

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

/// What one place says of settings, each as it is written there.
#[derive(Debug, Default)]
struct Said {
    flags: Vec<String>,
    variables: BTreeMap<String, String>,
    yaml: String,
}

impl Said {
    fn setup(&self) -> Result<(Setup, Operator), Fault> {
        let line = ["pawl", "serve"].map(str::to_owned).into_iter().chain(self.flags.clone());
        let Command::Serve(args) = Cli::try_parse_from(line).expect("the flags are right").command else {
            panic!("it is `serve`")
        };
        let operator = if self.yaml.is_empty() {
            Operator::default()
        } else {
            operator::load("pawl.yaml", &self.yaml).expect("the file is right")
        };
        let variable = |name: &str| self.variables.get(name).map(OsString::from);
        let file = (&operator.server, Path::new("/etc/pawl"));
        Ok((Setup::new(&args.serving, &Layers::new(&variable), file)?, operator))
    }

    fn kept(&self) -> String {
        let (_, operator) = self.setup().unwrap();
        let variable = |name: &str| self.variables.get(name).map(OsString::from);
        let kept = retention::setting(operator.retention, &Layers::new(&variable)).unwrap();
        let kept = kept.map(|kept| kept.retention).unwrap_or_default();
        format!("{:?} {:?}", kept.older_than.map(|age| age.to_string()), kept.keep)
    }
}

/// A setting, three values for it, the strongest place first, and how the one that holds is read.
struct Row {
    flag: Option<&'static str>,
    variable: &'static str,
    key: String,
    values: [String; 3],
    /// As the file writes the third.
    written: String,
    /// What must be said beside it.
    beside: &'static str,
    usual: String,
    read: Box<dyn Fn(&Said) -> String>,
}

impl Row {
    fn of(
        (flag, variable, key): (&'static str, &'static str, &str),
        values: [&str; 3],
        usual: &str,
        read: impl Fn(&Setup) -> String + 'static,
    ) -> Self {
        Self {
            flag: Some(flag),
            variable,
            key: format!("server.{key}"),
            values: values.map(str::to_owned),
            written: format!("\"{}\"", values[2]),
            beside: "",
            usual: usual.to_owned(),
            read: Box::new(move |said| read(&said.setup().unwrap().0)),
        }
    }

    fn beside(self, beside: &'static str) -> Self {
        Self { beside, ..self }
    }

    fn bare(self) -> Self {
        Self { written: self.values[2].clone(), ..self }
    }

    /// What the places from the flag on say, of those that are to say something.
    fn said(&self, [flag, variable, file]: [bool; 3]) -> Said {
        let mut said = Said::default();
        if let (true, Some(name)) = (flag, self.flag) {
            said.flags = vec![name.to_owned(), self.values[0].clone()];
        }
        let text = if variable { self.values[1].clone() } else { String::new() };
        said.variables.insert(self.variable.to_owned(), text);
        let (place, key) = self.key.split_once('.').unwrap();
        let own = match key.split_once('.') {
            Some((map, key)) => format!("{map}: {{ {key}: {} }}", self.written),
            None => format!("{key}: {}", self.written),
        };
        let is_any = flag || variable || file;
        let parts = [file.then_some(own.as_str()), is_any.then_some(self.beside)];
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            said.yaml = format!("{place}: {{ {} }}\n", parts.join(", "));
        }
        said
    }
}

fn rows() -> Vec<Row> {
    let path =
        |path: Option<&std::path::PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let mut rows = vec![
        Row::of(
            ("--listen", "PAWL_LISTEN", "listen"),
            ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"],
            "127.0.0.1:8917",
            |setup| setup.config.listen.to_string(),
        ),
        Row::of(("--drain", "PAWL_DRAIN", "drain"), ["1s", "2s", "3s"], "30s", |setup| {
            format!("{}s", setup.drain.as_secs())
        }),
        Row::of(("--identity", "PAWL_IDENTITY", "identity"), ["off", "required", "off"], "usual", |setup| {
            format!("{:?}", setup.config.identity).to_lowercase()
        }),
        Row::of(("--tls-cert", "PAWL_TLS_CERT", "tls_cert"), ["/1", "/2", "/3"], "", move |setup| {
            path(setup.config.tls.as_ref().map(|tls| &tls.cert))
        })
        .beside("tls_key: k"),
        Row::of(("--tls-key", "PAWL_TLS_KEY", "tls_key"), ["/1", "/2", "/3"], "", move |setup| {
            path(setup.config.tls.as_ref().map(|tls| &tls.key))
        })
        .beside("tls_cert: c"),
        Row::of(("--host", "PAWL_HOSTS", "hosts"), ["a.test", "b.test", "c.test"], "", |setup| {
            setup.config.hosts.join(",")
        }),
        Row::of(
            ("--allow-origin", "PAWL_ALLOW_ORIGINS", "allow_origins"),
            ["https://a.test", "https://b.test", "https://c.test"],
            "",
            |setup| setup.config.origins.join(","),
        ),
        Row::of(
            ("--public-url", "PAWL_PUBLIC_URL", "public_url"),
            ["https://a.test", "https://b.test", "https://c.test"],
            "",
            |setup| setup.config.public_url.clone().unwrap_or_default(),
        ),
        Row::of(
            ("--token-requests-max", "PAWL_TOKEN_REQUESTS_MAX", "token_requests_max"),
            ["1", "2", "3"],
            "200",
            |setup| setup.config.token_requests_per_second_max.to_string(),
        )
        .bare(),
    ];
    rows.extend(limits());
    rows.extend(kept());
    rows
}

/// Each limit by its name.
fn limits() -> Vec<Row> {
    let rows = SERVER_LIMITS.keys().map(|key| {
        let Shape::Whole(from, _) = key.shape else { panic!("{} is a whole number", key.name) };
        let name = key.name;
        let usual = pawl_server::ServerLimits::default().named()[name];
        let read = move |said: &Said| {
            let setup = said.setup().unwrap().0;
            format!("{name}={}", setup.config.limits.named()[name])
        };
        let values = [from, from + 1, from + 2].map(|number| format!("{name}={number}"));
        Row {
            flag: Some("--limit"),
            variable: "PAWL_LIMITS",
            key: format!("server.limits.{name}"),
            written: (from + 2).to_string(),
            values,
            beside: "",
            usual: format!("{name}={usual}"),
            read: Box::new(read),
        }
    });
    rows.collect()
}

/// Which runs are kept.
fn kept() -> Vec<Row> {
    let mut rows = Vec::new();
    for (variable, key, values, written, usual) in [
        (
            "PAWL_KEEP_FOR",
            "keep_for",
            ["", "2d", "3d"],
            ["", "Some(\"2d\") None", "Some(\"3d\") None"],
            "None None",
        ),
        ("PAWL_KEEP_RUNS", "keep_runs", ["", "2", "3"], ["", "None Some(2)", "None Some(3)"], "None None"),
    ] {
        let is_number = key == "keep_runs";
        rows.push(Row {
            flag: None,
            variable,
            key: format!("retention.{key}"),
            values: values.map(str::to_owned),
            written: if is_number { values[2].to_owned() } else { format!("\"{}\"", values[2]) },
            beside: "",
            usual: usual.to_owned(),
            read: Box::new(move |said| {
                let kept = said.kept();
                // As it was written, so that all rows are compared alike.
                let at = written.iter().position(|text| *text == kept);
                at.map_or(kept, |at| values[at].to_owned())
            }),
        });
    }
    rows
}

#[test]
fn every_setting_is_that_of_the_command_line_then_the_environment_then_the_file_then_the_default() {
    for row in rows() {
        let has_flag = row.flag.is_some();
        let held = |said: [bool; 3]| (row.read)(&row.said(said));
        let name = &row.key;
        if has_flag {
            assert_eq!(held([true, true, true]), row.values[0], "{name}: the flag is first");
            assert_eq!(held([true, false, true]), row.values[0], "{name}: the flag is before the file");
        }
        assert_eq!(held([false, true, true]), row.values[1], "{name}: the environment is before the file");
        assert_eq!(held([false, true, false]), row.values[1], "{name}: the environment alone");
        assert_eq!(held([false, false, true]), row.values[2], "{name}: the file is before the default");
        assert_eq!(held([false, false, false]), row.usual, "{name}: the default");
    }
}

#[test]
fn every_key_and_flag_of_the_server_is_in_that_table_and_in_the_documents() {
    let rows = rows();
    let keys: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let there = SERVER.keys().filter(|key| key.name != "limits").map(|key| format!("server.{}", key.name));
    let there = there.chain(SERVER_LIMITS.keys().map(|key| format!("server.limits.{}", key.name)));
    let there = there.chain(RETENTION.keys().map(|key| format!("retention.{}", key.name)));
    for key in there {
        assert!(keys.contains(key.as_str()), "{key} is not in the table");
    }
    let serve = Cli::command();
    let serve = serve.find_subcommand("serve").unwrap();
    let flags: BTreeSet<&str> = rows.iter().filter_map(|row| row.flag).collect();
    // Those of the store, and of spans, which the crate that sends them layers.
    let elsewhere = ["data", "otlp-endpoint", "otlp-service"];
    for flag in serve.get_arguments().filter_map(|arg| arg.get_long()) {
        let is_known = flags.contains(format!("--{flag}").as_str()) || elsewhere.contains(&flag);
        assert!(is_known, "--{flag} is not in the table");
    }
    for row in &rows {
        let key = row.key.split('.').take(2).collect::<Vec<_>>().join(".");
        let flag = row.flag.map(|flag| format!("`{flag}`"));
        let flag = flag.map_or_else(|| "| | ".to_owned(), |flag| format!("| {flag} | "));
        let line = format!("{flag}`{}` | `{key}` |", row.variable);
        assert!(OPERATIONS.contains(&line), "docs/operations.md has no line {line}");
    }
}

#[test]
fn paths_and_lists_are_read_as_where_they_stand_has_them() {
    let file = Said { yaml: "server: { tls_cert: c.pem, tls_key: /k.pem }\n".to_owned(), ..Said::default() };
    let tls = file.setup().unwrap().0.config.tls.unwrap();
    assert_eq!((tls.cert, tls.key), ("/etc/pawl/c.pem".into(), "/k.pem".into()));
    let lists = Said {
        variables: BTreeMap::from([
            ("PAWL_HOSTS".to_owned(), "a.test, b.test".to_owned()),
            ("PAWL_LIMITS".to_owned(), "request_max_ms=500, body_max_ms=600".to_owned()),
        ]),
        flags: ["--limit", "body_max_ms=700"].map(str::to_owned).to_vec(),
        yaml: "server: { hosts: c.test, limits: { request_max_ms: 400, stall_max_ms: 300 } }\n".to_owned(),
    };
    let config = lists.setup().unwrap().0.config;
    assert_eq!(config.hosts, ["a.test", "b.test"], "a list takes the place of all of the file's");
    let limits = &config.limits;
    assert_eq!((limits.request_max_ms, limits.body_max_ms, limits.stall_max_ms), (500, 700, 300));
}

#[test]
fn who_set_what_cannot_be_used_is_named() {
    let cases = [
        ("PAWL_LISTEN", "nowhere", "PAWL_LISTEN is 'nowhere': it is no address and port"),
        ("PAWL_DRAIN", "soon", "PAWL_DRAIN is 'soon': it is no duration"),
        ("PAWL_IDENTITY", "maybe", "PAWL_IDENTITY is 'maybe': write required, or off"),
        ("PAWL_HOSTS", "a.test,b/c", "PAWL_HOSTS is 'a.test,b/c': write a name alone"),
        ("PAWL_ALLOW_ORIGINS", "a.test", "PAWL_ALLOW_ORIGINS is 'a.test': write scheme and host"),
        ("PAWL_PUBLIC_URL", "a.test", "PAWL_PUBLIC_URL is 'a.test': write scheme and host"),
        ("PAWL_TOKEN_REQUESTS_MAX", "0", "PAWL_TOKEN_REQUESTS_MAX is '0': write a whole number from 1"),
        (
            "PAWL_LIMITS",
            "speed=1",
            "PAWL_LIMITS is 'speed=1': there is no limit 'speed'; there are connections_max,",
        ),
        ("PAWL_LIMITS", "body_max_ms=1", "body_max_ms is a whole number from 100 to 3600000"),
        ("PAWL_LIMITS", "body_max_ms", "PAWL_LIMITS is 'body_max_ms': write NAME=NUMBER"),
        ("PAWL_TLS_CERT", "c.pem", "PAWL_TLS_CERT names the certificate of TLS, and nothing names its key"),
        ("PAWL_TLS_KEY", "k.pem", "PAWL_TLS_KEY names the key of TLS, and nothing names its certificate"),
    ];
    for (variable, text, expected) in cases {
        let variables = BTreeMap::from([(variable.to_owned(), text.to_owned())]);
        let fault = Said { variables, ..Said::default() }.setup().unwrap_err();
        assert!(fault.message.contains(expected), "{}", fault.message);
        assert!(fault.hint.is_some(), "{}", fault.message);
    }
    let file = Said { yaml: "server: { tls_key: k.pem }\n".to_owned(), ..Said::default() };
    let fault = file.setup().unwrap_err();
    assert!(fault.message.starts_with("server.tls_key in pawl.yaml names the key"), "{}", fault.message);
    let flag = Said { flags: ["--listen", "127.0.0.1:1"].map(str::to_owned).to_vec(), ..Said::default() };
    let (setup, _) = flag.setup().unwrap();
    let source = std::io::Error::other("it is taken");
    let fault = setup.fault(ServerError::Listen { address: setup.config.listen, source });
    assert!(fault.message.ends_with("(--listen says so)"), "{}", fault.message);
}
