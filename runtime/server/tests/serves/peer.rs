//! A server in this process, and a client of it that speaks HTTP/1.0 over a bare socket: what it reads ends with the
//! connection, and it can go away at any byte.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pawl_engine::{Engine, EngineConfig};
use pawl_server::{Server, ServerConfig};
use pawl_store::memory::MemoryStore;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long anything is waited for. Nothing takes that long; a test that hangs ends so.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A step that asks a person.
pub(crate) const ASK: &str = r#"
pawl: 1
workflow: ask
version: 1.0.0
inputs:
  n: { type: integer, default: 1 }
steps:
  - id: ask
    human:
      title: "Number ${{ inputs.n }}?"
      actions: [approve, reject]
      form: { note: { type: string, optional: true } }
      due: 48h
      on_timeout: reject
outputs:
  action: ${{ steps.ask.output.action }}
"#;

/// Waits for signals, one after the other.
pub(crate) const SIGNALS: &str = "
pawl: 1
workflow: signals
version: 1.0.0
steps:
  - { id: a, signal: { name: go, due: 7d } }
  - { id: b, signal: { name: go, due: 7d } }
  - { id: c, signal: { name: go, due: 7d } }
";

/// A step that does nothing but set a value.
pub(crate) const QUICK: &str = r#"
pawl: 1
workflow: quick
version: 1.0.0
inputs:
  n: { type: integer, default: 1 }
steps:
  - { id: a, set: { n: "${{ inputs.n }}" } }
outputs:
  n: ${{ steps.a.output.n }}
"#;

/// A server in this process.
pub(crate) struct Served {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

/// Serves on a store in memory.
pub(crate) async fn serve(change: impl FnOnce(&mut ServerConfig)) -> Served {
    let engine = Engine::open(Arc::new(MemoryStore::new()), EngineConfig::default()).await.unwrap();
    serve_on(engine, change).await
}

/// Serves what an engine has.
pub(crate) async fn serve_on(engine: Engine, change: impl FnOnce(&mut ServerConfig)) -> Served {
    let mut config =
        ServerConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServerConfig::default() };
    change(&mut config);
    let server = Server::bind(engine.clone(), &config).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    Served { engine, address, stop: Some(stop) }
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// Its JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its JSON, where the status is this one.
    #[track_caller]
    pub(crate) fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// Checks that it is a problem with this code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.with(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/problems/{code}"));
        problem
    }
}

impl Served {
    pub(crate) async fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let named =
            if head.contains("\r\nhost:") { String::new() } else { format!("\r\nhost: {}", self.address) };
        stream.write_all(format!("{head}{named}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, more: &[&str], body: &str) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.0");
        if !body.is_empty() {
            head.extend([format!("\r\ncontent-length: {}", body.len())]);
        }
        head.extend(more.iter().map(|line| format!("\r\n{line}")));
        let mut stream = self.send(&head, body).await;
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, text: body.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &["content-type: application/json"], &body.to_string()).await
    }

    /// Starts a run of a workflow's text; gives its id.
    pub(crate) async fn start(&self, source: &str) -> String {
        let run = self.post("/v1/runs", &serde_json::json!({ "source": source })).await.with(201);
        run["id"].as_str().unwrap().to_owned()
    }

    /// The run once it has ended or waits for something from outside.
    pub(crate) async fn settled(&self, run: &str) -> Value {
        let settled = self.engine.settled(run.parse().unwrap());
        timeout(PATIENCE, settled).await.expect("the run's rest").unwrap();
        self.get(&format!("/v1/runs/{run}")).await.with(200)
    }

    /// A stream from behind what was seen last.
    pub(crate) async fn listen(&self, path: &str, last: Option<&str>) -> Listening {
        let last = last.map(|id| format!("\r\nlast-event-id: {id}")).unwrap_or_default();
        let stream = self.send(&format!("GET {path} HTTP/1.0{last}"), "").await;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        timeout(PATIENCE, stream.read_line(&mut line)).await.expect("a head").unwrap();
        assert!(line.contains(" 200 "), "{line}");
        while line.trim() != "" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        Listening { stream }
    }

    /// Ends the server.
    pub(crate) fn end(&mut self) {
        self.stop.take();
    }
}

/// A stream that is listened to.
pub(crate) struct Listening {
    stream: BufReader<TcpStream>,
}

/// An event of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Listening {
    /// The next event; nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        timeout(PATIENCE, self.read()).await.expect("an event")
    }

    async fn read(&mut self) -> Option<Heard> {
        let mut heard = Heard::default();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(':') {
                Some(("event", name)) => name.trim_start().clone_into(&mut heard.name),
                Some(("id", id)) => heard.id = Some(id.trim_start().to_owned()),
                Some(("data", data)) => heard.data = serde_json::from_str(data.trim_start()).unwrap(),
                _ if line.trim().is_empty() && !heard.name.is_empty() => return Some(heard),
                _ => {}
            }
        }
    }

    /// The next event with a name.
    pub(crate) async fn named(&mut self, name: &str) -> Heard {
        loop {
            let heard = self.next().await.unwrap_or_else(|| panic!("the stream ended before '{name}'"));
            if heard.name == name {
                return heard;
            }
        }
    }
}
