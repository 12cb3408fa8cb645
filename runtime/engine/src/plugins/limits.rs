//! What an attempt of a pinned plugin may use.

use std::collections::BTreeMap;

use pawl_core::plugin::PluginPin;
use pawl_sandbox::Limits;

/// Limits by name, as a pin holds them.
pub(super) fn as_map(limits: &Limits) -> BTreeMap<String, u64> {
    serde_json::to_value(limits).and_then(serde_json::from_value).unwrap_or_default()
}

/// What an attempt of a pinned plugin may use.
///
/// A pin holds all limits as they were when the run started, since a guest can see where most of
/// them are: under others its replay would differ from the journal. Only how long it may take
/// follows today's settings. Pins of older journals hold what a manifest narrowed and no more;
/// today's settings stand for the rest of those.
pub(crate) fn limits_of(pin: &PluginPin, ceiling: &Limits) -> Limits {
    let own = serde_json::to_value(&pin.limits).and_then(serde_json::from_value::<Limits>);
    let Ok(own) = own else { return ceiling.clone() };
    let narrowed = own.at_most(ceiling);
    let is_whole = SEEN_BY_GUESTS.iter().all(|name| pin.limits.contains_key(*name));
    if !is_whole {
        return narrowed;
    }
    Limits {
        guest_time_max_ms: narrowed.guest_time_max_ms,
        wall_time_max_ms: narrowed.wall_time_max_ms,
        http_wait_max_ms: narrowed.http_wait_max_ms,
        ..own
    }
}

/// The limits that a whole pin has in any version; those of time may be added to.
const SEEN_BY_GUESTS: [&str; 6] = [
    "memory_max_bytes",
    "host_calls_max",
    "payload_max_bytes",
    "log_max_bytes",
    "table_elements_max",
    "http_body_max_bytes",
];

#[cfg(test)]
mod tests {
    use pawl_core::Digest;
    use pawl_core::plugin::{Description, PluginOrigin};

    use super::*;

    fn pin(limits: BTreeMap<String, u64>) -> PluginPin {
        PluginPin {
            component: Digest::of(b""),
            origin: PluginOrigin::Shipped,
            description: Description::Tools(Vec::new()),
            limits,
            named: None,
        }
    }

    #[test]
    fn a_whole_pin_keeps_its_limits_and_only_time_follows_the_settings() {
        let began = Limits { log_max_bytes: 1_000_000, guest_time_max_ms: 5_000, ..Limits::default() };
        let today = Limits { log_max_bytes: 10, guest_time_max_ms: 1_000, ..Limits::default() };
        let kept = limits_of(&pin(as_map(&began)), &today);
        assert_eq!(kept, Limits { guest_time_max_ms: 1_000, ..began });
        assert!(SEEN_BY_GUESTS.iter().all(|name| as_map(&today).contains_key(*name)));
    }

    #[test]
    fn an_older_pin_holds_what_its_manifest_narrowed() {
        let today = Limits { memory_max_bytes: 50, ..Limits::default() };
        let older = pin(BTreeMap::from([("log_max_bytes".to_owned(), 7)]));
        assert_eq!(limits_of(&older, &today), Limits { log_max_bytes: 7, ..today.clone() });
        assert_eq!(limits_of(&pin(BTreeMap::new()), &today), today);
    }
}
