//! Durable commits a second on the embedded store: `cargo run --release -p pawl-store --example bare_commits [DIR]`.

#![expect(clippy::print_stdout, reason = "the figures are its output")]

use std::error::Error;
use std::sync::Arc;

use pawl_store::bench::bare_commits;
use pawl_store::lmdb::{LmdbOptions, LmdbStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    println!("writers  commits/s   p50 ms   p99 ms  commits per transaction");
    for (writers, commits) in [(1, 2_000), (64, 60_000), (512, 120_000)] {
        let dir = tempfile::tempdir_in(&parent)?;
        let store = Arc::new(LmdbStore::open(dir.path(), LmdbOptions::default())?);
        let figures = bare_commits(Arc::clone(&store) as _, writers, commits).await?;
        let stats = store.stats();
        println!(
            "{writers:7}  {:9.0}  {:7.2}  {:7.2}  {:5}",
            figures.commits_per_second,
            figures.p50.as_secs_f64() * 1e3,
            figures.p99.as_secs_f64() * 1e3,
            stats.commits / stats.transactions.max(1),
        );
    }
    Ok(())
}
