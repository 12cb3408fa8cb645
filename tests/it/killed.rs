//! `pawl serve`, killed with SIGKILL while 64 writers do all that can be done over HTTP and readers follow all three
//! kinds of streams: what it acknowledged is there afterwards, once, and whoever listens misses nothing and hears
//! nothing twice.
//!
//! `PAWL_KILLS` sets how many kills each store survives (5 unless set), `PAWL_SEED` repeats the moments of a failure.

mod check;
mod ledger;
mod reader;
mod writer;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pawl_store::maintain::EngineKind;
use pawl_tests::{Pawl, Serving, ask};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use ledger::Ledger;
use reader::Reader;
use writer::Writer;

const WRITERS: usize = 64;
const KILLS: usize = 5;
/// Runs that last through all kills, each of them followed.
const LASTING: usize = 4;
/// How many acknowledgements there are before a kill, at least and at most.
const ACKNOWLEDGED: std::ops::Range<usize> = 200..900;

/// Hears one signal after the other.
const LASTS: &str = "
pawl: 1
workflow: lasts
version: 1.0.0
steps:
  - id: turns
    loop: { while: \"true\", max_visits: 10000, steps: [{ id: hear, signal: { name: go } }] }
";

#[test]
fn an_lmdb_server_that_is_killed_under_load_has_all_that_it_acknowledged() -> Result<()> {
    survives(EngineKind::Lmdb)
}

#[test]
fn a_sled_server_that_is_killed_under_load_has_all_that_it_acknowledged() -> Result<()> {
    survives(EngineKind::Sled)
}

fn survives(engine: EngineKind) -> Result<()> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let kills = number("PAWL_KILLS").and_then(|kills| usize::try_from(kills).ok()).unwrap_or(KILLS);
    let seed = number("PAWL_SEED").unwrap_or_else(rand::random);
    kill(engine, kills.max(1), seed).with_context(|| format!("{}, PAWL_SEED={seed}", engine.name()))
}

fn kill(engine: EngineKind, kills: usize, seed: u64) -> Result<()> {
    let (pawl, store) = (Pawl::new()?, format!("{}:", engine.name()));
    let serve = || Serving::start(pawl.command(&["--store", &store])?);
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);
    let ledger = Ledger::default();
    let server = serve()?;
    let mut lasting = Vec::new();
    for _ in 0..LASTING {
        let (status, run) = ask(&server.address, "POST", "/v1/runs", &[], Some(&json!({ "source": LASTS })))?;
        ensure!(status == 201, "{run}");
        lasting.push(run["id"].as_str().context("an id")?.to_owned());
    }
    server.kill()?;
    let readers: Vec<Reader> = lasting
        .iter()
        .map(|run| Reader::of_run(run))
        .chain([Reader::of_changes(), Reader::of_changes(), Reader::of_inbox(), Reader::of_inbox()])
        .collect();
    for round in 0..kills {
        let server = serve()?;
        let address = server.address.clone();
        let enough = ledger.acknowledged() + chance.random_range(ACKNOWLEDGED);
        std::thread::scope(|threads| {
            for number in 0..WRITERS {
                let writer = Writer { address: &address, number, round, ledger: &ledger };
                let lasting = &lasting[number % LASTING];
                threads.spawn(move || writer.write(lasting));
            }
            for reader in &readers {
                let address = &address;
                threads.spawn(move || reader.listen(address));
            }
            let since = Instant::now();
            while ledger.acknowledged() < enough
                && ledger.is_well()
                && since.elapsed() < Duration::from_mins(1)
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            let killed = server.kill();
            ledger.stop.store(true, Ordering::SeqCst);
            killed
        })?;
        ledger.stop.store(false, Ordering::SeqCst);
        ledger.nothing_went_wrong()?;
        ensure!(ledger.acknowledged() >= enough, "the server takes nothing");
    }
    let server = serve()?;
    check::everything_is_there(&server.address, &ledger)?;
    for reader in &readers {
        reader.listen_to_the_end(&server.address)?;
    }
    check::nothing_is_missed(&server.address, &readers)?;
    drop(server);
    assert_eq!(pawl.run(&["--store", &store, "verify"])?.code(), 0);
    Ok(())
}
