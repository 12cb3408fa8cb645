//! What the server's readers cost, and how soon it answers on a full store.
//!
//! `cargo bench --workspace --bench serve [-- SECONDS STORED]`
//!
//! 64 writers start runs of ten steps over HTTP and follow each to its end, on the default store in a temporary
//! folder: first alone, then while 500 listeners read streams (half of all runs, half of one run each) and eight
//! others ask for runs, one after the other, with a pause. Measured are durable steps a second in both, rounds of both in turn,
//! and how long the eight wait for an answer. Clients and server share this process and its cores, so what clients use
//! is counted against the server. Then a store is filled with runs that wait, and the `pawl` binary, which must have been
//! built, is started on it again and again: measured is the time to its first answer, and what it holds when idle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_engine::{Engine, EngineConfig, StartOptions};
use pawl_server::{Server, ServerConfig};
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_tests::{Serving, at_ms, memory_mib};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// That of the `pawl` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRITERS: usize = 64;
const LISTENERS: usize = 500;
const READERS: usize = 8;
const STEPS: usize = 10;
/// Rounds that alternate between writers alone and with readers.
const ROUNDS: usize = 3;
/// How long a reader waits between two questions.
const PAUSE: Duration = Duration::from_millis(20);
const SECONDS: u64 = 5;
const STORED: usize = 100_000;

/// What the project wants to stay below.
const AIM_SLOWER: f64 = 0.10;
const AIM_P99_MS: f64 = 50.0;
const AIM_FIRST_ANSWER: Duration = Duration::from_millis(300);
const AIM_OWN_MIB: u64 = 80;
/// How often the process is started.
const STARTS: usize = 5;
/// How long it is left alone before it is looked at what it holds.
const IDLE: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
struct Load {
    steps: AtomicU64,
    heard: AtomicU64,
    stop: AtomicBool,
}

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let seconds = Duration::from_secs(numbers.next().unwrap_or(SECONDS));
    let stored = numbers.next().and_then(|stored| usize::try_from(stored).ok()).unwrap_or(STORED);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        load(seconds).await?;
        start_up(stored).await
    })
}

async fn open(folder: &std::path::Path) -> Result<Engine> {
    let store = Arc::new(LmdbStore::open(folder, LmdbOptions::default())?);
    Ok(Engine::open(store, EngineConfig::default()).await?)
}

async fn serve(engine: Engine) -> Result<SocketAddr> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(engine, &ServerConfig { listen, ..ServerConfig::default() }).await?;
    let address = server.address();
    tokio::spawn(server.serve(std::future::pending()));
    Ok(address)
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address).await?;
    let kind = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    };
    let head = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n{kind}\r\n{body}");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, text) = answer.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.contains(" 200 ") || head.contains(" 201 "), "{answer}");
    Ok(serde_json::from_str(text)?)
}

/// Opens a stream and counts the bytes that come, until it ends or all is over.
async fn listen(address: SocketAddr, path: String, load: Arc<Load>) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut piece = vec![0; 16 << 10];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 || load.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        load.heard.fetch_add(read as u64, Ordering::Relaxed);
    }
}

async fn write(address: SocketAddr, body: Arc<String>, load: Arc<Load>) -> Result<()> {
    while !load.stop.load(Ordering::Relaxed) {
        let run = ask(address, "POST", "/v1/runs", &body).await?;
        let id = run["id"].as_str().context("an id")?;
        let quiet = Arc::new(Load::default());
        listen(address, format!("/v1/runs/{id}/events"), quiet).await?;
        load.steps.fetch_add(STEPS as u64, Ordering::Relaxed);
    }
    Ok(())
}

