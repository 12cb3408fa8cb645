//! What the benchmarks measure with: time, processor time, memory, and journals by the thousand.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pawl_core::event::Event;
use pawl_core::journal::{self, Envelope, Head};
use pawl_core::view::RunHeader;
use pawl_core::{RunId, Timestamp};
use pawl_engine::Engine;
use pawl_store::{Batch, RunCommit, Store};
use rustix::time::{ClockId, clock_gettime};

/// How many commits of made-up runs share a batch.
const FILL_BATCH_RUNS: usize = 1_000;

/// How many cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// User and system time of this process, all its threads together.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// One of the memory figures that the system keeps of this process, `VmRSS` or `VmHWM`, in MiB.
pub fn memory_mib(figure: &str) -> Result<u64> {
    memory_of(std::process::id(), figure)
}

/// The same of another process; `RssAnon` is what is no page of a file.
pub fn memory_of(pid: u32, figure: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(figure));
    let line = line.with_context(|| format!("no {figure} in /proc/{pid}/status"))?;
    let kib: u64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1_024)
}

/// The value at a part of a hundred of sorted durations, in milliseconds; 0 where there are none.
pub fn at_ms(sorted: &[Duration], part: usize) -> f64 {
    let place = (sorted.len() * part / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

/// A run's journal, its commits apart, from which others like it can be made without being run.
#[derive(Debug, Clone)]
pub struct Pattern {
    commits: Vec<(Timestamp, Vec<Event>)>,
    headers: Vec<Option<RunHeader>>,
}

impl Pattern {
    /// Of a run whose commits each end where an attempt begins, as those of tool steps do.
    pub async fn of(engine: &Engine, run: RunId, first: RunHeader) -> Result<Self> {
        let last = engine.store().run(run).await?.context("the run's header")?;
        let envelopes = engine.history(run).await?.envelopes;
        let mut commits: Vec<(Timestamp, Vec<Event>)> = Vec::new();
        let mut ended = true;
        for Envelope { time, event, .. } in envelopes {
            let ends = event.name() == "attempt-started";
            if ended {
                commits.push((time, Vec::new()));
            }
            commits.last_mut().context("a commit")?.1.push(event);
            ended = ends;
        }
        let mut headers = vec![None; commits.len()];
        *headers.first_mut().context("a commit")? = Some(first);
        *headers.last_mut().context("a commit")? = Some(last);
        Ok(Self { commits, headers })
    }

    /// How many events a run of it has.
    pub fn events(&self) -> usize {
        self.commits.iter().map(|(_, events)| events.len()).sum()
    }

    /// How many commits.
    pub const fn commits(&self) -> usize {
        self.commits.len()
    }

    /// The commits of a new run, numbered and chained as its own.
    pub fn run(&self, run: RunId, wake_at: impl Fn() -> Option<Timestamp>) -> Vec<RunCommit> {
        let mut head = Head::empty(run);
        let mut made = Vec::with_capacity(self.commits.len());
        for ((time, events), header) in self.commits.iter().zip(&self.headers) {
            let expected_seq = head.seq;
            let encoded = journal::encode(&mut head, *time, events);
            let header = header.clone().map(|header| RunHeader {
                id: run,
                head,
                wake_at: wake_at().or(header.wake_at),
                ..header
            });
            made.push(RunCommit { header, ..RunCommit::new(run, expected_seq, encoded) });
        }
        made
    }

    /// Puts `count` runs of it into a store.
    pub async fn fill(
        &self,
        store: &dyn Store,
        count: usize,
        wake_at: impl Fn(usize) -> Option<Timestamp>,
    ) -> Result<()> {
        let mut filled = 0;
        while filled < count {
            let some = FILL_BATCH_RUNS.min(count - filled);
            let runs = (0..some)
                .map(|number| self.run(RunId::new(uuid::Uuid::now_v7()), || wake_at(filled + number)));
            let mut commits: Vec<_> = runs.map(Vec::into_iter).collect();
            for _ in 0..self.commits.len() {
                let runs = commits.iter_mut().filter_map(Iterator::next).collect();
                store.commit(&Batch { runs, ..Batch::default() }).await?;
            }
            filled += some;
        }
        Ok(())
    }
}

/// Runs something and says how long it took.
pub async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let done = work.await?;
    Ok((done, begun.elapsed()))
}
