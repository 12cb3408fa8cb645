//! SIGKILL, at random moments.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::check::{Moment, check};
use super::evidence::{Evidence, open};
use super::ledger::Command;
use super::state::Torture;

/// The mean time between two kills, at first and within which bounds.
const MEAN: Duration = Duration::from_millis(300);
const MEAN_MIN: Duration = Duration::from_millis(30);
const MEAN_MAX: Duration = Duration::from_secs(4);
/// How long after a call has come such a kill comes at most.
const AFTER_ARRIVAL_MAX: Duration = Duration::from_millis(15);
/// Fewer answers and acknowledgements than this between two kills, and the next ones come later.
const PROGRESS_MIN: usize = 3;
/// More than this, and they come sooner.
const PROGRESS_MAX: usize = 12;

/// Kills until there were as many kills as wanted; looks into the store after some of them.
pub(super) fn kill(torture: &Torture, inspections: usize) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(torture.seed ^ 2);
    let mut mean = MEAN;
    let mut before = torture.progress();
    let every = (torture.wanted.1 / (inspections + 1)).max(1);
    let mut inspected = 0;
    while torture.kills_on() && !torture.is_over() {
        // The moment is the point: it is drawn, not awaited.
        sleep(mean.mul_f64(rng.random_range(0.0..2.0)));
        // Half of them come in the midst of a call, if one comes soon, and the others whenever they come.
        if rng.random_bool(0.5) && torture.server.is_busy_within(mean * 2) {
            sleep(AFTER_ARRIVAL_MAX.mul_f64(rng.random_range(0.0..1.0)));
        }
        let under_way = (torture.server.open(), torture.queue.under_way());
        let kills = torture.kills().all;
        let together = rng.random_bool(0.25);
        if inspected < inspections && kills >= every * (inspected + 1) {
            inspected += 1;
            let (hit, gate) = torture.herd.still();
            if let Some(hit) = hit {
                torture.killed(hit, true, under_way);
            }
            inspect(torture)?;
            drop(gate);
        } else {
            let hit = if together { torture.herd.kill_all() } else { torture.herd.kill_holder() };
            let Some(hit) = hit else { continue };
            torture.killed(hit, together, under_way);
        }
        let made = torture.progress() - before;
        before += made;
        let factor = if made < PROGRESS_MIN {
            1.3
        } else if made > PROGRESS_MAX {
            0.8
        } else {
            1.0
        };
        mean = mean.mul_f64(factor).clamp(MEAN_MIN, MEAN_MAX);
    }
    Ok(())
}

/// Compares the lists with the store as the kill has left it. No process is there meanwhile.
fn inspect(torture: &Torture) -> Result<()> {
    // First: what is acknowledged by now must be in the store.
    let commands = torture.ledger.all();
    let evidence = read(torture, commands)?;
    torture.inspected(check(&evidence, Moment::Between));
    Ok(())
}

/// Everything there is to compare.
pub(super) fn read(torture: &Torture, commands: Vec<Command>) -> Result<Evidence> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (engine, folder) = torture.herd.store();
    runtime.block_on(async {
        let store = open(engine, &folder).await?;
        Evidence::read(&*store, commands, torture.server.timed()).await
    })
}
