//! Which runs the process that drives keeps: `PAWL_KEEP_FOR` and `PAWL_KEEP_RUNS`.

use pawl_core::Duration;
use pawl_engine::{Retention, RetentionSetting};

use crate::fault::Fault;

/// How often a process that drives removes runs that are not kept.
const EVERY: Duration = Duration::from_secs(600);

/// What the environment says; nothing where it says nothing.
pub(super) fn setting() -> Result<Option<RetentionSetting>, Fault> {
    let named = |name| std::env::var(name).ok();
    read(named("PAWL_KEEP_FOR").as_deref(), named("PAWL_KEEP_RUNS").as_deref())
}

fn read(age: Option<&str>, runs: Option<&str>) -> Result<Option<RetentionSetting>, Fault> {
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
    let retention = Retention { older_than: older_than.transpose()?, keep: keep.transpose()? };
    Ok((retention != Retention::default()).then_some(RetentionSetting { retention, every: EVERY }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_from_the_environment() {
        assert_eq!(read(None, Some("")).unwrap(), None);
        let both = read(Some("30d"), Some("7")).unwrap().unwrap();
        let month = Duration::from_secs(30 * 86_400);
        assert_eq!(both.retention, Retention { older_than: Some(month), keep: Some(7) });
        assert!(read(Some("a month"), None).unwrap_err().message.contains("PAWL_KEEP_FOR"));
        assert!(read(None, Some("-1")).unwrap_err().message.contains("PAWL_KEEP_RUNS"));
    }
}