async fn read(address: SocketAddr, run: String, load: Arc<Load>) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for number in 0_usize.. {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let paths = ["/v1/runs?limit=50".to_owned(), format!("/v1/runs/{run}"), "/v1/approvals".to_owned()];
        let begun = Instant::now();
        ask(address, "GET", &paths[number % paths.len()], "").await?;
        took.push(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(took)
}

fn source() -> String {
    let steps: Vec<_> =
        (0..STEPS).map(|at| format!("{{ id: s{at}, tool: echo.say, with: {{ text: hi }} }}")).collect();
    format!("pawl: 1\nworkflow: ten\nversion: 1.0.0\nsteps: [{}]\n", steps.join(", "))
}

/// Steps a second, and how long readers waited.
async fn round(
    address: SocketAddr,
    run: &str,
    seconds: Duration,
    with_readers: bool,
) -> Result<(f64, Vec<Duration>)> {
    let load = Arc::new(Load::default());
    let (mut readers, mut listeners) = (tokio::task::JoinSet::new(), tokio::task::JoinSet::new());
    if with_readers {
        for number in 0..LISTENERS {
            let path =
                if number % 2 == 0 { "/v1/events".to_owned() } else { format!("/v1/runs/{run}/events") };
            listeners.spawn(listen(address, path, Arc::clone(&load)));
        }
        for _ in 0..READERS {
            readers.spawn(read(address, run.to_owned(), Arc::clone(&load)));
        }
    }
    let body = Arc::new(json!({ "source": source() }).to_string());
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(write(address, Arc::clone(&body), Arc::clone(&load)));
    }
    let begun = Instant::now();
    tokio::time::sleep(seconds).await;
    let steps = load.steps.load(Ordering::Relaxed);
    let took = begun.elapsed();
    load.stop.store(true, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let mut waited = Vec::new();
    while let Some(ended) = readers.join_next().await {
        waited.extend(ended??);
    }
    listeners.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok((steps as f64 / took.as_secs_f64(), waited))
}

async fn load(seconds: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let address = serve(open(folder.path()).await?).await?;
    let waits = "pawl: 1\nworkflow: waits\nversion: 1.0.0\nsteps: [{ id: ask, human: { title: Well? } }]\n";
    let run = ask(address, "POST", "/v1/runs", &json!({ "source": waits }).to_string()).await?;
    let run = run["id"].as_str().context("an id")?;
    let (mut alone, mut beside, mut waited) = (0.0, 0.0, Vec::new());
    for _ in 0..ROUNDS {
        alone += round(address, run, seconds, false).await?.0;
        let (steps, took) = round(address, run, seconds, true).await?;
        beside += steps;
        waited.extend(took);
    }
    waited.sort_unstable();
    let slower = 1.0 - beside / alone;
    let rounds = f64::from(u32::try_from(ROUNDS)?);
    let (p50, p99) = (at_ms(&waited, 50), at_ms(&waited, 99));
    print(&format!(
        "{WRITERS} writers: {:.0} steps/s alone, {:.0} beside {LISTENERS} listeners and {READERS} readers ({:.1} % fewer); \
         reads p50 {p50:.2} ms, p99 {p99:.2} ms of {}; {} MiB at most",
        alone / rounds,
        beside / rounds,
        slower * 100.0,
        waited.len(),
        memory_mib("VmHWM")?,
    ));
    print(&format!(
        "the aims of {:.0} % and {AIM_P99_MS} ms {}",
        AIM_SLOWER * 100.0,
        verdict(slower < AIM_SLOWER && p99 < AIM_P99_MS)
    ));
    Ok(())
}

async fn start_up(stored: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = open(folder.path()).await?;
    let text = "pawl: 1\nworkflow: waits\nversion: 1.0.0\nsteps: [{ id: ask, human: { title: Well? } }]\n";
    let workflow = Arc::new(engine.prepare_workflow("waits.yaml", text, std::path::Path::new(".")).await?);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..stored {
        let (engine, workflow) = (engine.clone(), Arc::clone(&workflow));
        starts.spawn(async move { engine.start(&workflow, Value::Null, StartOptions::default()).await });
        if starts.len() >= 1_024 {
            starts.join_next().await.context("a start")???;
        }
    }
    while let Some(started) = starts.join_next().await {
        started??;
    }
    engine.shut_down().await?;
    drop((engine, workflow));
    tokio::task::spawn_blocking(move || process(folder.path(), stored)).await?
}

/// The binary, on what is stored: from its start to the first answer, and what it holds when nothing happens.
fn process(folder: &std::path::Path, stored: usize) -> Result<()> {
    let bench = std::env::current_exe()?;
    let built = bench.parent().and_then(std::path::Path::parent).context("target/PROFILE/deps")?.join("pawl");
    ensure!(built.is_file(), "there is no {}: run `cargo build --release` first", built.display());
    let (mut took, mut own, mut resident) = (Vec::new(), 0, 0);
    for _ in 0..STARTS {
        let mut command = std::process::Command::new(&built);
        command.current_dir(folder).args(["--data", "."]).stdin(std::process::Stdio::null());
        let begun = Instant::now();
        let serving = Serving::start(command)?;
        let (status, page) = pawl_tests::ask(&serving.address, "GET", "/v1/runs", &[], None)?;
        took.push(begun.elapsed());
        ensure!(status == 200 && page["items"].as_array().is_some_and(|items| items.len() == 50), "{page}");
        std::thread::sleep(IDLE);
        own = own.max(pawl_tests::memory_of(serving.pid(), "RssAnon")?);
        resident = resident.max(pawl_tests::memory_of(serving.pid(), "VmRSS")?);
        serving.kill()?;
    }
    took.sort_unstable();
    let longest = took[took.len() - 1];
    print(&format!(
        "{stored} stored runs, {STARTS} starts of the process: first answer after {:.1} ms at most ({:.1} ms p50); {own} \
         MiB of its own after {} s, {resident} with the pages of its files that the system keeps for it; the aims of {} ms and {AIM_OWN_MIB} MiB {}",
        longest.as_secs_f64() * 1e3,
        at_ms(&took, 50),
        IDLE.as_secs(),
        AIM_FIRST_ANSWER.as_millis(),
        verdict(longest < AIM_FIRST_ANSWER && own < AIM_OWN_MIB)
    ));
    Ok(())
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "hold" } else { "are MISSED" }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn print(line: &str) {
    println!("{line}");
}
