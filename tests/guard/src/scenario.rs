//! What is counted: what a busy pawl does all day, and what must not grow with the length of a run.

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use pawl_core::journal::{self, Head};
use pawl_core::view::Status;
use pawl_core::{RunState, Timestamp};
use serde_json::json;

use crate::workload::Workload;

/// How many items the `map` has.
const ITEMS: usize = 100;
/// How many calls the agent makes.
const CALLS: u32 = 250;

/// What is counted.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    /// A definition is read and checked.
    Definition,
    /// A run of three tool steps, from its start to its end.
    Steps,
    /// A run of a `map` over 100 items.
    Map,
    /// A run of an agent that makes 250 calls.
    Calls,
    /// The journal of such a run is read and folded.
    Fold,
}

const STEPS: &str = "
steps:
  - id: first
    tool: t.do
    with: { it: '${{ inputs.n }}' }
  - id: second
    tool: t.do
    with: { it: '${{ steps.first.output.it + 1 }}' }
  - id: third
    tool: t.do
    with: { it: '${{ steps.second.output.it + 1 }}' }
outputs: { it: '${{ steps.third.output.it }}' }
";

const MAP: &str = "
steps:
  - id: each
    map:
      items: inputs.items
      max_parallel: 200
      steps:
        - id: do
          tool: t.do
          with: { it: '${{ item }}' }
";

const AGENT: &str = "
permissions: { tools: [t.do] }
steps:
  - id: go
    agent: a
    with: {}
";

impl Scenario {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// So many that what a process costs does not show in the difference.
    pub(crate) const fn rounds(self) -> u32 {
        match self {
            Self::Definition => 5,
            Self::Steps => 20,
            Self::Map | Self::Calls => 1,
            Self::Fold => 3,
        }
    }

    /// Does it so many times. Fails where a run does not come to its end: then something else is counted.
    pub(crate) fn run(self, rounds: u32) -> Result<()> {
        match self {
            Self::Definition => (0..rounds).try_for_each(|_| Workload::new(STEPS).map(drop)),
            Self::Steps => {
                let workload = Workload::new(STEPS)?;
                (0..rounds).try_for_each(|_| {
                    let run = workload.steps(json!({ "n": 1 }))?;
                    ensure!(run.state.status() == Status::Completed, "{:?}", run.state.status());
                    Ok(())
                })
            }
            Self::Map => {
                let workload = Workload::new(MAP)?;
                (0..rounds).try_for_each(|_| {
                    let run = workload.steps(json!({ "items": vec![1; ITEMS] }))?;
                    ensure!(run.state.status() == Status::Completed, "{:?}", run.state.status());
                    Ok(())
                })
            }
            Self::Calls => {
                let workload = Workload::new(AGENT)?;
                (0..rounds).try_for_each(|_| workload.calls(CALLS).map(drop))
            }
            Self::Fold => {
                let records = Workload::new(AGENT)?.calls(CALLS)?.records;
                (0..rounds).try_for_each(|_| fold(&records))
            }
        }
    }
}

fn fold(records: &[Vec<u8>]) -> Result<()> {
    let (mut head, mut state) = (Head::empty(crate::workload::RUN), RunState::new(crate::workload::RUN));
    for bytes in records {
        let envelope = journal::decode_next(crate::workload::RUN, &mut head, bytes)?;
        state.apply(envelope.time, &envelope.event);
    }
    let (_, visit) = state.active().next().context("the agent is under way")?;
    ensure!(visit.calls.whole() == CALLS && state.updated_at() > Timestamp(0), "all calls are there");
    Ok(())
}
