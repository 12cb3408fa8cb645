//! What commands print: the JSON is that of the API.

use pawl_core::Duration;

pub(crate) use pawl_server::shape::{approval, event, run};

/// How long something took, for people: `12 ms`, `3.4 s`, `2 min`, `5.0 h`.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
pub(crate) fn took(duration: Duration) -> String {
    match duration.0 {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..120_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        ms @ 120_000..7_200_000 => format!("{} min", ms / 60_000),
        ms => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_easily() {
        let cases =
            [(0, "0 ms"), (999, "999 ms"), (3_400, "3.4 s"), (180_000, "3 min"), (18_000_000, "5.0 h")];
        for (ms, text) in cases {
            assert_eq!(took(Duration(ms)), text);
        }
    }
}
