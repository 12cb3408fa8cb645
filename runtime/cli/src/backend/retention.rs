//! Which runs the process that drives keeps: `PAWL_KEEP_FOR` and `PAWL_KEEP_RUNS`, else `retention` in `pawl.yaml`.

use pawl_core::Duration;
use pawl_core::operator::KeepSetting;
use pawl_engine::{Retention, RetentionSetting};

use crate::fault::Fault;
use crate::serving::{Layers, Named};

/// How often a process that drives removes runs that are not kept.
const EVERY: Duration = Duration::from_secs(600);

const KEEP_FOR: Named = Named { flag: None, variable: "PAWL_KEEP_FOR", key: "retention.keep_for" };
const KEEP_RUNS: Named = Named { flag: None, variable: "PAWL_KEEP_RUNS", key: "retention.keep_runs" };

/// What the environment says, else the operator's file; nothing where neither says anything.
pub(crate) fn setting(file: KeepSetting, layers: &Layers<'_>) -> Result<Option<RetentionSetting>, Fault> {
    let age = |text: &str| text.parse().map_err(|_| "it is no duration; write 12h, or 30d".to_owned());
    let runs =
        |text: &str| text.parse().map_err(|_| "it is no number; write how many, such as 1000".to_owned());
    let older_than = layers.pick(KEEP_FOR, None, age, file.keep_for)?;
    let keep = layers.pick(KEEP_RUNS, None, runs, file.keep_runs)?;
    let retention =
        Retention { older_than: older_than.map(|(age, _)| age), keep: keep.map(|(runs, _)| runs) };
    Ok((retention != Retention::default()).then_some(RetentionSetting { retention, every: EVERY }))
}
