//! A small OTLP collector outside of pawl: it decodes what arrives, as the standard has it, and keeps it.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::patiently;

/// The longest request that is read.
const REQUEST_MAX_BYTES: usize = 8 << 20;

/// A span as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    /// The same; empty for none.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// All of it.
    pub json: Value,
    /// The name of the service that it came from.
    pub service: String,
}

impl Received {
    /// What it says under a name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let all = self.json["attributes"].as_array()?;
        let value = &all.iter().find(|attribute| attribute["key"] == name)?["value"];
        value["stringValue"].as_str().or_else(|| value["intValue"].as_str())
    }
}

/// The collector, until it is dropped.
#[derive(Debug)]
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` names.
    pub endpoint: String,
    kept: Arc<Kept>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Kept {
    spans: Mutex<Vec<Received>>,
    /// The heads of requests whose spans were kept.
    heads: Mutex<Vec<String>>,
    /// Requests that came, those that were refused among them.
    requests: watch::Sender<usize>,
    /// What is answered in place of what is right; 0 for that.
    status: AtomicU16,
    largest: AtomicUsize,
}

impl Collector {
    /// It gives no answer.
    pub const HANGS: u16 = 1;
    /// It answers with far more than anybody reads.
    pub const FLOODS: u16 = 2;

    /// Starts one.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (spans, status, largest) = (Mutex::default(), AtomicU16::new(0), AtomicUsize::new(0));
        let (requests, heads) = (watch::Sender::new(0), Mutex::default());
        let kept = Arc::new(Kept { spans, heads, requests, status, largest });
        let keeps = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that was killed in the middle is no trouble here.
                let keeps = Arc::clone(&keeps);
                tokio::spawn(async move { answer(stream, &keeps).await });
            }
        });
        Ok(Self { endpoint, kept, task })
    }

    /// The most spans that came in one request.
    pub fn largest(&self) -> usize {
        self.kept.largest.load(Ordering::SeqCst)
    }

    /// From now on, answers this and keeps nothing, or nothing at all ([`Collector::HANGS`]), or keeps what comes and
    /// answers far too much ([`Collector::FLOODS`]); 0 for keeping what comes.
    pub fn answers(&self, status: u16) {
        self.kept.status.store(status, Ordering::SeqCst);
    }

    /// The heads of the requests whose spans were kept, in order.
    pub fn heads(&self) -> Vec<String> {
        self.kept.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every span that came and was kept, in order.
    pub fn spans(&self) -> Vec<Received> {
        self.kept.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many requests came, refused ones among them.
    pub async fn asked(&self, requests: usize) -> Result<()> {
        let mut told = self.kept.requests.subscribe();
        patiently("a request", told.wait_for(|came| *came >= requests)).await??;
        Ok(())
    }

    /// Waits until what was kept is as is wanted, and gives it.
    pub async fn until(&self, what: &str, wanted: impl Fn(&[Received]) -> bool) -> Result<Vec<Received>> {
        let mut told = self.kept.requests.subscribe();
        let came = patiently(what, told.wait_for(|_| wanted(&self.spans()))).await.map(drop);
        came.with_context(|| format!("there is {:?}", self.names()))?;
        Ok(self.spans())
    }

    /// Waits until a span of this name was kept.
    pub async fn named(&self, name: &str) -> Result<Vec<Received>> {
        self.until(name, |spans| spans.iter().any(|span| span.name == name)).await
    }

    fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, kept: &Kept) -> Result<()> {
    let (head, body) = read(&mut stream).await?;
    let status = kept.status.load(Ordering::SeqCst);
    if matches!(status, 0 | Collector::FLOODS) {
        ensure!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        ensure!(head.to_ascii_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{head}");
        let spans = decode(&serde_json::from_slice(&body)?)?;
        kept.largest.fetch_max(spans.len(), Ordering::SeqCst);
        kept.heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        kept.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
    }
    let (status, body) = match status {
        0 => (200, "{\"partialSuccess\":{}}".to_owned()),
        Collector::HANGS => {
            kept.requests.send_modify(|requests| *requests += 1);
            return std::future::pending().await;
        }
        Collector::FLOODS => (200, format!("{{\"more\":\"{}\"}}", "x".repeat(1 << 20))),
        status => (status, "{}".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    kept.requests.send_modify(|requests| *requests += 1);
    Ok(())
}

async fn read(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end + 2].to_vec())?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.context("a body's length")? {
                return Ok((head, body.to_vec()));
            }
        }
        let read = stream.read(&mut piece).await?;
        ensure!(read > 0 && bytes.len() < REQUEST_MAX_BYTES, "no whole request");
        bytes.extend_from_slice(&piece[..read]);
    }
}

/// An `ExportTraceServiceRequest` in the JSON of OTLP. What a collector would refuse is an error.
fn decode(request: &Value) -> Result<Vec<Received>> {
    let mut spans = Vec::new();
    for resource in request["resourceSpans"].as_array().context("resourceSpans")? {
        let about = resource["resource"]["attributes"].as_array().context("a resource")?;
        let service = about.iter().find(|attribute| attribute["key"] == "service.name");
        let service = service.and_then(|of| of["value"]["stringValue"].as_str()).context("service.name")?;
        for scope in resource["scopeSpans"].as_array().context("scopeSpans")? {
            ensure!(scope["scope"]["name"].is_string(), "a scope");
            for span in scope["spans"].as_array().context("spans")? {
                spans.push(received(span, service)?);
            }
        }
    }
    Ok(spans)
}

fn received(span: &Value, service: &str) -> Result<Received> {
    let id = |name: &str, digits: usize| {
        let text = span[name].as_str().with_context(|| format!("{name} of {span}"))?;
        let is_id = text.len() == digits && text.bytes().all(|c| c.is_ascii_hexdigit());
        ensure!(is_id && text.bytes().any(|c| c != b'0'), "{name} is {text}");
        Ok(text.to_owned())
    };
    let nanos = |name: &str| -> Result<u64> {
        Ok(span[name].as_str().with_context(|| format!("{name} of {span}"))?.parse()?)
    };
    ensure!(nanos("startTimeUnixNano")? <= nanos("endTimeUnixNano")?, "{span} ends before it begins");
    ensure!(matches!(span["kind"].as_u64(), Some(1..=5)), "the kind of {span}");
    let attributes = span["attributes"].as_array().context("attributes")?;
    for attribute in attributes {
        let value = attribute["value"].as_object().context("a value")?;
        let is_known =
            value.keys().all(|kind| matches!(kind.as_str(), "stringValue" | "intValue" | "arrayValue"));
        ensure!(attribute["key"].is_string() && value.len() == 1 && is_known, "{attribute}");
    }
    Ok(Received {
        trace: id("traceId", 32)?,
        id: id("spanId", 16)?,
        parent: if span.get("parentSpanId").is_some() { id("parentSpanId", 16)? } else { String::new() },
        name: span["name"].as_str().context("a name")?.to_owned(),
        json: span.clone(),
        service: service.to_owned(),
    })
}
