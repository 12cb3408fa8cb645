//! Durable commits a second on the embedded stores: `cargo run --release -p pawl-store --example bare_commits [DIR]`.

#![expect(clippy::print_stdout, reason = "the figures are its output")]

use std::error::Error;
use std::sync::Arc;

use pawl_store::bench::bare_commits;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};
use pawl_store::sled::{SledOptions, SledStore};
use pawl_store::{CommitStats, Store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    println!("engine  writers  commits/s   p50 ms   p99 ms  commits per transaction");
    for (writers, commits) in [(1, 2_000), (64, 60_000), (512, 120_000)] {
        let dir = tempfile::tempdir_in(&parent)?;
        let store = Arc::new(LmdbStore::open(dir.path(), LmdbOptions::default())?);
        measure("lmdb", writers, commits, Arc::clone(&store) as _, || store.stats()).await?;
    }
    for (writers, commits) in [(1, 2_000), (64, 30_000), (512, 30_000)] {
        let dir = tempfile::tempdir_in(&parent)?;
        let store = Arc::new(SledStore::open(dir.path(), SledOptions::default())?);
        measure("sled", writers, commits, Arc::clone(&store) as _, || store.stats()).await?;
    }
    Ok(())
}

async fn measure(
    engine: &str,
    writers: u64,
    commits: u64,
    store: Arc<dyn Store>,
    stats: impl Fn() -> CommitStats,
) -> Result<(), Box<dyn Error>> {
    let figures = bare_commits(store, writers, commits).await?;
    let stats = stats();
    println!(
        "{engine:6}  {writers:7}  {:9.0}  {:7.2}  {:7.2}  {:5}",
        figures.commits_per_second,
        figures.p50.as_secs_f64() * 1e3,
        figures.p99.as_secs_f64() * 1e3,
        stats.commits / stats.transactions.max(1),
    );
    Ok(())
}
