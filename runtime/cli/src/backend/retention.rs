//! Which runs the process that drives keeps: `PAWL_KEEP_FOR` and `PAWL_KEEP_RUNS`, else `retention` in `pawl.yaml`.

use pawl_core::Duration;
use pawl_core::operator::KeepSetting;
use pawl_engine::{Retention, RetentionSetting};

use crate::fault::Fault;

/// How often a process that drives removes runs that are not kept.
const EVERY: Duration = Duration::from_secs(600);

/// What the environment says, else the operator's file; nothing where neither says anything.
pub(super) fn setting(file: KeepSetting) -> Result<Option<RetentionSetting>, Fault> {
    let named = |name| std::env::var(name).ok();
    read(file, named("PAWL_KEEP_FOR").as_deref(), named("PAWL_KEEP_RUNS").as_deref())
}

fn read(file: KeepSetting, age: Option<&str>, runs: Option<&str>) -> Result<Option<RetentionSetting>, Fault> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let older_than = given(age).map(|text| {
        text.parse().map_err(|_| {
            Fault::usage(format!("PAWL_KEEP_FOR is no duration: '{text}'")).hint("write 12h, or 30d")
        })
    });
    let keep = given(runs).map(|text| {
        text.parse().map_err(|_| {
            Fault::usage(format!("PAWL_KEEP_RUNS is no number: '{text}'"))
                .hint("write how many, such as 1000")
        })
    });
    let retention = Retention {
        older_than: older_than.transpose()?.or(file.keep_for),
        keep: keep.transpose()?.or(file.keep_runs),
    };
    Ok((retention != Retention::default()).then_some(RetentionSetting { retention, every: EVERY }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_from_the_environment() {
        let none = KeepSetting::default();
        assert_eq!(read(none, None, Some("")).unwrap(), None);
        let both = read(none, Some("30d"), Some("7")).unwrap().unwrap();
        let month = Duration::from_secs(30 * 86_400);
        assert_eq!(both.retention, Retention { older_than: Some(month), keep: Some(7) });
        let file = KeepSetting { keep_for: Some(month), keep_runs: Some(9) };
        let first = read(file, None, Some("7")).unwrap().unwrap();
        assert_eq!(first.retention, Retention { older_than: Some(month), keep: Some(7) });
        assert!(read(none, Some("a month"), None).unwrap_err().message.contains("PAWL_KEEP_FOR"));
        assert!(read(none, None, Some("-1")).unwrap_err().message.contains("PAWL_KEEP_RUNS"));
    }
}
